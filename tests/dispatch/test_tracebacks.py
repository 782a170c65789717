"""Where the traceback of a mistake in a hook ends: at a line of the application."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask, got_request_exception
from marshmallow import Schema, fields

from proxyhooks import (
    ChannelPattern,
    ConnectResult,
    Disconnect,
    Error,
    HookResultError,
    ProxyHooks,
    PublicationError,
    PublishResult,
    RPCRequest,
    RPCResult,
    UserRequest,
    after_reply,
)
from proxyhooks._dispatch.tracebacks import with_line_of
from tests.support.asking import Ask


class DaySchema(Schema):
    day = fields.Date(required=True)


def last_lines(error: BaseException) -> list[str]:
    return "".join(traceback.format_exception(error)).splitlines()[-2:]


def raised_by(app: Flask, ask: Ask, event: str = "rpc") -> BaseException:
    raised: list[BaseException] = []

    def record(_: Flask, exception: BaseException, **__: Any) -> None:
        raised.append(exception)

    with got_request_exception.connected_to(record, app):
        assert ask(event, method="x", channel="x").status_code == 500
    return raised[0]


# Hooks that return something wrong.


def a_dict(req: RPCRequest) -> Any:
    return {"a": 1}


def nothing(req: RPCRequest) -> Any:
    req.user.upper()


def not_json(req: RPCRequest) -> Any:
    return RPCResult(data={1})


def not_of_the_schema(req: RPCRequest) -> Any:
    return RPCResult(data={"night": 1})


def a_refusal(req: RPCRequest) -> Any:
    return Error(1001, "no")


async def asynchronous(req: RPCRequest) -> Any:
    return 5


def several(req: RPCRequest) -> Any:
    if req.user:
        return 1
    return 2


def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(req: RPCRequest) -> Any:
        return function(req)

    return wrapper


@decorate
def decorated(req: RPCRequest) -> Any:
    return ()


class Hook:
    def __call__(self, req: RPCRequest) -> Any:
        return 3

    def method(self, req: RPCRequest) -> Any:
        return 4


WRONG_RETURNS: list[tuple[Any, str]] = [
    (a_dict, 'return {"a": 1}'),
    (nothing, "req.user.upper()"),
    (not_json, "return RPCResult(data={1})"),
    (not_of_the_schema, 'return RPCResult(data={"night": 1})'),
    (a_refusal, 'return Error(1001, "no")'),
    (asynchronous, "return 5"),
    (several, "def several(req: RPCRequest) -> Any:"),  # it is not known which return it was
    (decorated, "return ()"),
    (functools.partial(decorated), "return ()"),
    (Hook(), "return 3"),
    (Hook().method, "return 4"),
]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("hook", "source"), WRONG_RETURNS)
def test_the_traceback_of_a_wrong_return_ends_at_the_line_that_returns(
    hook: Any, source: str, fast: bool, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    ProxyHooks(app).rpc(result_schema=DaySchema if hook is not_of_the_schema else None)(hook)
    error = raised_by(app, ask)
    assert isinstance(error, HookResultError)
    where, text = last_lines(error)
    number = int(where.split()[3].rstrip(","))
    assert where.startswith(f'  File "{__file__}", line {number}, in ')
    with open(__file__) as file:
        assert text == f"    {source}" == f"    {file.read().splitlines()[number - 1].strip()}"
    assert caplog.text.endswith(f"{where}\n{text}\n")  # as Flask logs it


def test_the_traceback_of_a_before_hook_that_returns_ends_at_its_line(hooks: ProxyHooks, app: Flask, ask: Ask) -> None:
    @hooks.before_hook
    def before(req: UserRequest) -> Any:
        return {"user": req.user}

    hooks.rpc(lambda req: RPCResult())
    assert last_lines(raised_by(app, ask))[1] == '    return {"user": req.user}'


def returns_an_iterator(data: Any) -> Any:
    return iter([data])


def test_the_traceback_of_a_data_schema_that_returns_no_value_ends_at_its_line(
    hooks: ProxyHooks, app: Flask, ask: Ask
) -> None:
    hooks.rpc(data_schema=returns_an_iterator)(lambda req: RPCResult())
    assert last_lines(raised_by(app, ask))[1] == "    return iter([data])"


def test_a_function_without_python_code_has_no_line() -> None:
    assert not hasattr(with_line_of(HookResultError("x"), print), "__notes__")


def test_a_function_without_source_has_its_file_and_line(app: Flask, ask: Ask) -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def hook(req):\n  return 1\n", "<made>", "exec"), namespace)
    assert with_line_of(HookResultError("x"), namespace["hook"]).__notes__ == ['  File "<made>", line 2, in hook']


# Hooks that call the package wrongly.


def wrong_field(req: Any) -> Any:
    return ConnectResult(user=42)  # type: ignore[arg-type]


def wrong_time(req: Any) -> Any:
    return ConnectResult(user="42", expire_at=datetime(2026, 1, 1))


def wrong_code(req: Any) -> Any:
    raise Error("no", 5)  # type: ignore[call-overload]


def wrong_reason(req: Any) -> Any:
    raise Disconnect(4001, 5)  # type: ignore[call-overload]


def wrong_variable(req: Any) -> Any:
    return ConnectResult(user=ChannelPattern("chat:<int:n>").format(n="7"))


def wrong_function(req: Any) -> Any:
    after_reply(None)  # type: ignore[arg-type]


async def wrong_in_async(req: Any) -> Any:
    return PublishResult(version=-1)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "hook", [wrong_field, wrong_time, wrong_code, wrong_reason, wrong_variable, wrong_function, wrong_in_async]
)
def test_the_traceback_of_a_wrong_argument_ends_at_the_line_of_the_hook(
    hook: Any, fast: bool, app: Flask, ask: Ask
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    ProxyHooks(app).connect(hook)
    error = raised_by(app, ask, "connect")
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert isinstance(error, (TypeError, ValueError))
    assert (last.filename, last.name) == (__file__, hook.__name__)


def test_the_traceback_of_a_wrong_publication_ends_at_the_line_of_the_hook(
    hooks: ProxyHooks, app: Flask, ask: Ask
) -> None:
    @hooks.connect
    def connect(req: Any) -> ConnectResult:
        return ConnectResult(user=hooks.dump_publication("nowhere", 1))

    error = raised_by(app, ask, "connect")
    assert isinstance(error, PublicationError)
    assert traceback.extract_tb(error.__traceback__)[-1].name == "connect"


def test_a_mistake_of_the_package_keeps_its_frames(
    hooks: ProxyHooks, app: Flask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hooks.connect
    def connect(req: Any) -> ConnectResult:
        return ConnectResult(user="42")

    monkeypatch.setattr("proxyhooks._wire.validation._CHECKS", {})
    error = raised_by(app, ask, "connect")
    assert isinstance(error, KeyError)
    assert traceback.extract_tb(error.__traceback__)[-1].name == "check_message"


def test_an_exception_of_the_application_keeps_its_frames(hooks: ProxyHooks, app: Flask, ask: Ask) -> None:
    class Text(str):
        def isascii(self) -> bool:
            raise ValueError("in the application")

    hooks.connect(lambda req: ConnectResult(user=Text("42")))
    error = raised_by(app, ask, "connect")
    assert str(error) == "in the application"
    assert traceback.extract_tb(error.__traceback__)[-1].name == "isascii"
