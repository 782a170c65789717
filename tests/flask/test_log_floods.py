"""No caller can flood the log: a thousand requests of a kind make one line, and the next line counts them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from proxyhooks import ConnectResult, ProxyHooks, PublishResult, RefreshResult, RPCRequest, RPCResult
from proxyhooks._flask import load_shedding
from proxyhooks._wire.log import rate_limited
from tests.support.paths import SECRET

LONG = "x" * 4000
FORGED = "\r\n\x1b[31mERROR everything is lost"
CONTROL_CHARACTER = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f]")


class Payload(ma.Schema):
    number = ma.fields.Integer(required=True)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limited.limit, "clock", clock)
    return clock


class SocketOf:
    """A socket whose request arrived 100 s ago, or whose caller has hung up."""

    def __init__(self, state: int) -> None:
        self._info = bytes([state, *bytes(51)]) + (100_000).to_bytes(4, "little")

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return self._info[:size]


@pytest.fixture
def flooded_app(app: Flask) -> Flask:
    hooks = ProxyHooks(app)

    @hooks.rpc("known", data_schema=Payload)
    def known(req: RPCRequest[dict[str, int]]) -> RPCResult:
        return RPCResult()

    hooks.connect(lambda req: ConnectResult(user="42", expire_at=1))
    hooks.publish("known")(lambda req: PublishResult())
    hooks.refresh(lambda req: RefreshResult(expire_at=10))
    return app


def call(app: Flask, event: str, body: str, **environ: Any) -> int:
    """Make a call, and return its status."""
    path = environ.pop("PATH_INFO", f"/centrifugo/{event}")
    builder = EnvironBuilder(path="/", method="POST", headers=[("X-Proxyhooks-Secret", SECRET)])
    request = builder.get_environ()
    data = body.encode()
    request |= {"PATH_INFO": path, "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data), **environ}
    _, status, _ = run_wsgi_app(app, request)
    return int(status.split()[0])


Send = Callable[[Flask, int], int]

# What a caller sends in the request of a number, and the status that it gets.
WITHOUT_SECRET: dict[str, tuple[Send, int]] = {
    "no secret": (lambda app, _: call(app, "rpc", "{}", HTTP_X_PROXYHOOKS_SECRET=""), 403),
    "a wrong secret": (lambda app, n: call(app, "rpc", "{}", HTTP_X_PROXYHOOKS_SECRET=f"{n}{LONG}"), 403),
    "slashes": (lambda app, n: call(app, "", "{}", PATH_INFO="/centrifugo" + "/" * (4000 - n) + "rpc"), 404),
    "too large": (lambda app, n: call(app, "rpc", "{}", CONTENT_LENGTH=str(10**9 + n)), 413),
}
WITH_SECRET: dict[str, tuple[Send, int]] = {
    "too large, in chunks": (
        lambda app, n: call(
            app, "rpc", LONG, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True}
        ),
        413,
    ),
    "no message": (lambda app, n: call(app, "rpc", f'{{"user": {{"{LONG}{n}": 1}}}}'), 400),
    "no JSON": (lambda app, n: call(app, "rpc", f"{n}{FORGED}"), 400),
    "too complex": (lambda app, n: call(app, "rpc", "[" * 1000 + "]" * 1000), 200),
    "an unknown method": (lambda app, n: call(app, "rpc", f'{{"method": "m{n}{LONG}"}}'), 200),
    "an unknown channel": (lambda app, n: call(app, "publish", f'{{"channel": "\\r\\n{n}{LONG}"}}'), 200),
    "a wrong payload": (
        lambda app, n: call(app, "rpc", f'{{"method": "known", "data": {{"{LONG}\\r\\n": {n}}}}}'),
        200,
    ),
    "a result that has expired": (lambda app, n: call(app, "connect", "{}"), 200),
    "a late call": (lambda app, n: call(app, "rpc", "{}", **{"gunicorn.socket": SocketOf(1)}), 503),
    "a caller that hung up": (lambda app, n: call(app, "rpc", "{}", **{"gunicorn.socket": SocketOf(8)}), 503),
}


@pytest.fixture
def flood(flooded_app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture) -> Callable[[Send, int], None]:
    def send_many(send: Send, status: int) -> None:
        assert {send(flooded_app, number) for number in range(1000)} == {status}
        clock.now += 1.5
        send(flooded_app, 1000)
        first, second = [record.getMessage() for record in caplog.records if record.name == "proxyhooks"]
        assert "more like this" not in first
        assert "(999 more like this since the last such line)" in second
        assert len(first + second) < 2000
        assert not CONTROL_CHARACTER.search(first + second)

    return send_many


@pytest.mark.parametrize("kind", WITHOUT_SECRET)
def test_a_caller_without_the_secret_cannot_flood_the_log(kind: str, flood: Callable[[Send, int], None]) -> None:
    flood(*WITHOUT_SECRET[kind])


@pytest.mark.parametrize("kind", WITH_SECRET)
def test_clients_of_centrifugo_cannot_flood_the_log(
    kind: str, flooded_app: Flask, flood: Callable[[Send, int], None]
) -> None:
    if kind == "too large, in chunks":
        flooded_app.config["MAX_CONTENT_LENGTH"] = 1000
    flood(*WITH_SECRET[kind])


def test_a_meta_that_is_refused_cannot_flood_the_log(
    app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = ProxyHooks(app, meta_schema=Payload)
    hooks.rpc(lambda req: RPCResult())
    for number in range(1000):
        call(app, "rpc", f'{{"client": "{number}", "meta": {{"{LONG}": 1}}}}')
    clock.now += 1.5
    call(app, "rpc", '{"client": "last", "meta": {}}')
    assert ["999 more" in message for message in caplog.messages] == [False, True]


def test_an_application_that_answers_for_the_hooks_cannot_flood_the_log(
    app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ProxyHooks(app).rpc(lambda req: RPCResult())
    app.before_request(lambda: "a login page")
    for _ in range(1000):
        assert call(app, "rpc", "{}") == 500
    clock.now += 1.5
    call(app, "rpc", "{}")
    assert ["999 more" in message for message in caplog.messages] == [False, True]


# werkzeug's, of the very thing that is tested.
@pytest.mark.filterwarnings("ignore:Current server name:UserWarning")
def test_an_unknown_host_cannot_flood_the_log(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app", host_matching=True, static_host="example.com")
    ProxyHooks(app, secrets=[SECRET]).rpc(lambda req: RPCResult())
    for number in range(1000):
        assert call(app, "rpc", "{}", HTTP_HOST=f"a{number}.{'x' * 4000}") == 400
    clock.now += 1.5
    call(app, "rpc", "{}", HTTP_HOST="last")
    messages = [record.getMessage() for record in caplog.records if "does not serve the host" in record.getMessage()]
    assert ["999 more" in message for message in messages] == [False, True]
    assert max(map(len, messages)) < 1000


# Whatever one second of the flood has, besides a call of each hook whose payload is refused.
EVERY_KIND = [send for send, _ in (*WITHOUT_SECRET.values(), *WITH_SECRET.values())]
HOOKS = 60
SECONDS = 12


def test_twelve_seconds_of_every_kind_by_many_hooks_clients_and_channels_make_less_than_a_megabyte(
    flooded_app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each call is asked how long it waited, however soon it follows another one.
    monkeypatch.setattr(load_shedding, "_ASK_INTERVAL", 0.0)
    hooks = next(iter(flooded_app.extensions["proxyhooks"].hooks.values()))
    for number in range(HOOKS):
        # A function for each, with a name of its own: the name is the kind of the line.
        names: dict[str, Any] = {"RPCResult": RPCResult}
        exec(f"def hook_{number}(req):\n    return RPCResult()", names)
        hooks.rpc(f"many.{number}", data_schema=Payload)(names[f"hook_{number}"])
    client = json.dumps({"client": "日本" * 1000, "user": "\U0001f375\x00\r\n" * 1000}, ensure_ascii=False)[1:-1]
    for second in range(SECONDS):
        clock.now = 200.0 + second
        for number in range(HOOKS):
            call(flooded_app, "rpc", f'{{"method": "many.{number}", {client}, "data": {{"{LONG}{number}": 1}}}}')
        for number, send in enumerate(EVERY_KIND * 3):
            send(flooded_app, second * 100 + number)
    lines: dict[str, list[str]] = {}
    for record in caplog.records:
        lines.setdefault(str(record.msg), []).append(record.getMessage())
    assert len(lines) == 11  # some kinds have the same text
    assert max(len(line) for of_kind in lines.values() for line in of_kind) < 4000
    assert max(map(len, lines.values())) <= 3 * SECONDS
    assert sum(len(line.encode()) + 100 for of_kind in lines.values() for line in of_kind) < 500_000


def test_hooks_share_the_lines_of_a_second(flooded_app: Flask, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    hooks = next(iter(flooded_app.extensions["proxyhooks"].hooks.values()))
    for name in "abcde":
        names: dict[str, Any] = {"RPCResult": RPCResult}
        exec(f"def hook_{name}(req):\n    return RPCResult()", names)
        hooks.rpc(name, data_schema=Payload)(names[f"hook_{name}"])
    for _ in range(2):
        for name in "abcde":
            call(flooded_app, "rpc", f'{{"method": "{name}"}}')
    clock.now += 1.5
    for name in "edcba":
        call(flooded_app, "rpc", f'{{"method": "{name}"}}')
    assert [vars(record)["method"] for record in caplog.records] == ["a", "b", "c", "e", "d", "c"]
    assert "(2 more like this" in caplog.messages[3]


def test_a_reply_to_head_has_no_body(app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc(lambda req: RPCResult())
    environ = EnvironBuilder(path="/centrifugo/rpc", method="HEAD").get_environ()
    body, status, _ = run_wsgi_app(app, environ)
    assert (list(body), status) == ([], "405 Method Not Allowed")


@pytest.mark.parametrize(
    ("secret", "event", "status"), [("wrong", "rpc", 403), (SECRET, "rpc", 200), (SECRET, "publish", 404)]
)
def test_the_server_is_told_to_close_the_connection_of_a_caller_without_the_secret(
    secret: str, event: str, status: int, app: Flask, hooks: ProxyHooks
) -> None:
    hooks.rpc(lambda req: RPCResult())
    builder = EnvironBuilder(path=f"/centrifugo/{event}", method="POST", headers=[("X-Proxyhooks-Secret", secret)])
    environ = builder.get_environ() | {"CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}")}
    statuses: list[str] = []
    list(app.wsgi_app(environ, lambda line, *_: statuses.append(line[:3])))  # type: ignore[arg-type]
    assert (statuses, environ.get("proxyhooks.close_connection")) == ([str(status)], True if status == 403 else None)
