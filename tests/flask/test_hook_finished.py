"""The signal ``hook_finished``: one for each request to a hook's URL, and it tells what is sent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask
import pytest
from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface
from werkzeug.test import create_environ

from proxyhooks import (
    Disconnect,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    RPCRequest,
    RPCResult,
    current_request,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._flask import finished_calls
from proxyhooks.signals import FinishedCall, hook_finished
from tests.flask.fast_path.generated_apps import GeneratedApp
from tests.flask.fast_path.generated_requests import environ as generated_environ
from tests.support.asking import Ask
from tests.support.paths import SECRET

OK = {"result": {"data": "ok"}}
APPS = int(os.environ.get("PROXYHOOKS_CASES", "800")) // 20
REQUESTS_PER_APP = 20


class Timeout(BaseException):
    """As ``gevent.Timeout``."""


class Failure(Exception):
    pass


def fail(error: BaseException | type[BaseException]) -> Any:
    raise error


@contextlib.contextmanager
def collected(app: Flask) -> Iterator[list[FinishedCall]]:
    """The calls that the signal tells of in the block."""
    calls: list[FinishedCall] = []

    def collect(sender: Flask, call: FinishedCall) -> None:
        assert sender is app
        assert not flask.has_request_context()
        assert not flask.has_app_context()
        calls.append(call)

    with hook_finished.connected_to(collect, app):
        yield calls


def rpc(**fields: Any) -> dict[str, Any]:
    """The WSGI environ of a request."""
    body, headers = json.dumps(fields).encode(), {"X-Proxyhooks-Secret": SECRET}
    return create_environ("/centrifugo/rpc", method="POST", headers=headers, data=body)


def status_of(app: Flask, environ: dict[str, Any]) -> str:
    """Call the application as a server does, and return the status line."""
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        started.append(status)
        return lambda written: None

    body = app(environ, start_response)
    b"".join(body)
    if (close := getattr(body, "close", None)) is not None:
        close()
    return started[-1]


@pytest.fixture(params=[True, False], ids=["fast", "not fast"])
def fast(request: pytest.FixtureRequest, app: Flask) -> bool:
    app.config["PROXYHOOKS_FAST"] = request.param
    return bool(request.param)


ANSWERS: dict[str, Callable[[], Any]] = {
    "result": lambda: RPCResult(data="ok"),
    "error": lambda: fail(errors.PermissionDenied),
    "disconnect": lambda: fail(Disconnect(4501, "banned")),
    "exception": lambda: fail(Failure),
    "wrong": lambda: {"a": 1},
    "abort": lambda: flask.abort(404),
    "abort 503": lambda: flask.abort(503),
    "group": lambda: fail(ExceptionGroup("", [errors.NotAvailable(), ValueError()])),
    "base": lambda: fail(Timeout()),
    "base group": lambda: fail(BaseExceptionGroup("", [Timeout(), errors.NotAvailable()])),
}


def serve(app: Flask) -> ProxyHooks:
    hooks = ProxyHooks(app)

    @hooks.rpc("answer.<path:name>", data_schema=lambda data: data if data != "bad" else fail(ValueError("no")))
    def answer(req: RPCRequest[Any], name: str) -> RPCResult:
        result: RPCResult = ANSWERS[name]()
        return result

    @hooks.refresh
    async def refresh(req: RefreshRequest) -> RefreshResult:
        raise errors.TooManyRequests if req.user == "temporary" else errors.PermissionDenied

    @hooks.publish("news")
    def publish(req: PublishRequest) -> PublishResult:
        return PublishResult()

    return hooks


ANSWER, REFRESH = (f"{__name__}.serve.<locals>.{name}" for name in ("answer", "refresh"))
Told = tuple[str, str | None, str | None, str, int | None, int]
"""Event, hook, pattern, outcome, code and status."""


def told(call: FinishedCall) -> Told:
    return call.event, call.hook, call.pattern, call.outcome, call.code, call.status


# Event, the fields of the request, and what the signal tells of hook, pattern, outcome, code and status.
FOUND = ANSWER, "answer.<path:name>"
CALLS: dict[str, tuple[str, dict[str, Any], tuple[Any, ...]]] = {
    "a result": ("rpc", {"method": "answer.result"}, (*FOUND, "result", None, 200)),
    "an error": ("rpc", {"method": "answer.error"}, (*FOUND, "error", 103, 200)),
    "a disconnect": ("rpc", {"method": "answer.disconnect"}, (*FOUND, "disconnect", 4501, 200)),
    "an exception": ("rpc", {"method": "answer.exception"}, (*FOUND, "failed", None, 500)),
    "a wrong return": ("rpc", {"method": "answer.wrong"}, (*FOUND, "failed", None, 500)),
    "abort with 404": ("rpc", {"method": "answer.abort"}, (*FOUND, "error", 108, 200)),
    "abort with 503": ("rpc", {"method": "answer.abort 503"}, (*FOUND, "failed", None, 503)),
    "a group with a refusal": ("rpc", {"method": "answer.group"}, (*FOUND, "error", 108, 200)),
    "what is no Exception": ("rpc", {"method": "answer.base"}, (*FOUND, "failed", None, 500)),
    "a group with a refusal and no Exception": ("rpc", {"method": "answer.base group"}, (*FOUND, "error", 108, 200)),
    "an invalid payload": ("rpc", {"method": "answer.result", "data": "bad"}, (*FOUND, "error", 107, 200)),
    "an unknown method": ("rpc", {"method": "other"}, (None, None, "error", 104, 200)),
    "an unknown channel": ("publish", {"channel": "other"}, (None, None, "error", 102, 200)),
    "a final refusal of a refresh": ("refresh", {}, (REFRESH, None, "error", 103, 200)),
    "a temporary one": ("refresh", {"user": "temporary"}, (REFRESH, None, "error", 111, 500)),
    "an event without a hook": ("sub_refresh", {}, (None, None, "failed", None, 404)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_signal_tells_event_hook_pattern_outcome_code_and_status(
    name: str, fast: bool, app: Flask, ask: Ask
) -> None:
    event, fields, expected = CALLS[name]
    serve(app)
    with collected(app) as calls:
        for _ in range(3):  # the first call goes Flask's own way
            assert ask(event, **fields).status_code == expected[-1]
    assert [told(call) for call in calls] == [(event, *expected)] * 3
    for call in calls:
        assert (call.request is None) == (name == "an event without a hook")
        assert (call.error is None) == (call.outcome != "failed" or call.request is None)
        assert call.duration > 0
        assert call.queue_time is None


def test_a_request_message_comes_with_the_signal(fast: bool, app: Flask, ask: Ask) -> None:
    serve(app)
    with collected(app) as calls:
        ask("rpc", method="answer.exception", user="42", client="c", data=[1])
    (call,) = calls
    assert (call.request.user, call.request.client, call.request.data) == ("42", "c", [1])
    assert isinstance(call.error, Failure)


class Unreadable(io.BytesIO):
    """The body of a request with chunks that are none."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ValueError("an exception of the server's own class")


# What ingress refuses: the arguments of a request, and the status.
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "not JSON": ({"data": b"{"}, 400),
    "no message": ({"data": b"[]"}, 400),
    "a body that ends too early": ({"data": b"{}", "environ_overrides": {"CONTENT_LENGTH": "10"}}, 400),
    "a body that cannot be read": ({"environ_overrides": {"wsgi.input": Unreadable()}}, 400),
    "no secret": ({"headers": {"X-Proxyhooks-Secret": ""}}, 403),
    "a wrong secret": ({"headers": {"X-Proxyhooks-Secret": "wrong"}}, 403),
    "GET": ({"method": "GET"}, 405),
    "HEAD": ({"method": "HEAD"}, 405),
    "a large body": ({"data": b" " * 2_000_000}, 413),
    "a slash at the end": ({"path": "/centrifugo/rpc/"}, 404),
    "two slashes": ({"path": "/centrifugo//rpc"}, 404),
    "GET with two slashes": ({"path": "/centrifugo//rpc", "method": "GET"}, 404),
    "too late": ({"environ_base": {"proxyhooks.received": time.monotonic() - 100_000}}, 503),
    "a caller that hung up": ({"environ_base": {"proxyhooks.received": float("-inf")}}, 503),
}


@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_are_refused_unread_are_told(name: str, app: Flask) -> None:
    serve(app)
    request, status = REFUSED[name]
    headers = {"X-Proxyhooks-Secret": SECRET, **request.get("headers", {})}
    arguments: dict[str, Any] = {"path": "/centrifugo/rpc", "method": "POST", "data": b"{}", **request}
    environ = create_environ(**{**arguments, "headers": headers})
    environ |= {"wsgi.input": io.BytesIO(arguments["data"])} | request.get("environ_overrides", {})
    with collected(app) as calls:
        sent = status_of(app, environ)
    assert sent.startswith(str(status))
    assert [told(call) for call in calls] == [("rpc", None, None, "failed", None, status)]
    (call,) = calls
    assert (call.request, call.error) == (None, None)
    assert (call.queue_time is None) == (name != "too late")


def test_json_that_is_too_deep_is_told_as_the_error_that_is_sent(app: Flask, ask: Ask) -> None:
    serve(app)
    with collected(app) as calls:
        assert ask("rpc", b'{"data":' + b"[" * 100_000).status_code == 200
    assert [told(call) for call in calls] == [("rpc", None, None, "error", 107, 200)]


def test_requests_to_other_urls_are_not_told(app: Flask, ask: Ask) -> None:
    serve(app)
    app.add_url_rule("/page", view_func=lambda: "page")
    with collected(app) as calls:
        for path in ("/page", "/nothing", "/centrifugo", "/centrifugo/", "/centrifugo/rpc/x"):
            app.test_client().get(path)
            app.test_client().post(path, headers={"X-Proxyhooks-Secret": SECRET})
    assert calls == []


def set_status(status: int) -> Callable[[Response], Response]:
    def change(response: Response) -> Response:
        response.status_code = status
        return response

    return change


def add(app: Flask, **functions: Callable[..., Any]) -> None:
    for name, function in functions.items():
        if name == "error_handler":
            app.register_error_handler(Exception, function)
        elif name in ("open_session", "save_session"):
            app.session_interface = SecureCookieSessionInterface()
            setattr(app.session_interface, name, function)
        else:
            getattr(app, name)(function)


# What the application has around a hook, and the outcome, code, status and class of the error.
AROUND: dict[str, tuple[dict[str, Callable[..., Any]], tuple[Any, ...]]] = {
    "before_request: 403": ({"before_request": lambda: ("no", 403)}, ("failed", None, 403, None)),
    "before_request: 503": ({"before_request": lambda: ("no", 503)}, ("failed", None, 503, None)),
    "before_request: a page": ({"before_request": lambda: "page"}, ("failed", None, 500, None)),
    "before_request: a redirect": ({"before_request": lambda: flask.redirect("/")}, ("failed", None, 500, None)),
    "before_request: abort(403)": ({"before_request": lambda: flask.abort(403)}, ("error", 103, 200, None)),
    "before_request: abort(503)": (
        {"before_request": lambda: flask.abort(503)},
        ("failed", None, 503, "ServiceUnavailable"),
    ),
    "before_request: a refusal": (
        {"before_request": lambda: fail(Disconnect(4501, ""))},
        ("disconnect", 4501, 200, None),
    ),
    "before_request: an exception": ({"before_request": lambda: 1 / 0}, ("failed", None, 500, "ZeroDivisionError")),
    "before_request: no Exception": ({"before_request": lambda: fail(Timeout)}, ("failed", None, 500, "Timeout")),
    "before_request: a group": (
        {"before_request": lambda: fail(BaseExceptionGroup("", [Timeout(), errors.NotAvailable()]))},
        ("error", 108, 200, None),
    ),
    "after_request: 503": ({"after_request": set_status(503)}, ("failed", None, 503, None)),
    "after_request: a refusal": ({"after_request": lambda _: fail(errors.NotAvailable)}, ("error", 108, 200, None)),
    "after_request: an exception": ({"after_request": lambda _: 1 / 0}, ("failed", None, 500, "ZeroDivisionError")),
    "after_request: another 200": ({"after_request": lambda _: Response("{}")}, ("result", None, 200, None)),
    "teardown_request": ({"teardown_request": lambda _: 1 / 0}, ("failed", None, 500, "ZeroDivisionError")),
    "teardown_appcontext": ({"teardown_appcontext": lambda _: fail(Timeout)}, ("failed", None, 500, "Timeout")),
    "a session that cannot be opened": ({"open_session": lambda *_: fail(OSError)}, ("failed", None, 500, "OSError")),
    "an error handler: 409": (
        {"before_request": lambda: 1 / 0, "error_handler": lambda _: ("no", 409)},
        ("failed", None, 409, "ZeroDivisionError"),
    ),
    "an error handler: a page": (
        {"before_request": lambda: 1 / 0, "error_handler": lambda _: "page"},
        ("failed", None, 500, "ZeroDivisionError"),
    ),
    "an error handler: a refusal": (
        {"before_request": lambda: 1 / 0, "error_handler": lambda _: fail(errors.NotAvailable)},
        ("error", 108, 200, None),
    ),
    "an error handler: an exception": (
        {"before_request": lambda: 1 / 0, "error_handler": lambda _: fail(KeyError)},
        ("failed", None, 500, "KeyError"),
    ),
}


@pytest.mark.parametrize("propagate", [True, False])
@pytest.mark.parametrize("name", AROUND)
def test_what_leaves_counts_and_not_what_the_hook_said(name: str, propagate: bool, fast: bool, app: Flask) -> None:
    """The hook is named even if a function around it keeps it from being called."""
    functions, (outcome, code, status, error) = AROUND[name]
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    serve(app)
    add(app, **functions)
    with collected(app) as calls:
        for _ in range(2):
            environ = rpc(method="answer.result")
            # An exception that goes to the server is a 500 of the server.
            with contextlib.suppress(Failure, ZeroDivisionError, RuntimeError, OSError, KeyError):
                assert status_of(app, environ).startswith(str(status))
    assert [told(call) for call in calls] == [("rpc", *FOUND, outcome, code, status)] * 2
    assert [call.error and type(call.error).__name__ for call in calls] == [error] * 2


def test_decorators_and_before_hooks_that_fail_are_told_with_the_hook(fast: bool, app: Flask, ask: Ask) -> None:
    hooks = ProxyHooks(app)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda req: 1 / 0

    @hooks.rpc("decorated", decorators=[decorate])
    def decorated(req: RPCRequest) -> RPCResult:
        return RPCResult()

    @hooks.publish("news")
    def publish(req: PublishRequest) -> PublishResult:
        return PublishResult()

    @hooks.before_hook
    def check(req: Any) -> None:
        if isinstance(current_request, PublishRequest):
            raise KeyError

    with collected(app) as calls:
        for _ in range(2):
            ask("rpc", method="decorated")
            ask("publish", channel="news")
    found = [(call.hook and call.hook.rpartition(".")[2], call.outcome, type(call.error).__name__) for call in calls]
    assert found == [("decorated", "failed", "ZeroDivisionError"), ("publish", "failed", "KeyError")] * 2


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_an_error_that_ends_the_process_is_told_and_goes_on(
    error: BaseException, fast: bool, app: Flask, ask: Ask
) -> None:
    ProxyHooks(app).rpc("end")(lambda req: fail(error))
    with collected(app) as calls:
        for _ in range(2):
            with pytest.raises(type(error)):
                ask("rpc", method="end")
    assert [(call.pattern, call.outcome, call.status, call.error) for call in calls] == [
        ("end", "failed", 500, error)
    ] * 2


def start_lazily(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("418 I'm a teapot", [])
    yield b"a"
    yield b"b"


def start_and_fail(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("404 NOT FOUND", [])
    raise ZeroDivisionError


def never_start(environ: Any, start_response: Any) -> Iterable[bytes]:
    return []


def start_twice(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("404 NOT FOUND", [])
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        start_response("502 BAD GATEWAY", [], (type(error), error, error.__traceback__))
    return [b"x"]


def start_with_nonsense(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("what", [])
    return [b"x"]


def write(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("503 SERVICE UNAVAILABLE", [])(b"written")
    return [b"x"]


INNER: dict[str, tuple[Callable[..., Iterable[bytes]], int]] = {
    "that is lazy": (start_lazily, 418),
    "that fails after its start": (start_and_fail, 500),
    "that never starts": (never_start, 500),
    "that starts twice": (start_twice, 502),
    "that writes": (write, 503),
    "whose status has no number": (start_with_nonsense, 500),
}


@pytest.mark.parametrize("name", INNER)
def test_a_wsgi_application_in_place_of_flasks_is_told_once(name: str, app: Flask, ask: Ask) -> None:
    inner, status = INNER[name]
    app.wsgi_app = inner
    serve(app)
    with collected(app) as calls:
        with contextlib.suppress(ZeroDivisionError):
            environ = rpc(method="answer.result")
            status_of(app, environ)
        assert len(calls) == 1
    assert told(calls[0]) == ("rpc", *FOUND, "failed", None, status)


def test_a_response_that_is_streamed_is_told_before_its_body_is_sent(fast: bool, app: Flask) -> None:
    serve(app)
    happened: list[str] = []

    def body() -> Iterator[str]:
        for part in "ab":
            happened.append(part)
            yield part

    app.before_request(lambda: Response(body(), 503))

    def tell(sender: Flask, call: FinishedCall) -> None:
        happened.append("told")

    with hook_finished.connected_to(tell, app):
        environ = rpc()
        status_of(app, environ)
    assert happened == ["told", "a", "b"]


def test_a_receiver_that_fails_is_logged_and_changes_nothing(
    fast: bool, app: Flask, caplog: pytest.LogCaptureFixture, ask: Ask
) -> None:
    serve(app)
    called: list[str] = []

    def fail_with_exception(sender: Flask, call: FinishedCall) -> None:
        called.append("exception")
        raise RuntimeError("the receiver's own")

    def fail_with_base_exception(sender: Flask, call: FinishedCall) -> None:
        called.append("base")
        raise Timeout

    async def fail_async(sender: Flask, call: FinishedCall) -> None:
        called.append("async")
        raise RuntimeError

    def wrong_arguments(sender: Flask, event: str) -> None:
        """As the signal had them once."""

    def note(sender: Flask, call: FinishedCall) -> None:
        called.append(call.outcome)

    with contextlib.ExitStack() as stack:
        for receiver in (fail_with_exception, fail_with_base_exception, fail_async, wrong_arguments, note):
            stack.enter_context(hook_finished.connected_to(receiver, app))
        assert ask("rpc", method="answer.result").json == OK
        assert sorted(called) == ["async", "base", "exception", "result"]
        assert caplog.text.count("a receiver of hook_finished, failed") == 3  # of one text and second
        called.clear()
        assert ask("rpc", method="answer.exception").status_code == 500
        assert sorted(called) == ["async", "base", "exception", "failed"]
        called.clear()
        assert ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"}).status_code == 403
        assert sorted(called) == ["async", "base", "exception", "failed"]


def test_a_call_that_cannot_be_counted_is_logged_and_changes_nothing(
    fast: bool, app: Flask, caplog: pytest.LogCaptureFixture, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(app)
    told: list[str] = []

    def count(sender: Flask, call: FinishedCall) -> None:
        raise OSError(28, "No space left on device")

    def note(sender: Flask, call: FinishedCall) -> None:
        told.append(call.outcome)

    monkeypatch.setattr(finished_calls, "observers", [count])
    with hook_finished.connected_to(note, app):
        assert ask("rpc", method="answer.result").json == OK
        assert ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"}).status_code == 403
    assert told == ["result", "failed"]
    assert "an observer of calls, failed" in caplog.text
    assert "No space left on device" in caplog.text


@pytest.mark.usefixtures("log_without_rate_limit")
def test_the_line_about_a_receiver_says_which_call_it_was_called_for(
    app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    serve(app)

    def fail_always(sender: Flask, call: FinishedCall) -> None:
        raise RuntimeError("the receiver's own")

    with hook_finished.connected_to(fail_always, app):
        ask("rpc", method="answer.result", user="42")
        ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"})
    lines = [record for record in caplog.records if "a receiver of hook_finished" in record.getMessage()]
    found = [(record.levelname, vars(record).get("proxy_event"), vars(record).get("user")) for record in lines]
    assert found == [("ERROR", "rpc", "42"), ("ERROR", "rpc", None)]
    assert "test_hook_finished.py" in lines[0].getMessage()
    assert caplog.text.count("RuntimeError: the receiver's own") == 2


def test_a_receiver_cannot_change_the_reply(fast: bool, app: Flask, ask: Ask) -> None:
    serve(app)

    def change(sender: Flask, call: FinishedCall) -> None:
        call.outcome, call.code, call.status = "result", None, 500

    with hook_finished.connected_to(change, app):
        for _ in range(2):
            response = ask("rpc", method="answer.error")
            assert (response.status_code, response.json) == (
                200,
                {"error": {"code": 103, "message": "permission denied"}},
            )


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_a_signal_handler_can_end_the_process_during_a_receiver(error: BaseException, app: Flask, ask: Ask) -> None:
    serve(app)

    def interrupt(sender: Flask, call: FinishedCall) -> None:
        raise error

    with hook_finished.connected_to(interrupt, app), pytest.raises(type(error)):
        ask("rpc", method="answer.result")


def test_async_receivers_are_called_in_the_event_loop_of_the_thread(fast: bool, app: Flask, ask: Ask) -> None:
    loops: list[Any] = []

    async def note(*_: Any, **__: Any) -> None:
        loops.append(asyncio.get_running_loop())

    @ProxyHooks(app).rpc
    async def hook(req: RPCRequest) -> RPCResult:
        await note()
        return RPCResult()

    with hook_finished.connected_to(note, app):
        ask("rpc", method="x")
        ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"})
    assert len(loops) == 3
    assert len(set(loops)) == 1


def test_receivers_of_a_muted_signal_are_not_called(app: Flask, ask: Ask) -> None:
    serve(app)
    with collected(app) as calls:
        with hook_finished.muted():
            assert ask("rpc", method="answer.result").json == OK
            assert ask("rpc", method="answer.exception").status_code == 500
        assert calls == []
        assert ask("rpc", method="answer.result").json == OK
        assert [call.outcome for call in calls] == ["result"]


def test_receivers_of_one_application_do_not_get_the_calls_of_another(app: Flask, ask: Ask) -> None:
    serve(app)
    other = Flask("other")
    with collected(other) as calls:
        assert ask("rpc", method="answer.result").json == OK
    assert calls == []


KERNEL_TICK = 0.02
"""Seconds; the kernel counts times of a socket in ticks that are no longer."""


def call_that_sleeps(app: Flask) -> tuple[list[float], list[float]]:
    """Register a hook for RPCs; the lists have the times when its calls have begun and ended."""
    began, ended = list[float](), list[float]()

    def hook(req: RPCRequest) -> RPCResult:
        began.append(time.monotonic())
        time.sleep(0.05)
        ended.append(time.monotonic())
        return RPCResult()

    ProxyHooks(app).rpc(hook)
    return began, ended


def test_queue_time_is_what_passed_between_the_last_byte_and_the_start(app: Flask, ask: Ask) -> None:
    began, ended = call_that_sleeps(app)
    received = time.monotonic() - 0.1
    with collected(app) as calls:
        status_of(app, {**rpc(method="x"), "proxyhooks.received": received})
    (call,) = calls
    assert call.queue_time is not None
    assert 0.1 <= call.queue_time <= began[0] - received
    assert ended[0] - received <= call.queue_time + call.duration <= time.monotonic() - received


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it on Linux")
def test_queue_time_comes_from_the_kernel_where_the_server_shows_its_socket(app: Flask) -> None:
    began, _ = call_that_sleeps(app)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
        served, _ = server.accept()
        with served, collected(app) as calls:
            before = time.monotonic()
            caller.sendall(b"x")
            after = time.monotonic()
            time.sleep(0.2)
            waited = time.monotonic() - after
            status_of(app, {**rpc(method="x"), "gunicorn.socket": served})
    (call,) = calls
    assert call.queue_time is not None
    assert waited - KERNEL_TICK < call.queue_time < began[0] - before + KERNEL_TICK


def outcome_in(body: bytes) -> tuple[str, int | None]:
    """What Centrifugo reads in a body: outcome and code."""
    ((outcome, value),) = json.loads(body).items()
    return outcome, None if outcome == "result" else value["code"]


def test_of_generated_applications_each_request_is_told_once_and_rightly() -> None:
    """Whatever an application does: one signal, whose status is the server's and whose outcome the body's."""
    seen: Counter[str] = Counter()
    for number in range(APPS):
        seed = f"told {number}"
        generated = GeneratedApp(seed, fast=number % 2 == 0)
        rng = random.Random(seed)
        for request in range(REQUESTS_PER_APP):
            environ = generated_environ(rng, "rpc" if number % 3 else "connect")
            with collected(generated.app) as calls:
                reply = generated.send(f"{seed} {request}", environ)
            event = environ["PATH_INFO"].removeprefix("/centrifugo/")
            if event == environ["PATH_INFO"]:
                assert calls == []
                continue
            (call,) = calls
            status = 500 if reply.raised else int(reply.status[:3])
            assert (call.event, call.status) == (event, status), (seed, request, reply)
            if status != 200:
                assert call.outcome == "failed" or (call.outcome, event) == ("error", "refresh")
            elif EVENTS[event].carries_error:
                assert (call.outcome, call.code) == outcome_in(reply.body), (seed, request, reply)
            seen[call.outcome] += 1
    assert min(seen[outcome] for outcome in ("result", "error", "disconnect", "failed")) > APPS // 10, seen
