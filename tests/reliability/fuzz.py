"""A coverage-guided search for a body that is answered wrongly.

``python -m tests.reliability.fuzz -max_total_time=600``; it needs atheris (``pip install atheris``), and takes
libFuzzer's options. Each body is sent to every event, with hooks that return the data they get. Every answer must be in
the table "What each input gets" of deploy/README.md. Every 100,000 bodies the search prints how much memory it uses.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

from tests.support.paths import DATA, SECRET

with atheris.instrument_imports(include=["proxyhooks", "marshmallow"]):
    from flask import Flask
    from marshmallow import Schema, fields

    import proxyhooks
    from proxyhooks import schemas  # noqa: F401  # instrumented, like what it imports
    from proxyhooks._dispatch.events import EVENTS
    from proxyhooks._flask import ingress, middleware  # noqa: F401  # likewise
    from proxyhooks._wire import decoding  # noqa: F401  # likewise
    from proxyhooks._wire import json as wire_json  # noqa: F401  # likewise

ALLOWED_STATUSES = {200, 400, 404, 413}


class Payload(Schema):
    text = fields.String(required=True)
    number = fields.Integer(strict=True)
    when = fields.DateTime()
    nested = fields.Nested("Payload", exclude=("nested",))


def returned(data: Any) -> Any:
    """What a hook returns for its data: the data, but the length of bytes, which clients with JSON cannot get."""
    return len(data) if isinstance(data, bytes) else data


def application() -> Flask:
    app = Flask("fuzzed")
    app.config.update(PROXYHOOKS_SECRETS=[SECRET])
    hooks = proxyhooks.ProxyHooks(app)

    @hooks.connect
    def connect(req: proxyhooks.ConnectRequest) -> proxyhooks.ConnectResult:
        return proxyhooks.ConnectResult(user="42", data=returned(req.data))

    @hooks.refresh
    def refresh(req: proxyhooks.RefreshRequest) -> proxyhooks.RefreshResult:
        return proxyhooks.RefreshResult(expired=True)

    @hooks.subscribe
    def subscribe(req: proxyhooks.SubscribeRequest) -> proxyhooks.SubscribeResult:
        return proxyhooks.SubscribeResult(data=returned(req.data))

    @hooks.subscribe("chat:<int:room_id>")
    def join(req: proxyhooks.SubscribeRequest, room_id: int) -> proxyhooks.SubscribeResult:
        assert req.channel == f"chat:{room_id}"
        return proxyhooks.SubscribeResult()

    @hooks.publish
    def publish(req: proxyhooks.PublishRequest) -> proxyhooks.PublishResult:
        return proxyhooks.PublishResult(data=returned(req.data) or 1)

    @hooks.rpc
    def rpc(req: proxyhooks.RPCRequest) -> proxyhooks.RPCResult:
        return proxyhooks.RPCResult(data=returned(req.data))

    @hooks.rpc("checked", data_schema=Payload, result_schema=Payload)
    def checked(req: proxyhooks.RPCRequest) -> proxyhooks.RPCResult:
        return proxyhooks.RPCResult(data=req.data)

    @hooks.sub_refresh
    def sub_refresh(req: proxyhooks.SubRefreshRequest) -> proxyhooks.SubRefreshResult:
        return proxyhooks.SubRefreshResult(expired=True)

    return app


APP = application()
failures: list[str] = []


class Failures(logging.Handler):
    """Collects log records of exceptions and errors, which mean that the package has failed."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            failures.append(self.format(record))


for name in ("fuzzed", "proxyhooks"):
    logging.getLogger(name).handlers[:] = [Failures()]
    logging.getLogger(name).propagate = False


def ask(event: str, body: bytes) -> tuple[int, bytes]:
    started: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/centrifugo/{event}",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_X_PROXYHOOKS_SECRET": SECRET,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    answer = APP(environ, lambda status, headers, exc_info=None: started.append(status) or (lambda data: None))
    written = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    return int(started[0][:3]), written


def check(event: str, body: bytes) -> None:
    status, written = ask(event, body)
    assert status in ALLOWED_STATUSES, (event, body, status, failures)
    assert not failures, (event, body, failures)
    if status == 200:
        answer = json.loads(written)
        assert len(answer) == 1, (event, body, written)
        assert set(answer) <= {"result", "error", "disconnect"}, (event, body, written)


def memory() -> int:
    """Resident, in KiB."""
    fields_of = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields_of["VmRSS"].split()[0])


bodies = 0


def check_every_event(data: bytes) -> None:
    global bodies
    for event in EVENTS:
        check(event, data)
    bodies += 1
    if bodies % 100_000 == 0:
        print(f"{bodies} bodies, {memory()} KiB", flush=True)


if __name__ == "__main__":
    seeds = DATA / "requests"
    atheris.Setup([*sys.argv, "-max_len=4096", f"-artifact_prefix={tempfile.gettempdir()}/"], check_every_event)
    for seed in seeds.iterdir():
        check_every_event(seed.read_bytes())
    atheris.Fuzz()
