"""A refusal never fails: in whatever way it is raised, and whatever its class forgets."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask import Flask
from werkzeug.exceptions import Forbidden, ServiceUnavailable

from proxyhooks import (
    Disconnect,
    Error,
    ProxyHooks,
    RefreshResult,
    Rejection,
    RPCRequest,
    RPCResult,
    disconnects,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._dispatch.replies import refusal_reply
from tests.support.asking import Ask


class Banned(Disconnect):
    """Its ``__init__`` sets nothing of a refusal."""

    def __init__(self, user: str) -> None:
        self.user = user


class BannedWithCode(Banned):
    code, reason = 4501, "banned"


class CodeOnly(Disconnect):
    def __init__(self) -> None:
        self.code = 4502


class Full(Error):
    def __init__(self, room: int) -> None:
        self.room = room


class Busy(Full):
    temporary = True


class FullWithCode(Full):
    code, message = 1001, "full"


class Locked(Forbidden):
    def __init__(self, room: int) -> None:
        self.room = room


class Neither(Rejection):
    pass


class Unnamed(Error):
    code, message = 1002, "unnamed"

    def __init__(self) -> None:
        super().__init__()
        self.code, self.message = 3, None  # type: ignore[assignment]


def group(*raised: BaseException) -> BaseExceptionGroup[Any]:
    return BaseExceptionGroup("tasks failed", raised)


REFUSED = [
    (lambda: group(FullWithCode(7)), {"error": {"code": 1001, "message": "full"}}),
    (lambda: group(group(group(FullWithCode(7)))), {"error": {"code": 1001, "message": "full"}}),
    (lambda: group(ValueError("x"), group(FullWithCode(7))), {"error": {"code": 1001, "message": "full"}}),
    (
        lambda: group(FullWithCode(7), errors.PermissionDenied("no"), ValueError("x")),
        {"error": {"code": 1001, "message": "full"}},
    ),
    (
        lambda: group(errors.TooManyRequests(), errors.PermissionDenied()),
        {"error": {"code": 103, "message": "permission denied"}},
    ),
    (
        lambda: group(FullWithCode(7), disconnects.ForceReconnect(), BannedWithCode("42")),
        {"disconnect": {"code": 4501, "reason": "banned"}},
    ),
    (lambda: group(ServiceUnavailable(), Forbidden()), {"error": {"code": 103, "message": "permission denied"}}),
    (lambda: group(KeyError("x"), GeneratorExit(), FullWithCode(7)), {"error": {"code": 1001, "message": "full"}}),
    (lambda: Banned("42"), {"disconnect": {"code": 3503, "reason": "force disconnect"}}),
    (lambda: BannedWithCode("42"), {"disconnect": {"code": 4501, "reason": "banned"}}),
    (lambda: CodeOnly(), {"disconnect": {"code": 4502, "reason": "refused"}}),
    (lambda: Full(7), {"error": {"code": 103, "message": "permission denied"}}),
    (lambda: FullWithCode(7), {"error": {"code": 1001, "message": "full"}}),
    (lambda: Locked(7), {"error": {"code": 103, "message": "permission denied"}}),
    (lambda: Neither(), {"error": {"code": 103, "message": "permission denied"}}),
    (lambda: Unnamed(), {"error": {"code": 103, "message": "permission denied"}}),
    (lambda: group(Full(7), Banned("42")), {"disconnect": {"code": 3503, "reason": "force disconnect"}}),
    (lambda: Disconnect(4501, "b" * 500), {"disconnect": {"code": 4501, "reason": "b" * 32}}),
]


@pytest.mark.parametrize("event", sorted(EVENTS))
@pytest.mark.parametrize("fast", [True, False])
def test_a_refusal_is_a_refusal_however_it_is_raised(event: str, fast: bool, app: Flask, ask: Ask) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    row, hooks, raising = EVENTS[event], ProxyHooks(app), list[BaseException]()

    @getattr(hooks, event)
    def hook(req: Any) -> Any:
        raise raising.pop()

    for make, expected in REFUSED:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            raising.append(make())
            reply = ask(event, items=[], events=[])
        assert reply.status_code == 200, make()
        if not row.carries_error:
            assert reply.json == {"result": row.refusal_result}
        elif "disconnect" in expected and not row.carries_disconnect:
            reason = expected["disconnect"]["reason"]
            assert reply.json == {"error": {"code": 100, "message": reason, "temporary": True}}
        else:
            assert reply.json == expected


@pytest.mark.parametrize("event", ["refresh", "sub_refresh"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: group(errors.TooManyRequests()),
        lambda: group(errors.TooManyRequests(), ValueError("x")),
        lambda: Busy(7),
    ],
)
def test_a_temporary_refusal_of_a_refresh_lets_the_client_stay(
    event: str, make: Callable[[], Exception], app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    @getattr(hooks, event)
    def hook(req: Any) -> Any:
        raise make()

    assert ask(event, channel="a").data == b"refused temporarily\n"


def test_a_group_without_a_refusal_is_a_failure(hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise group(ValueError("x"), ServiceUnavailable())

    assert ask("rpc").status_code == 500


def test_a_refusal_beside_the_end_of_the_process_does_not_stop_it(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise group(FullWithCode(7), KeyboardInterrupt())

    app.testing = True
    with pytest.raises(RuntimeError) as raised:
        ask("rpc")
    assert isinstance(raised.value.__cause__, BaseExceptionGroup)


def test_other_exceptions_beside_a_refusal_are_logged(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    full = Error(1001, "full")

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise group(group(full, KeyError("lost")))

    assert ask("rpc").json == {"error": {"code": 1001, "message": "full"}}
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "refuses, and has raised other exceptions too" in record.getMessage()
    assert "KeyError: 'lost'" in caplog.text
    assert "1001" not in caplog.text


def test_a_refusal_in_a_task_group_of_an_async_hook(hooks: ProxyHooks, ask: Ask) -> None:
    async def check(room: int) -> None:
        await asyncio.sleep(0)
        if room:
            raise FullWithCode(room)

    @hooks.rpc
    async def rpc(req: RPCRequest) -> RPCResult:
        async with asyncio.TaskGroup() as tasks:
            for room in range(3):
                tasks.create_task(check(room))
        return RPCResult()

    assert ask("rpc").json == {"error": {"code": 1001, "message": "full"}}


@pytest.mark.parametrize("register", ["before_hook", None])
@pytest.mark.parametrize("make", [lambda: group(BannedWithCode("42"), KeyError()), lambda: Banned("42")])
def test_a_refusal_before_the_hook_never_fails_either(
    make: Callable[[], Exception], register: str | None, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    def refuse(*_: Any) -> None:
        raise make()

    if register is None:
        app.before_request(refuse)
    else:
        hooks.before_hook(refuse)
    hooks.refresh(lambda req: None)  # type: ignore[arg-type, return-value]
    hooks.rpc(lambda req: RPCResult())
    assert list(json.loads(ask("rpc", user="42").data)) == ["disconnect"]
    if register is None:
        assert ask("refresh", user="42").json == {"result": {"expired": True}}


def open_session_that_raises(app: Flask, error: Callable[[], BaseException]) -> None:
    class Sessions(flask.sessions.SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: flask.Request) -> Any:
            raise error()

    app.session_interface = Sessions()


AROUND: dict[str, Callable[[Flask, Callable[..., Any]], object]] = {
    "before_request": lambda app, refuse: app.before_request(refuse),
    "after_request": lambda app, refuse: app.after_request(refuse),
    "session": open_session_that_raises,
    "request_started": lambda app, refuse: flask.request_started.connect(refuse, app),
    "request_finished": lambda app, refuse: flask.request_finished.connect(refuse, app),
}


@pytest.mark.parametrize("where", AROUND)
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda: BannedWithCode("42"),
        lambda: group(BannedWithCode("42"), KeyError()),
        lambda: BaseExceptionGroup("", [BannedWithCode("42"), GeneratorExit()]),
    ],
    ids=["refusal", "group", "base group"],
)
def test_a_refusal_of_a_function_around_the_hook_is_a_refusal(
    make: Callable[[], BaseException], where: str, fast: bool, app: Flask, ask: Ask, request: pytest.FixtureRequest
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise make()

    for signal in (flask.request_started, flask.request_finished):  # with a receiver the fast path makes a response
        request.addfinalizer(functools.partial(signal.disconnect, refuse))

    app.config["PROXYHOOKS_FAST"] = fast
    AROUND[where](app, make if where == "session" else refuse)
    hooks = ProxyHooks(app)
    hooks.refresh(lambda req: RefreshResult(expire_at=2**40))
    hooks.rpc(lambda req: RPCResult())
    for _ in range(2):
        assert ask("rpc", user="42").json == {"disconnect": {"code": 4501, "reason": "banned"}}
        assert ask("refresh", user="42").json == {"result": {"expired": True}}


def test_a_function_that_fails_after_the_response_has_started_is_a_failure(app: Flask, ask: Ask) -> None:
    def fail(error: BaseException | None) -> None:
        raise BaseExceptionGroup("", [BannedWithCode("42"), GeneratorExit()])

    app.teardown_request(fail)
    ProxyHooks(app).rpc(lambda req: RPCResult())
    with pytest.raises(RuntimeError, match="a function around the hook for rpc raised BaseExceptionGroup"):
        ask("rpc")


def test_a_refusal_in_a_group_from_a_data_schema(hooks: ProxyHooks, ask: Ask) -> None:
    def parse(data: Any) -> Any:
        raise group(FullWithCode(7), ValueError("x"))

    @hooks.rpc(data_schema=parse)
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult()

    assert ask("rpc").json == {"error": {"code": 1001, "message": "full"}}


def test_a_refusal_that_cannot_be_sent_as_it_is_is_logged_with_the_remedy(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise Banned("42")

    ask("rpc")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage().partition(" [event=rpc")[0] == (
        "the refusal Banned cannot be sent as it is: 'Banned' object has no attribute 'code'; an __init__ must call "
        "super().__init__(code, text). 3503: force disconnect is sent in its place"
    )


@pytest.mark.parametrize("rejection", [Banned("42"), Full(7)])
def test_a_refusal_without_its_attributes_has_a_repr(rejection: Rejection) -> None:
    assert type(rejection).__name__ in repr(rejection)


def test_refusals_with_long_messages_fill_no_memory() -> None:
    event = EVENTS["rpc"]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(100):
            refusal_reply(event, Error(1001, f"{number}" + "x" * 100_000))
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_message_that_is_no_plain_text_is_sent(hooks: ProxyHooks, ask: Ask) -> None:
    class Text(str):
        __slots__ = ()

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise Error(1001, Text("full"))

    assert ask("rpc").json == {"error": {"code": 1001, "message": "full"}}


def test_an_abort_in_a_group_is_a_refusal(hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        try:
            flask.abort(429)
        except Exception as error:
            raise group(error) from None

    assert ask("rpc").json == {"error": {"code": 111, "message": "too many requests", "temporary": True}}
