"""Functions that decide must return a value: what yields, is async, or returns something that has not run is no yes."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import marshmallow
import pydantic
import pytest
from flask import Flask
from marshmallow import Schema, ValidationError, fields, validate

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SetupError, after_reply, errors
from tests.support.asking import Ask


def generator(data: Any) -> Iterator[Any]:
    yield data
    raise ValidationError("no")


async def async_generator(data: Any) -> AsyncIterator[Any]:
    yield data


async def coroutine(data: Any) -> Any:
    raise ValidationError("no")


class Object:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def method(self, data: Any) -> Iterator[Any]:
        yield data

    async def async_method(self, data: Any) -> Any:
        raise ValidationError("no")


class Generator:
    def __call__(self, data: Any) -> Iterator[Any]:
        yield data


class AsyncGenerator:
    async def __call__(self, data: Any) -> AsyncIterator[Any]:
        yield data


class Async:
    async def __call__(self, data: Any) -> Any:
        raise ValidationError("no")


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(data: Any) -> Any:
        return function(data)

    return wrapper


YIELDING = [
    generator,
    async_generator,
    functools.partial(generator),
    functools.partial(functools.partial(async_generator)),
    Object(generator).method,
    Generator(),
    AsyncGenerator(),
    functools.partial(Generator()),
    Generator().__call__,
]
ASYNC = [coroutine, functools.partial(coroutine), Object(coroutine).async_method, Async(), functools.partial(Async())]
NO_VALUES: list[Any] = [
    wrapped(generator),
    wrapped(async_generator),
    wrapped(coroutine),
    lambda data: generator(data),
    lambda data: (item for item in [data]),
    lambda data: map(str, [data]),
    lambda data: filter(None, [data]),
    lambda data: zip([data], [data], strict=True),
    lambda data: iter([data]),
    lambda data: ValidationError("no"),
    lambda data: ValueError,
    lambda data: errors.PermissionDenied(),
    lambda data: errors.PermissionDenied,
    lambda data: NotImplemented,
    lambda data: coroutine(data),
    contextlib.contextmanager(generator),
    contextlib.asynccontextmanager(async_generator),
]


@pytest.mark.parametrize("function", [*YIELDING, *ASYNC])
def test_a_data_schema_function_that_yields_or_is_async_is_refused_when_registered(
    function: Any, hooks: ProxyHooks
) -> None:
    with pytest.raises(SetupError, match=r"^data_schema .*(yields|is async), so it would validate nothing: make it a"):
        hooks.rpc("a", data_schema=function)(lambda req: RPCResult())


@pytest.mark.parametrize("method", ["validate", "dump", "dumps"])
def test_a_method_of_a_schema_that_refuses_nothing_is_no_data_schema(method: str, hooks: ProxyHooks) -> None:
    schema = Schema.from_dict({"name": fields.String(required=True)}, name="Named")()
    with pytest.raises(SetupError, match=rf"^data_schema Schema\.{method} .* refuses nothing: give Named itself$"):
        hooks.rpc("a", data_schema=getattr(schema, method))(lambda req: RPCResult())
    hooks.rpc("a", data_schema=schema.load)(lambda req: RPCResult())


@pytest.mark.parametrize("function", NO_VALUES)
def test_a_data_schema_function_that_returns_no_value_is_a_failure(
    function: Any, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @hooks.rpc(data_schema=function)
    def hook(req: RPCRequest) -> RPCResult:
        raise AssertionError

    assert ask("rpc", data="x").status_code == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    error = record.exc_info[1]
    assert type(error).__name__ == "HookResultError"
    assert " for rpc has a data_schema " in str(error)
    assert " that returned " in str(error)


@pytest.mark.parametrize("value", [None, "", 0, [], {}, (1,), {1}, object(), b"", range(3), type, Object])
def test_every_other_value_of_a_data_schema_function_reaches_the_hook(value: Any, hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc(data_schema=lambda data: value)(lambda req: RPCResult(data=req.data is value))
    assert ask("rpc", data="x").json == {"result": {"data": True}}


def test_a_schema_that_loads_no_value_is_a_failure(hooks: ProxyHooks, ask: Ask) -> None:
    class Lazy(Schema):
        @marshmallow.post_load
        def make(self, data: Any, **_: Any) -> Any:
            return iter(data)

    hooks.rpc(data_schema=Lazy)(lambda req: RPCResult())
    assert ask("rpc", data={}).status_code == 500


async def refuses_nothing(*_: Any, **__: Any) -> Any:
    raise ValidationError("no")


def yields_nothing(*_: Any, **__: Any) -> Iterator[Any]:
    raise ValidationError("no")
    yield


class WithValidates(Schema):
    name = fields.String()

    @marshmallow.validates("name")
    async def check(self, value: Any, data_key: str) -> None:
        raise ValidationError("no")


class WithValidatesSchema(Schema):
    @marshmallow.validates_schema
    def check(self, data: Any, **_: Any) -> Iterator[None]:
        raise ValidationError("no")
        yield


class WithPostLoad(Schema):
    @marshmallow.post_load
    async def make(self, data: Any, **_: Any) -> Any:
        return data


class WithMethod(Schema):
    name = fields.Method(deserialize="read")

    async def read(self, value: Any) -> Any:
        raise ValidationError("no")


class AsyncField(fields.Integer):
    async def _deserialize(self, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        raise ValidationError("no")


class YieldingField(fields.Integer):
    def _deserialize(self, *_: Any, **__: Any) -> Iterator[Any]:  # type: ignore[override]
        yield 1


class AsyncValidatedField(fields.Integer):
    async def _validate(self, value: Any) -> None:  # type: ignore[override]
        raise ValidationError("no")


LAZY: list[type[Schema]] = [
    Schema.from_dict({"field": field}, name="Lazy")
    for field in (
        fields.String(validate=refuses_nothing),
        fields.String(validate=yields_nothing),
        fields.String(validate=[validate.Length(1), Async()]),
        fields.String(validate=validate.And(validate.Length(1), refuses_nothing)),
        fields.Function(deserialize=refuses_nothing),
        AsyncField(),
        fields.List(YieldingField()),
        AsyncValidatedField(),
        fields.List(fields.String(validate=refuses_nothing)),
        fields.Dict(values=fields.String(validate=refuses_nothing)),
        fields.Tuple((fields.String(validate=refuses_nothing),)),
        fields.Nested(WithValidates),
        fields.List(fields.Nested(WithPostLoad)),
    )
]


@pytest.mark.parametrize("schema", [WithValidates, WithValidatesSchema, WithPostLoad, WithMethod, *LAZY])
def test_a_schema_whose_functions_do_not_run_is_refused_as_data_schema_and_as_meta_schema(
    schema: type[Schema], hooks: ProxyHooks
) -> None:
    text = f"_schema {schema.__name__}: marshmallow calls .*, which (yields|is async), so it would do nothing"
    with pytest.raises(SetupError, match=f"^data{text}"):
        hooks.rpc("a", data_schema=schema)(lambda req: RPCResult())
    with pytest.raises(SetupError, match=f"^meta{text}"):
        ProxyHooks(meta_schema=schema)


def test_a_schema_that_nests_one_that_is_not_defined_yet_can_be_registered(hooks: ProxyHooks) -> None:
    hooks.rpc("a", data_schema=Schema.from_dict({"inner": fields.Nested("DefinedLater")}))(lambda req: RPCResult())


@pytest.mark.parametrize("mock", [Mock, AsyncMock])
@pytest.mark.parametrize("decorators", [[], [lambda function: function]])
def test_a_mock_can_be_a_hook(mock: type[Mock], decorators: Any, hooks: ProxyHooks, ask: Ask) -> None:
    hook = mock(return_value=RPCResult(data=1))
    hooks.rpc("a", decorators=decorators)(hook)
    hooks.rpc("wrong", decorators=decorators)(mock())
    assert ask("rpc", method="a").json == {"result": {"data": 1}}
    assert hook.call_count == 1
    assert ask("rpc", method="wrong").status_code == 500


@pytest.mark.parametrize("function", YIELDING)
def test_hooks_and_before_hooks_that_yield_are_refused_when_registered(function: Any, hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError, match=r"^before_hook .* yields: it must return$"):
        hooks.before_hook(function)
    with pytest.raises(SetupError, match=r"^a hook for rpc .* yields: it must return$"):
        hooks.rpc("a")(function)


@pytest.mark.parametrize("function", NO_VALUES)
def test_a_before_hook_that_returns_anything_is_a_failure(function: Any, hooks: ProxyHooks, ask: Ask) -> None:
    hooks.before_hook(function)
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc").status_code == 500


@pytest.mark.parametrize("function", NO_VALUES)
@pytest.mark.parametrize("event", ["rpc", "cache_empty"])
def test_a_hook_that_returns_no_result_is_a_failure(event: str, function: Any, hooks: ProxyHooks, ask: Ask) -> None:
    getattr(hooks, event)(function)
    assert ask(event).status_code == 500


@pytest.mark.parametrize("function", YIELDING)
def test_after_reply_refuses_a_function_that_yields(function: Any, app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        with pytest.raises(TypeError, match=r"after_reply would run nothing of .*, which yields"):
            after_reply(function, 1)
        return RPCResult()

    app.testing = True
    assert ask("rpc").json == {"result": {}}


@pytest.mark.parametrize("function", NO_VALUES[:5])
def test_after_reply_logs_that_a_function_has_not_run(
    function: Any, app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(function, 1)
        return RPCResult()

    app.testing = True
    assert ask("rpc").json == {"result": {}}
    assert "passed to after_reply, failed" in caplog.text
    assert ", which has not run: pass after_reply the function and its arguments" in caplog.text


class Tea(pydantic.BaseModel):
    tea: str


def test_a_pydantic_model_as_data_schema_is_refused_with_the_remedy(hooks: ProxyHooks) -> None:
    class Order(pydantic.BaseModel):
        tea: str

    text = r"^data_schema must be a marshmallow schema, .* not <class .*Order'>: write Order\.model_validate$"
    with pytest.raises(SetupError, match=text):
        hooks.rpc("a", data_schema=Order)(lambda req: RPCResult())  # type: ignore[arg-type]
    hooks.rpc("a", data_schema=Order.model_validate)(lambda req: RPCResult())


@pytest.mark.parametrize(
    ("option", "schema", "remedy"),
    [
        ("data_schema", Tea(tea="assam"), "write Tea.model_validate"),
        ("data_schema", pydantic.TypeAdapter(list[int]), "write its validate_python"),
        ("result_schema", Tea, 'return model_dump(mode="json") of the model instead'),
        ("result_schema", pydantic.TypeAdapter(list[int]), 'return model_dump(mode="json") of the model instead'),
    ],
)
def test_what_pydantic_has_is_refused_with_the_remedy(hooks: ProxyHooks, option: str, schema: Any, remedy: str) -> None:
    options: dict[str, Any] = {option: schema}
    with pytest.raises(SetupError, match=rf"^{option} must be a marshmallow schema.*: {re.escape(remedy)}$"):
        hooks.rpc("a", **options)(lambda req: RPCResult())
