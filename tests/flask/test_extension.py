"""The extension: URLs, what Flask offers inside a hook, what a request may look like, after_reply."""

from __future__ import annotations

import io
import logging
import re
from typing import Any

import flask
import pytest
from flask import Flask, g, request, session
from flask_limiter import Limiter
from flask_wtf import CSRFProtect
from werkzeug.test import create_environ, run_wsgi_app

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Error,
    Hooks,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RPCRequest,
    RPCResult,
    SetupError,
    SubscribeResult,
    UserRequest,
    after_reply,
    current_request,
    errors,
)
from tests.support.asking import Ask
from tests.support.paths import SECRET

HEADERS = {"X-Proxyhooks-Secret": SECRET}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_post_is_answered(method: str, app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc(lambda req: RPCResult())
    response = app.test_client().open("/centrifugo/rpc", method=method, headers=HEADERS)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


class Unreadable(io.RawIOBase):
    """A body that must not be touched."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


@pytest.mark.parametrize(
    ("environ", "headers", "expected"),
    [
        ({"CONTENT_LENGTH": str(1024 * 1024 + 1)}, HEADERS, 413),
        ({"CONTENT_LENGTH": "99999999999999999999"}, HEADERS, 413),
        ({"CONTENT_LENGTH": "10"}, {}, 403),
    ],
)
def test_what_is_refused_by_its_head_is_not_read(
    environ: Any, headers: Any, expected: int, app: Flask, hooks: ProxyHooks
) -> None:
    hooks.rpc(lambda req: RPCResult())
    given = create_environ("/centrifugo/rpc", method="POST", headers=headers) | environ | {"wsgi.input": Unreadable()}
    _, status, _ = run_wsgi_app(app, given)
    assert status.startswith(str(expected))


def test_a_body_of_unknown_length_is_read_up_to_the_limit(app: Flask, hooks: ProxyHooks) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    hooks.rpc(lambda req: RPCResult(data=len(request.get_data())))

    def post(body: bytes) -> int:
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        client = app.test_client()
        stream = io.BytesIO(body)
        return client.post(
            "/centrifugo/rpc", input_stream=stream, headers=HEADERS, environ_overrides=environ
        ).status_code

    assert post(b'{"data":"' + b"x" * 980 + b'"}') == 200
    assert post(b'{"data":"' + b"x" * 1000 + b'"}') == 413


def test_the_default_limit_is_one_mebibyte_and_max_content_length_changes_it(
    app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc", b'{"data":"' + b"x" * 1024 * 1024 + b'"}').status_code == 413
    assert ask("rpc", b'{"data":"' + b"x" * 1024 * 1000 + b'"}').status_code == 200
    app.config["MAX_CONTENT_LENGTH"] = 2 * 1024 * 1024
    assert ask("rpc", b'{"data":"' + b"x" * 1024 * 1024 + b'"}').status_code == 200


@pytest.mark.parametrize(
    ("body", "log"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"[]", "Invalid input type."),
        (b'"text"', "Invalid input type."),
        (b"null", "Expecting value|not an object|RPCRequest"),
        (b"\xff\xfe", "utf-8"),
        (b'{"user": 42}', "'user': \\['Not a valid string.'\\]"),
        (b'{"b64data": "x"}', "'b64data': \\['Not valid base64.'\\]"),
        (b'{"labels": {"a": 1}}', "'labels'"),
        (b"{} {}", "Extra data"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
    ],
)
def test_what_is_no_message_is_400_and_the_log_names_the_field(
    body: bytes, log: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc", body).status_code == 400
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    caplog.clear()
    assert re.search(log, record.getMessage())


def test_a_sender_that_leaves_before_the_end_is_400(app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc(lambda req: RPCResult())
    response = app.test_client().post(
        "/centrifugo/rpc",
        input_stream=io.BytesIO(b'{"da'),
        headers=HEADERS,
        environ_overrides={"CONTENT_LENGTH": "100"},
    )
    assert response.status_code == 400


def test_a_caller_without_the_secret_reaches_no_function_of_the_application(app: Flask, hooks: ProxyHooks) -> None:
    reached: list[str] = []
    app.before_request(lambda: reached.append("before_request"))
    app.after_request(lambda response: reached.append("after_request") or response)
    app.teardown_request(lambda error: reached.append("teardown_request"))
    app.url_value_preprocessor(lambda endpoint, values: reached.append("preprocessor"))
    hooks.before_hook(lambda req: reached.append("before_hook"))
    hooks.rpc(lambda req: reached.append("hook") or RPCResult())
    for body in (b"{}", b"no json", b"[" * 100_000):
        assert app.test_client().post("/centrifugo/rpc", data=body).status_code == 403
    assert app.test_client().post("/centrifugo/state", data=b"{}").status_code == 403
    assert reached == []


def test_everything_flask_offers_works_in_a_hook(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    seen: list[Any] = []

    @app.before_request
    def before() -> None:
        g.before = type(current_request._get_current_object()).__name__

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        seen.append(g.get("before"))

    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        assert flask.current_app.name == "app"
        assert (request.endpoint or "").startswith("proxyhooks_connect_tests_flask_test_extension_")
        assert request.get_json() == {"name": "js"}
        return ConnectResult(user=session["user"], data=[g.before, request.cookies["plain"], request.headers["X-More"]])

    client = app.test_client()
    with client.session_transaction() as stored:
        stored["user"] = "42"
    client.set_cookie("plain", "cookie")
    response = client.post("/centrifugo/connect", json={"name": "js"}, headers={**HEADERS, "X-More": "header"})
    assert response.json == {"result": {"user": "42", "data": ["ConnectRequest", "cookie", "header"]}}
    assert seen[-1] == "ConnectRequest"


def test_error_handlers_and_flasks_signals_see_what_a_hook_raises(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    seen: list[Any] = []
    flask.got_request_exception.connect(lambda sender, exception: seen.append(exception), app, weak=False)
    hooks.rpc("boom")(lambda req: RPCResult(data=1 / 0))
    hooks.rpc("handled")(lambda req: RPCResult(data=dict[str, str]()["missing"]))

    @app.errorhandler(KeyError)
    def handle(error: KeyError) -> tuple[str, int]:
        return "a page", 502

    assert ask("rpc", method="boom").status_code == 500
    assert [type(error) for error in seen] == [ZeroDivisionError]
    assert ask("rpc", method="handled").status_code == 502


def test_exceptions_propagate_when_the_application_is_tested(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    hooks.rpc(lambda req: RPCResult(data=1 / 0))
    with pytest.raises(ZeroDivisionError):
        ask("rpc")


@pytest.mark.parametrize("order", ["before", "after"])
def test_csrf_protection_does_not_get_in_the_way(order: str, app: Flask, ask: Ask) -> None:
    if order == "before":
        CSRFProtect(app)
    hooks = ProxyHooks(app)
    if order == "after":
        CSRFProtect(app)
    hooks.rpc(lambda req: RPCResult(data=1))
    app.add_url_rule("/form", view_func=lambda: "posted", endpoint="form", methods=["POST"])
    assert ask("rpc").json == {"result": {"data": 1}}
    assert app.test_client().post("/form").status_code == 400


def test_a_limit_per_user_with_flask_limiter(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    limiter = Limiter(lambda: current_request.user, app=app, storage_uri="memory://")

    @hooks.publish
    @limiter.limit("2 per hour")
    def speak(req: PublishRequest) -> PublishResult:
        return PublishResult()

    assert [ask("publish", user="a").json for _ in range(3)] == [
        {"result": {}},
        {"result": {}},
        {"error": {"code": 111, "message": "too many requests", "temporary": True}},
    ]
    assert ask("publish", user="b").json == {"result": {}}


def test_current_request_is_there_from_before_request_on(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    seen: list[Any] = []
    app.before_request(lambda: seen.append(current_request.method))
    app.after_request(lambda response: seen.append(current_request.user) or response)
    hooks.rpc(lambda req: seen.append(current_request == req) or RPCResult())
    ask("rpc", method="a", user="42")
    assert seen == ["a", True, "42"]
    assert not current_request
    with pytest.raises(RuntimeError, match="no request from Centrifugo"):
        current_request.user  # noqa: B018
    with app.test_request_context("/"), pytest.raises(RuntimeError, match="no request from Centrifugo"):
        current_request.user  # noqa: B018


def test_several_in_one_application(app: Flask, ask: Ask) -> None:
    one = ProxyHooks(app)
    two = ProxyHooks(app, name="admin", url_prefix="/admin/rt/", secrets=["other"])
    one.rpc(lambda req: RPCResult(data=1))
    two.rpc(lambda req: RPCResult(data=2))
    assert ask("rpc").json == {"result": {"data": 1}}
    client = app.test_client()
    assert client.post("/admin/rt/rpc", json={}, headers=HEADERS).status_code == 403
    headers = {"X-Proxyhooks-Secret": "other"}
    assert client.post("/admin/rt/rpc", json={}, headers=headers).json == {"result": {"data": 2}}
    assert client.post("/centrifugo/rpc", json={}, headers=headers).status_code == 403
    with app.test_request_context():
        assert flask.url_for("admin_rpc") == "/admin/rt/rpc"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "named 'proxyhooks' already"),
        ({"name": "other"}, "url_prefix '/centrifugo'"),
        ({"name": "other", "url_prefix": "/centrifugo/"}, "url_prefix '/centrifugo'"),
        ({"name": "not a name"}, "must be an identifier"),
        ({"url_prefix": "centrifugo"}, "must be a path"),
        ({"url_prefix": "/<tenant>"}, "must be a path"),
        ({"url_prefix": 5}, "must be a path"),
        ({"url_prefix": "/\u00e9"}, "must be a path"),
        ({"url_prefix": "/a//b"}, "must be a path"),
        ({"http_headers": "Cookie"}, "list of header names"),
        ({"http_headers": ["Cookie", "x-proxyhooks-secret"]}, "override the secret"),
        ({"emulated_headers": ["X-Proxyhooks-Secret"]}, "override the secret"),
        ({"emulated_headers": [5]}, "list of header names"),
    ],
)
def test_what_cannot_work_is_refused(options: Any, hint: str, app: Flask, hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError) as refused:
        ProxyHooks(app, **options)
    assert hint in str(refused.value)


def test_http_headers_and_emulated_headers_are_remembered() -> None:
    hooks = ProxyHooks(http_headers=["Cookie"], emulated_headers=["Authorization"])
    assert (hooks.http_headers, hooks.emulated_headers) == (("Cookie",), ("Authorization",))


def test_the_prefix_may_be_the_root(app: Flask) -> None:
    ProxyHooks(app, url_prefix="/").rpc(lambda req: RPCResult(data=1))
    assert app.test_client().post("/rpc", json={}, headers=HEADERS).json == {"result": {"data": 1}}


def test_other_urls_of_the_application_are_left_alone(app: Flask, hooks: ProxyHooks) -> None:
    app.add_url_rule("/page", view_func=lambda: "page", endpoint="page")
    app.add_url_rule("/raise", view_func=lambda: (_ for _ in ()).throw(errors.PermissionDenied), endpoint="raise")
    assert app.test_client().get("/page").data == b"page"
    assert app.test_client().get("/raise").status_code == 500
    assert app.test_client().get("/nothing").status_code == 404


def test_a_url_that_is_taken_is_refused(app: Flask) -> None:
    app.add_url_rule("/centrifugo/connect", "mine", lambda: "", methods=["POST"])
    with pytest.raises(
        SetupError, match="/centrifugo/connect is already the URL of the endpoint 'mine': choose another url_prefix"
    ):
        ProxyHooks(app)


class Interrupted(io.RawIOBase):
    """A connection that breaks."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise ConnectionResetError


class Dripping(io.BytesIO):
    """A body that comes in pieces."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 3, 3))


@pytest.mark.parametrize("environ", [{"CONTENT_LENGTH": "10"}, {"wsgi.input_terminated": True}])
def test_a_connection_that_breaks_is_400(environ: Any, app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc(lambda req: RPCResult())
    given = create_environ("/centrifugo/rpc", method="POST", headers=HEADERS)
    given.pop("CONTENT_LENGTH", None)
    _, status, _ = run_wsgi_app(app, given | environ | {"wsgi.input": Interrupted()})
    assert status.startswith("400")


def test_a_body_that_comes_in_pieces_is_read_to_its_end(app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc(lambda req: RPCResult(data=req.data))
    body = b'{"data":"in pieces"}'
    given = create_environ("/centrifugo/rpc", method="POST", headers=HEADERS)
    given |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": Dripping(body)}
    chunks, _, _ = run_wsgi_app(app, given)
    assert b"".join(chunks) == b'{"result":{"data":"in pieces"}}'


@pytest.mark.parametrize("propagate", [True, False])
def test_after_reply_runs_also_if_there_was_no_reply(propagate: bool, app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    ran: list[Any] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(ran.append, 1)
        raise ZeroDivisionError

    if propagate:
        with pytest.raises(ZeroDivisionError):
            ask("rpc")
    else:
        ask("rpc").close()
    assert ran == [1]


def test_after_reply_runs_when_the_reply_was_read_and_in_the_applications_context(
    app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    app.testing = True
    ran: list[Any] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(lambda *words: ran.append((flask.current_app.name, *words)), "a", "b")
        after_reply(ran.append, "second")
        return RPCResult()

    response = ask("rpc")
    assert ran == []
    assert response.data == b'{"result":{}}'
    assert ran == [("app", "a", "b"), "second"]
    response.close()
    assert len(ran) == 2


def test_after_reply_runs_also_if_nobody_reads_the_reply(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    ran: list[Any] = []
    hooks.rpc(lambda req: (after_reply(ran.append, 1), RPCResult())[1])
    ask("rpc").close()
    assert ran == [1]


@pytest.mark.parametrize("error", [errors.PermissionDenied, Error(1001, "x", temporary=True)])
def test_after_reply_runs_whatever_the_reply_is(error: Any, app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    ran: list[Any] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(ran.append, 1)
        raise error

    ask("rpc").close()
    assert ran == [1]


def test_an_exception_in_after_reply_is_logged_and_stops_nothing(
    app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.testing = True
    ran: list[Any] = []

    async def also() -> None:
        ran.append("async")

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(lambda: 1 / 0)
        after_reply(also)
        return RPCResult()

    assert ask("rpc").json == {"result": {}}
    assert "ZeroDivisionError" in caplog.text
    assert ran == ["async"]


def test_after_reply_takes_a_function() -> None:
    with pytest.raises(TypeError, match=r"after_reply\(f, 1\)"):
        after_reply(None)  # type: ignore[arg-type]


def test_after_reply_outside_of_a_hook_says_so(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="no request from Centrifugo"):
        after_reply(print)
    with app.test_request_context(), pytest.raises(RuntimeError, match="no request from Centrifugo"):
        after_reply(print)


def test_modules_and_before_hooks_share_flasks_g(hooks: ProxyHooks, ask: Ask) -> None:
    rooms = Hooks()
    hooks.include(rooms)

    @hooks.before_hook
    def load(req: UserRequest) -> None:
        g.user = f"user {req.user}"

    rooms.subscribe("chat:<name>")(lambda req, name: SubscribeResult(data=[g.user, name]))
    assert ask("subscribe", channel="chat:a", user="42").json == {"result": {"data": ["user 42", "a"]}}


def test_init_app_without_an_application_at_first(app: Flask, ask: Ask) -> None:
    hooks = ProxyHooks()
    hooks.rpc(lambda req: RPCResult(data=1))
    hooks.init_app(app)
    assert ask("rpc").json == {"result": {"data": 1}}
