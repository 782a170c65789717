"""Flask-Limiter's limits on hooks, and decorators that run before the payload is read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort
from flask_limiter import Limiter
from flask_login import LoginManager, login_required
from marshmallow import Schema, fields

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RPCRequest,
    RPCResult,
    SetupError,
    UserRequest,
    current_request,
    errors,
)
from tests.support.asking import Ask
from tests.support.waiting import DEFAULT_TIMEOUT

TOO_MANY = {"error": {"code": 111, "message": "too many requests", "temporary": True}}
BAD = {"error": {"code": 107, "message": "bad request"}}
OK: dict[str, Any] = {"result": {}}


class Text(Schema):
    text = fields.String(required=True)


@pytest.fixture(params=[True, False], ids=["fast", "slow"], autouse=True)
def fast(request: pytest.FixtureRequest, app: Flask) -> None:
    app.config["PROXYHOOKS_FAST"] = request.param


def limiter_of(app: Flask, **options: Any) -> Limiter:
    return Limiter(lambda: current_request.user, app=app, storage_uri="memory://", **options)


@pytest.fixture
def send(ask: Ask) -> Callable[..., Any]:
    """Send an rpc request."""
    return lambda method, user="1", **fields: ask("rpc", method=method, user=user, **fields).json


def order(req: RPCRequest) -> RPCResult:
    return RPCResult()


def pay(req: RPCRequest) -> RPCResult:
    return RPCResult()


def test_two_hooks_of_one_event_have_a_bucket_each(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limit = limiter_of(app).limit("2 per day")
    hooks.rpc("order")(limit(order))
    hooks.rpc("pay")(limit(pay))
    assert [send("order") for _ in range(3)] == [OK, OK, TOO_MANY]
    assert [send("pay") for _ in range(3)] == [OK, OK, TOO_MANY]


def test_a_limit_above_the_decorator_of_the_hook_has_no_effect(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    @limiter_of(app).limit("1 per day")
    @hooks.rpc("order")
    def order(req: RPCRequest) -> RPCResult:
        return RPCResult()

    assert [send("order") for _ in range(3)] == [OK] * 3


def test_two_users_have_a_bucket_each(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    hooks.rpc("order")(limiter_of(app).limit("1 per day")(order))
    assert [send("order", user) for user in ("a", "a", "b", "b")] == [OK, TOO_MANY, OK, TOO_MANY]


def test_two_patterns_of_one_function_share_its_bucket(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limited = limiter_of(app).limit("1 per day")(order)
    hooks.rpc("order")(limited)
    hooks.rpc("buy")(limited)
    assert [send("order"), send("buy")] == [OK, TOO_MANY]


def test_a_limit_among_the_decorators_counts_refused_payloads(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limit = limiter_of(app).limit("3 per day")
    hooks.rpc("order", data_schema=Text, decorators=[limit])(order)
    hooks.rpc("pay", data_schema=Text, decorators=[limit])(pay)
    for method in ("order", "pay"):
        assert [send(method, data={"no": "text"}) for _ in range(2)] == [BAD, BAD]
        assert send(method, data={"text": "a"}) == OK
        assert send(method, data={"text": "a"}) == send(method, data={"no": "text"}) == TOO_MANY


def test_a_limit_in_a_before_hook_counts_refused_payloads(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limiter = limiter_of(app)

    @hooks.before_hook
    def limit(req: UserRequest) -> None:
        with limiter.limit("2 per day"):
            pass

    hooks.rpc("order", data_schema=Text)(order)
    hooks.rpc("pay", data_schema=Text)(pay)
    for method in ("order", "pay"):
        assert [send(method) for _ in range(3)] == [BAD, BAD, TOO_MANY]


def test_default_limits_are_counted_for_each_hook_before_the_payload(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limiter_of(app, default_limits=["2 per day"])
    hooks.rpc("order", data_schema=Text)(order)
    hooks.rpc("pay", data_schema=Text)(pay)
    for method in ("order", "pay"):
        assert [send(method) for _ in range(3)] == [BAD, BAD, TOO_MANY]


def test_default_limits_count_all_names_that_no_hook_serves_together(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limiter_of(app, default_limits=["2 per day"])
    hooks.rpc("order")(order)
    assert [send(f"none{n}")["error"]["code"] for n in range(3)] == [104, 104, 111]
    assert send("order") == OK


def test_a_limit_of_a_hook_takes_the_place_of_the_default_limits(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limiter = limiter_of(app, default_limits=["1 per day"])
    hooks.rpc("order")(limiter.limit("3 per day")(order))
    hooks.rpc("pay", decorators=[limiter.limit("3 per day")])(pay)
    for method in ("order", "pay"):
        assert [send(method) for _ in range(4)] == [OK, OK, OK, TOO_MANY]


@pytest.mark.parametrize("exempt", ["hook", "view", "filter"])
def test_a_hook_can_be_exempt(exempt: str, app: Flask, hooks: ProxyHooks, send: Any) -> None:
    limiter = limiter_of(app, default_limits=["1 per day"])
    hooks.rpc("order")(limiter.exempt(order) if exempt == "hook" else order)
    hooks.rpc("pay")(pay)
    (endpoint,) = [name for name in app.view_functions if name.endswith("_order")]
    if exempt == "view":
        limiter.exempt(app.view_functions[endpoint])
    if exempt == "filter":
        limiter.request_filter(lambda: current_request.method == "order")
    assert [send("order") for _ in range(3)] == [OK] * 3
    assert [send("pay") for _ in range(2)] == [OK, TOO_MANY]


def test_hooks_can_share_a_limit(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    shared = limiter_of(app).shared_limit("2 per day", scope="shop")
    hooks.rpc("order")(shared(order))
    hooks.rpc("pay", data_schema=Text, decorators=[shared])(pay)
    assert [send("order"), send("pay"), send("order"), send("pay")] == [OK, BAD, TOO_MANY, TOO_MANY]


def test_hooks_of_two_events_have_a_bucket_each(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    limit = limiter_of(app).limit("1 per day")

    @limit
    def serve(req: Any) -> Any:
        return RPCResult() if isinstance(req, RPCRequest) else PublishResult()

    hooks.rpc(serve)
    hooks.publish(serve)
    replies = [ask(event, user="1").json for event in ("rpc", "publish", "rpc", "publish")]
    assert replies == [OK, OK, TOO_MANY, TOO_MANY]


# Decorators


def test_decorators_run_between_the_before_hooks_and_the_payload(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    steps: list[Any] = []

    def step(name: str) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def around(req: RPCRequest, **variables: Any) -> Any:
                steps.append((name, req.data, variables))
                result = function(req, **variables)
                steps.append((name, type(result).__name__))
                return result

            return around

        return decorate

    hooks.before_hook(lambda req: steps.append("before_hook"))

    @hooks.rpc(
        "order:<int:n>", data_schema=lambda data: steps.append("payload") or [data], decorators=[step("a"), step("b")]
    )
    def order(req: RPCRequest[Any], n: int) -> RPCResult:
        steps.append(("hook", req.data, n))
        return RPCResult()

    assert send("order:7", data=1) == OK
    assert steps == [
        "before_hook",
        ("a", 1, {"n": 7}),
        ("b", 1, {"n": 7}),
        "payload",
        ("hook", [1], 7),
        ("b", "RPCResult"),
        ("a", "RPCResult"),
    ]


def test_a_decorator_may_refuse_before_the_payload_is_read(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    @hooks.rpc("order", data_schema=Text, decorators=[lambda function: lambda req: abort(403)])
    def order(req: RPCRequest) -> RPCResult:
        raise AssertionError("the hook was called")

    assert send("order", data={"no": "text"})["error"]["code"] == 103


class Refusing:
    """A decorated function that is an object, and false."""

    def __len__(self) -> int:
        return 0

    def __call__(self, req: RPCRequest) -> RPCResult:
        raise errors.PermissionDenied


def test_a_decorator_may_return_any_object_that_can_be_called(hooks: ProxyHooks, send: Any) -> None:
    hooks.rpc("order", decorators=[lambda function: Refusing()])(order)
    assert send("order")["error"]["code"] == 103


def test_login_required_can_stand_before_the_payload(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    login = LoginManager(app)
    login.request_loader(lambda request: None)
    hooks.rpc("order", data_schema=Text, decorators=[login_required])(order)
    assert send("order", data={"no": "text"})["error"]["code"] == 101


def test_a_payload_is_loaded_once_and_never_skipped(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    """Whatever a decorator does: repeat the call, even of a refused payload, or call another hook first."""
    loaded: list[Any] = []

    def load(data: Any) -> Any:
        loaded.append(data)
        if data != "good":
            raise ValueError("no")
        return "loaded"

    def twice(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(req: RPCRequest) -> Any:
            if req.user == "nested":
                send("inner")
            with contextlib.suppress(errors.BadRequest):
                function(req)
            return function(req)

        return call

    hooks.rpc("inner", decorators=[lambda function: function])(lambda req: RPCResult())
    hooks.rpc("order", data_schema=load, decorators=[twice])(lambda req: RPCResult(data=req.data))
    for user in ("1", "nested"):
        loaded.clear()
        assert send("order", user, data="good") == {"result": {"data": "loaded"}}
        assert loaded == ["good"]
        assert send("order", user, data="bad") == BAD


def test_a_request_that_a_decorator_changes_has_a_loaded_payload(hooks: ProxyHooks, send: Any) -> None:
    changes: dict[str, Any] = {"user": "changed"}

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda req: function(dataclasses.replace(req, **changes))

    hooks.rpc("order", data_schema=lambda data: [data["text"]], decorators=[change, change])(
        lambda req: RPCResult(data=[req.user, req.data, current_request.data])
    )
    assert send("order", data={"text": "a"}) == {"result": {"data": ["changed", ["a"], ["a"]]}}
    assert send("order", data={"no": "text"}) == BAD
    changes["data"] = {"text": "of the decorator"}
    assert send("order", data={"text": "a"})["result"]["data"][1] == ["of the decorator"]
    changes["data"] = {"no": "text"}
    assert send("order", data={"text": "a"}) == BAD


def test_a_hook_gets_the_loaded_payload_of_every_request_that_its_decorators_pass_on(
    hooks: ProxyHooks, send: Any
) -> None:
    got: list[Any] = []

    def with_copies(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(req: RPCRequest[Any]) -> Any:
            for labels in ({"try": "1"}, {"try": "2"}):
                function(dataclasses.replace(req, labels=labels))
            function(req)
            function(dataclasses.replace(req, labels={"try": "4"}))
            return function(dataclasses.replace(req, data={"text": 5}))

        return call

    @hooks.rpc("order", data_schema=Schema.from_dict({"text": fields.Integer()}), decorators=[with_copies])
    def order(req: RPCRequest[Any]) -> RPCResult:
        got.append((req.data["text"], req.labels.get("try")))
        return RPCResult()

    assert send("order", data={"text": "7"}) == OK
    assert got == [(7, "1"), (7, "2"), (7, None), (7, "4"), (5, None)]
    got.clear()
    assert send("order", data={"text": "no number"}) == BAD
    assert got == []


def test_data_that_a_decorator_gives_the_hook_is_validated(hooks: ProxyHooks, send: Any) -> None:
    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda req: function(dataclasses.replace(req, data={"text": 5}))

    hooks.rpc("order", data_schema=Text, decorators=[give])(order)
    assert send("order") == send("order", data={"text": "a"}) == BAD


def test_a_decorator_that_calls_the_hook_in_another_thread_fails(
    app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    called = []

    def in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(req: RPCRequest) -> Any:
            results: list[Any] = []

            def run() -> None:
                try:
                    results.append(function(req))
                except RuntimeError as error:
                    results.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            thread.join(DEFAULT_TIMEOUT)
            if isinstance(results[0], Exception):
                raise results[0]
            return results[0]

        return call

    hooks.rpc("order", data_schema=Text, decorators=[in_thread])(lambda req: called.append(req) or RPCResult())
    assert ask("rpc", method="order", data={"no": "text"}).status_code == 500
    assert called == []
    assert "calls it outside of the call, such as in another thread: call it with contextvars.copy_context().run" in (
        caplog.text
    )


def test_decorators_around_an_async_hook(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    @hooks.rpc("order", data_schema=Text, decorators=[limiter_of(app).limit("2 per day")])
    async def order(req: RPCRequest[Any]) -> RPCResult:
        return RPCResult(data=req.data["text"])

    assert [send("order", data={"text": "a"}), send("order"), send("order")] == [
        {"result": {"data": "a"}},
        BAD,
        TOO_MANY,
    ]


def test_a_decorator_of_an_async_hook_may_be_async(app: Flask, hooks: ProxyHooks, send: Any) -> None:
    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(req: RPCRequest[Any]) -> Any:
            if req.user == "banned":
                raise errors.PermissionDenied
            return await function(req)

        return call

    @hooks.rpc("pay", data_schema=Text, decorators=[around, around])
    async def pay(req: RPCRequest[Any]) -> RPCResult:
        return RPCResult(data=req.data["text"])

    assert send("pay", data={"text": "a"}) == {"result": {"data": "a"}}
    assert [send("pay"), send("pay", "banned")["error"]["code"]] == [BAD, 103]


def test_decorators_of_hooks_without_a_data_schema(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    limiter = Limiter(lambda: "all", app=app, storage_uri="memory://")

    @hooks.connect(decorators=[limiter.limit("1 per day")])
    def connect(req: ConnectRequest) -> ConnectResult:
        return ConnectResult(user="1")

    @hooks.publish("chat:<name>", decorators=[limiter.limit("1 per day")])
    def publish(req: PublishRequest, name: str) -> PublishResult:
        return PublishResult()

    messages: dict[str, Any] = {"connect": {}, "publish": {"channel": "chat:a"}}
    for event, message in messages.items():
        replies: list[Any] = [ask(event, **message).json for _ in range(2)]
        assert "result" in replies[0]
        assert replies[1] == TOO_MANY


@pytest.mark.parametrize("decorators", [5, "limit", [5], lambda function: function, None])
def test_decorators_that_are_no_list_of_functions_are_refused(decorators: Any, hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError, match=r"hook order .*: decorators must be a list of decorators, not "):
        hooks.rpc("order", decorators=decorators)(order)


def yielding(function: Any) -> Any:
    yield function


@pytest.mark.parametrize(
    ("decorator", "problem"),
    [
        (lambda function: None, r"what <lambda> \(.*\) returns for hook order \(.*\) must be a function, not None"),
        (lambda function: yielding, r"what <lambda> \(.*\) returns for hook order \(.*\) yielding \(.*\) yields"),
    ],
)
def test_decorators_are_called_when_the_hook_is_registered(decorator: Any, problem: str, hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError, match=problem):
        hooks.rpc("order", decorators=[lambda function: function, decorator])(order)
    hooks.rpc("order")(order)
