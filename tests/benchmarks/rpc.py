"""The time of one rpc hook with a payload schema, against the same by hand, in one run.

``python tests/benchmarks/rpc.py`` prints how long a call takes in-process, WSGI in and out, for a bare Flask view that
reads JSON and returns a dict, for Flask with marshmallow by hand (five fields, schema built once), and for a hook. The
three take turns, so that what else the machine does meets all of them; the ratios are of the medians.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, request
from marshmallow import Schema, fields, validate

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

ROUNDS, CALLS = 60, 400
DATA = {"text": "Hello, world", "room": 42, "tags": ["a", "b"], "urgent": True, "color": "green"}
BODY = json.dumps(
    {
        "client": "7d13ca1e-754a-4a7e-a3fa-279fcf7ef87e",
        "transport": "websocket",
        "protocol": "json",
        "encoding": "json",
        "user": "42",
        "method": "say",
        "data": DATA,
    }
).encode()


class MessageSchema(Schema):
    text = fields.String(required=True, validate=validate.Length(1, 500))
    room = fields.Integer(required=True, strict=True)
    tags = fields.List(fields.String())
    urgent = fields.Boolean()
    color = fields.String(validate=validate.OneOf(["red", "green", "blue"]))


def bare() -> Flask:
    app = Flask("bare")

    @app.post("/centrifugo/rpc")
    def rpc() -> dict[str, Any]:
        return {"result": {"data": request.get_json()["data"]}}

    return app


def by_hand() -> Flask:
    app = Flask("by_hand")
    schema = MessageSchema()

    @app.post("/centrifugo/rpc")
    def rpc() -> dict[str, Any]:
        return {"result": {"data": schema.load(request.get_json()["data"])}}

    return app


def hook() -> Flask:
    app = Flask("hook")
    hooks = ProxyHooks(app, secrets=["s3cret"])

    @hooks.rpc("say", data_schema=MessageSchema)
    def say(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    return app


def call(app: Flask) -> bytes:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/centrifugo/rpc",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "Go-http-client/1.1",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_X_PROXYHOOKS_SECRET": "s3cret",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    body = app(environ, _start_response)
    try:
        return b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
    assert status == "200 OK", status
    return lambda chunk: None


def measure() -> dict[str, float]:
    """Microseconds a call, the median of the rounds."""
    apps = {app.name: app for app in (bare(), by_hand(), hook())}
    for app in apps.values():
        assert json.loads(call(app)) == {"result": {"data": DATA}}
    times: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                call(app)
            times[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    medians = measure()
    for name, microseconds in medians.items():
        print(f"{name:8} {microseconds:7.1f} µs   {microseconds / medians['by_hand']:.2f} x by hand")
