"""What a hook raises that is no Exception: it is a failed call, as an Exception is, and never the end of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from flask import Flask, got_request_exception

from proxyhooks import ProxyHooks, RefreshRequest, RefreshResult, RPCRequest, RPCResult, after_reply
from proxyhooks._flask.fast_path.supported import Level
from proxyhooks.signals import FinishedCall, hook_finished
from tests.support.asking import Ask
from tests.support.fast_path import level_forced
from tests.support.paths import SECRET
from tests.support.waiting import wait_until


class Timeout(BaseException):
    """As ``gevent.Timeout``."""


ERRORS = [Timeout("5 seconds"), asyncio.CancelledError(), GeneratorExit(), SystemExit(3), KeyboardInterrupt()]


@pytest.fixture(params=Level, ids=lambda level: level.name)
def level(request: pytest.FixtureRequest) -> Iterator[None]:
    with level_forced(request.param):
        yield


def in_thread(function: Callable[[], Any]) -> Any:
    """Call the function as most servers call the application: outside of the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(30)


@pytest.fixture
def raising(level: None, app: Flask) -> list[BaseException]:
    """The application raises the error in this list, in a hook, an async hook, a before_hook and a refresh hook."""
    errors: list[BaseException] = []
    hooks = ProxyHooks(app)

    @hooks.rpc("sync")
    def sync_hook(req: RPCRequest) -> RPCResult:
        raise errors[0]

    @hooks.rpc("async")
    async def async_hook(req: RPCRequest) -> RPCResult:
        raise errors[0]

    @hooks.rpc("good")
    def good(req: RPCRequest) -> RPCResult:
        return RPCResult(data=1)

    @hooks.refresh
    def refresh(req: RefreshRequest) -> RefreshResult:
        raise errors[0]

    return errors


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_it_is_500_with_a_traceback_in_the_log(
    error: BaseException, raising: list[BaseException], app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[BaseException] = []

    def report(_: Flask, exception: BaseException, **__: Any) -> None:
        reported.append(exception)

    raising.append(error)
    calls: list[Callable[[], Any]] = [
        lambda: ask("rpc", method="sync"),
        lambda: ask("rpc", method="async"),
        lambda: ask("refresh", user="42"),
    ]
    with got_request_exception.connected_to(report, sender=app):
        for call in calls:
            caplog.clear()
            assert in_thread(call).status_code == 500
            assert f"raised {error!r}, which is not an Exception" in caplog.text
            assert "Traceback" in caplog.text
            assert reported.pop().__cause__ is error
    assert in_thread(lambda: ask("rpc", method="good")).json == {"result": {"data": 1}}


def test_the_error_handlers_and_signals_of_the_application_see_a_failure(
    raising: list[BaseException], app: Flask, ask: Ask
) -> None:
    finished: list[Any] = []

    def finish(_: Flask, call: FinishedCall) -> None:
        finished.append((call.outcome, call.status, repr(call.error and call.error.__cause__)))

    app.register_error_handler(500, lambda error: (f"failed: {error.original_exception.__cause__}", 500))
    raising.append(Timeout("5 seconds"))
    with hook_finished.connected_to(finish, sender=app):
        response = in_thread(lambda: ask("rpc", method="sync"))
    assert (response.status_code, response.text) == (500, "failed: 5 seconds")
    assert finished == [("failed", 500, "Timeout('5 seconds')")]


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_in_the_main_thread_signal_handlers_can_end_the_process(
    error: BaseException, raising: list[BaseException], ask: Ask
) -> None:
    """As Ctrl-C does, and SIGQUIT in gunicorn's sync worker, which calls hooks in its main thread."""
    raising.append(error)
    with pytest.raises(type(error)):
        ask("rpc", method="sync")


def test_any_other_one_is_500_in_the_main_thread_too(raising: list[BaseException], ask: Ask) -> None:
    """gevent's worker calls hooks there."""
    raising.append(Timeout("5 seconds"))
    assert ask("rpc", method="sync").status_code == 500


@pytest.mark.parametrize("function", ["before_request", "after_request", "teardown_request"])
@pytest.mark.usefixtures("level")
def test_a_function_around_the_hook_raises_an_exception_that_servers_answer(function: str, app: Flask) -> None:
    hooks = ProxyHooks(app)
    begun: list[object] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(begun.append, 1)
        return RPCResult()

    def around(*_: object) -> Any:
        raise Timeout("5 seconds")

    getattr(app, function)(around)
    client = app.test_client()
    with pytest.raises(RuntimeError, match="a function around the hook for rpc raised Timeout") as raised:
        client.post("/centrifugo/rpc", json={"method": "x"}, headers={"X-Proxyhooks-Secret": SECRET})
    assert isinstance(raised.value.__cause__, Timeout)
    if function != "before_request":
        wait_until(lambda: begun, "the function after the reply")


@pytest.mark.parametrize("error", [*ERRORS, ValueError("no")], ids=lambda error: type(error).__name__)
def test_a_function_after_the_reply_is_logged_and_the_next_one_runs(
    error: BaseException, app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    finished: list[int] = []

    def fail() -> None:
        raise error

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(fail)
        after_reply(finished.append, 1)
        return RPCResult()

    assert ask("rpc", method="x").json == {"result": {}}
    wait_until(lambda: finished, "the second function")
    assert "fail" in caplog.text
    assert f"{type(error).__name__}" in caplog.text


def test_in_tests_ctrl_c_ends_a_function_after_the_reply(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    """There it runs in the thread of the test."""
    app.testing = True

    def fail() -> None:
        raise KeyboardInterrupt

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(fail)
        return RPCResult()

    response = ask("rpc", method="x")
    with pytest.raises(KeyboardInterrupt):
        response.get_data()


def test_a_view_of_the_application_is_left_alone(app: Flask, hooks: ProxyHooks) -> None:
    @app.get("/page")
    def page() -> str:
        assert flask.request.path == "/page"
        raise Timeout("5 seconds")

    with pytest.raises(Timeout):
        app.test_client().get("/page")
