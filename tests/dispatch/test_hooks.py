"""Registration: decorators, signatures, modules; each mistake is a SetupError that names the hook."""

from __future__ import annotations

import functools
import re
import threading
from typing import Any

import marshmallow
import pytest
from flask import Flask

from proxyhooks import (
    ChannelPattern,
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Hooks,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    Request,
    RPCRequest,
    RPCResult,
    SetupError,
    SubscribeRequest,
    SubscribeResult,
    UserRequest,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._dispatch.index import Index
from proxyhooks._dispatch.signatures import qualified_name, source_location
from proxyhooks.cli import centrifugo
from proxyhooks.contract import contract_of
from proxyhooks.testing import ProxyClient
from tests.support.asking import Ask


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_has_a_decorator_that_returns_the_function_unchanged(event: str) -> None:
    def hook(req: Any) -> Any: ...

    assert getattr(Hooks(), event)(hook) is hook
    assert getattr(Hooks(), event)()(hook) is hook


def test_partials_methods_and_callable_objects_can_be_hooks(hooks: ProxyHooks, ask: Ask) -> None:
    class Service:
        def method(self, req: RPCRequest) -> RPCResult:
            return RPCResult(data="method")

        def __call__(self, req: RPCRequest) -> RPCResult:
            return RPCResult(data="object")

    def general(req: RPCRequest, word: str) -> RPCResult:
        return RPCResult(data=word)

    hooks.rpc("method")(Service().method)
    hooks.rpc("object")(Service())
    hooks.rpc("partial")(functools.partial(general, word="partial"))
    for name in ("method", "object", "partial"):
        assert ask("rpc", method=name).json == {"result": {"data": name}}


def test_one_function_may_serve_several_patterns(hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc("a")
    @hooks.rpc(ChannelPattern("b"))
    def hook(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.method)

    assert ask("rpc", method="a").json == {"result": {"data": "a"}}
    assert ask("rpc", method="b").json == {"result": {"data": "b"}}


class MessageSchema(marshmallow.Schema):
    text = marshmallow.fields.String(required=True)


def wrong_request(req: PublishRequest) -> SubscribeResult: ...


def wrong_result(req: SubscribeRequest) -> PublishResult: ...


def no_request() -> SubscribeResult: ...


def wrong_variable(req: SubscribeRequest, room_id: str) -> SubscribeResult: ...


def too_few(req: SubscribeRequest) -> SubscribeResult: ...


def too_many(req: SubscribeRequest, room_id: int, other: int) -> SubscribeResult: ...


def other_name(req: SubscribeRequest, room: int) -> SubscribeResult: ...


@pytest.mark.parametrize(
    ("event", "arguments", "hook", "hint"),
    [
        ("subscribe", (), wrong_request, "is called with SubscribeRequest, but req is annotated as PublishRequest"),
        ("subscribe", (), wrong_result, "must return SubscribeResult, but is annotated to return PublishResult"),
        ("subscribe", (), no_request, "hook(req)"),
        (
            "subscribe",
            ("chat:<int:room_id>",),
            wrong_variable,
            "room_id is int in the pattern, but is annotated as str",
        ),
        (
            "subscribe",
            ("chat:<uuid:room_id>",),
            wrong_variable,
            "room_id is UUID in the pattern, but is annotated as str",
        ),
        ("subscribe", ("chat:<int:room_id>",), too_few, "hook(req, room_id)"),
        ("subscribe", ("chat:<int:room_id>",), too_many, "'other'"),
        ("subscribe", ("chat:<int:room_id>",), other_name, "hook(req, room_id)"),
        ("subscribe", (), other_name, "with no pattern it is called as hook(req)"),
        ("subscribe", ("chat:<float:x>",), lambda req, x: None, "<float:...>"),
        ("subscribe", ("chat",), 5, "must be a function, not 5"),
        ("subscribe", ("chat",), MessageSchema, "must be a function"),
        ("refresh", ("chat",), lambda req: None, "no channel or method"),
    ],
)
def test_a_hook_that_does_not_fit_is_refused_when_it_is_registered(
    event: str, arguments: tuple[Any, ...], hook: Any, hint: str
) -> None:
    with pytest.raises(SetupError) as refused:
        getattr(Hooks(), event)(*arguments)(hook)
    assert hint in str(refused.value)


def test_the_message_names_the_file_and_the_line() -> None:
    with pytest.raises(SetupError, match=r"wrong_request \(.*test_hooks.py:\d+\)"):
        Hooks().subscribe(wrong_request)  # type: ignore[arg-type]


def test_wider_and_unresolvable_annotations_are_accepted() -> None:
    def base(req: UserRequest) -> SubscribeResult: ...
    def generic(req: SubscribeRequest[dict[str, Any], str]) -> SubscribeResult: ...
    def unknown(req: NotDefinedAnywhere) -> SubscribeResult: ...  # type: ignore[name-defined]  # noqa: F821
    def either(req: SubscribeRequest | PublishRequest) -> SubscribeResult: ...
    def anything(*args: Any, **kwargs: Any) -> Any: ...

    for hook in (base, generic, unknown, either, anything):
        Hooks().subscribe(hook)
        if hook is anything:
            Hooks().subscribe("chat:<int:room_id>")(hook)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ()),
        (("news",), ("news",)),
        (("chat:<int:a>",), ("chat:<int:a>",)),
    ],
)
def test_the_same_shape_twice_is_refused_and_both_hooks_are_named(first: Any, second: Any) -> None:
    hooks = Hooks()

    def one(req: SubscribeRequest, **variables: Any) -> SubscribeResult: ...
    def two(req: SubscribeRequest, **variables: Any) -> SubscribeResult: ...

    hooks.subscribe(*first)(one)
    with pytest.raises(SetupError, match=r"two hooks: .*one .* and .*two"):
        hooks.subscribe(*second)(two)
    hooks.publish(*first)(lambda req, **variables: PublishResult())  # another event is another matter


@pytest.mark.parametrize("given", [5, "schema", dict, [MessageSchema]])
def test_data_schema_must_be_a_schema_or_a_function(given: Any) -> None:
    with pytest.raises(SetupError, match="data_schema must be a marshmallow schema"):
        Hooks().rpc("a", data_schema=given)(lambda req: RPCResult())


def test_result_schema_must_be_a_schema() -> None:
    with pytest.raises(SetupError, match="result_schema must be a marshmallow schema"):
        Hooks().rpc("a", result_schema=len)(lambda req: RPCResult())  # type: ignore[call-overload]


def test_registration_ends_with_the_first_request(hooks: ProxyHooks, ask: Ask) -> None:
    rooms = Hooks()
    hooks.include(rooms)
    hooks.rpc("a")(lambda req: RPCResult())
    ask("rpc", method="a")
    for registry in (hooks, rooms):
        with pytest.raises(SetupError, match="comes too late"):
            registry.rpc("b")(lambda req: RPCResult())
        with pytest.raises(SetupError, match="comes too late"):
            registry.before_hook(lambda req: None)
    with pytest.raises(SetupError, match="comes too late"):
        hooks.include(Hooks())
    hooks.include(rooms)  # there already


def hooks_with_list_and_get(name: str) -> Hooks:
    """A collection with the methods ``list``, which answers with the name, and ``get.<int:room_id>``."""
    hooks = Hooks()

    @hooks.rpc("list")
    def list_(req: RPCRequest) -> RPCResult:
        return RPCResult(data=[name, req.method])

    @hooks.rpc("get.<int:room_id>")
    def get(req: RPCRequest, room_id: int) -> RPCResult:
        return RPCResult(data=room_id)

    return hooks


def test_modules_are_included_with_a_prefix_for_their_methods(hooks: ProxyHooks, ask: Ask) -> None:
    rooms, users = hooks_with_list_and_get("rooms"), hooks_with_list_and_get("users")
    hooks.include(rooms, rpc_prefix="rooms.")
    hooks.include(users, rpc_prefix="users.")
    hooks.include(rooms, rpc_prefix="rooms.")  # the same again is nothing
    assert ask("rpc", method="rooms.list").json == {"result": {"data": ["rooms", "rooms.list"]}}
    assert ask("rpc", method="users.get.7").json == {"result": {"data": 7}}
    assert ask("rpc", method="list").json == {"error": {"code": 104, "message": "method not found"}}


def test_prefixes_of_methods_add_up_and_concern_no_channels(hooks: ProxyHooks, ask: Ask) -> None:
    inner, outer = hooks_with_list_and_get("inner"), Hooks()
    inner.subscribe("chat:<name>")(lambda req, name: SubscribeResult(data=name))
    outer.include(inner, rpc_prefix="inner.")
    hooks.include(outer, rpc_prefix="outer.")
    assert ask("rpc", method="outer.inner.list").json == {"result": {"data": ["inner", "outer.inner.list"]}}
    assert ask("subscribe", channel="chat:a").json == {"result": {"data": "a"}}


def test_a_bare_hook_behind_a_prefix_serves_the_methods_of_that_prefix(hooks: ProxyHooks, ask: Ask) -> None:
    rooms = Hooks()
    rooms.rpc(lambda req: RPCResult(data="rooms"))
    hooks.include(rooms, rpc_prefix="rooms.")
    assert ask("rpc", method="rooms.x").json == {"result": {"data": "rooms"}}
    assert ask("rpc", method="users.x").json == {"error": {"code": 104, "message": "method not found"}}


def test_conflicts_between_modules_are_found_when_they_are_included() -> None:
    hooks = Hooks()
    hooks.include(hooks_with_list_and_get("a"))
    with pytest.raises(SetupError, match="two hooks"):
        hooks.include(hooks_with_list_and_get("b"))
    with pytest.raises(SetupError, match="two hooks"):
        hooks.rpc("list")(lambda req: RPCResult())
    hooks.rpc("other")(lambda req: RPCResult())  # what was refused left nothing behind


def test_conflicts_that_come_after_the_include_are_found_when_they_are_made() -> None:
    hooks, middle, rooms = Hooks(), Hooks(), Hooks()
    hooks.include(middle)
    middle.include(rooms)
    hooks.rpc("a")(lambda req: RPCResult())
    with pytest.raises(SetupError, match="two hooks"):
        rooms.rpc("a")(lambda req: RPCResult())
    with pytest.raises(SetupError, match="two hooks"):
        rooms.include(hooks_with_method("a"))
    rooms.rpc("b")(lambda req: RPCResult())  # what was refused left nothing behind
    with pytest.raises(SetupError, match="two hooks"):
        middle.rpc("b")(lambda req: RPCResult())


def test_a_conflict_leaves_every_collection_as_it_was() -> None:
    rooms, first, second = Hooks(), Hooks(), Hooks()
    first.include(rooms)
    second.include(rooms, rpc_prefix="rooms.")
    second.rpc("rooms.a")(lambda req: RPCResult())
    before = [registered_patterns(hooks) for hooks in (rooms, first, second)]
    with pytest.raises(SetupError, match=r"rpc for 'rooms.a' has two hooks"):
        rooms.rpc("a")(lambda req: RPCResult())  # only the last of the three has it already
    with pytest.raises(SetupError, match="two hooks"):
        rooms.include(hooks_with_method("a"))
    assert [registered_patterns(hooks) for hooks in (rooms, first, second)] == before
    rooms.rpc("b")(lambda req: RPCResult())
    assert [len(registered_patterns(hooks)) for hooks in (rooms, first, second)] == [1, 1, 2]


def registered_patterns(hooks: Hooks) -> set[str | None]:
    patterns = [registration.pattern for registration in hooks.index.registrations()]
    return {pattern.text if pattern else None for pattern in patterns}


def test_hooks_behind_a_prefix_that_conflict_among_themselves_are_refused() -> None:
    rooms, hooks = Hooks(), Hooks()
    rooms.rpc(lambda req: RPCResult())
    rooms.rpc("<path:rest>")(lambda req, rest: RPCResult())
    with pytest.raises(SetupError, match="two hooks"):
        hooks.include(rooms, rpc_prefix="rooms.")
    assert registered_patterns(hooks) == set()
    hooks.include(rooms)


def test_a_hook_registered_after_two_includes_needs_the_same_before_hooks_in_both() -> None:
    shared, strict, lax, outer = Hooks(), Hooks(), Hooks(), Hooks()
    strict.before_hook(lambda req: None)
    for way in (strict, lax):
        way.include(shared)
        outer.include(way)
    with pytest.raises(SetupError, match="two hooks"):
        shared.rpc("a")(lambda req: RPCResult())
    assert registered_patterns(outer) == registered_patterns(shared) == set()
    shared.connect(lambda req: ConnectResult(user="1"))  # no before_hook runs for it


def test_each_registration_is_checked_once_in_each_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    built = checked = 0
    build, check = Index.__init__, Index._check_one

    def count_build(self: Index, *args: Any) -> None:
        nonlocal built
        built += 1
        build(self, *args)

    def count_check(self: Index, registration: Any) -> None:
        nonlocal checked
        checked += 1
        check(self, registration)

    rooms, app_hooks = Hooks(), Hooks()
    app_hooks.include(rooms)
    monkeypatch.setattr(Index, "__init__", count_build)
    monkeypatch.setattr(Index, "_check_one", count_check)
    for number in range(10_000):
        rooms.publish(f"ns{number}:<int:room_id>")(lambda req, room_id: PublishResult())
    assert (built, checked) == (0, 20_000)  # once for each of the two collections
    Hooks().include(rooms)
    assert (built, checked) == (2, 40_000)


def hooks_with_method(name: str) -> Hooks:
    hooks = Hooks()
    hooks.rpc(name)(lambda req: RPCResult())
    return hooks


def test_one_module_by_two_ways_with_different_before_hooks_is_refused() -> None:
    """One of the two checks would not run."""
    shared, strict, lax, hooks = hooks_with_list_and_get("shared"), Hooks(), Hooks(), Hooks()
    strict.before_hook(lambda req: None)
    strict.include(shared)
    lax.include(shared)
    hooks.include(lax)
    with pytest.raises(SetupError, match="two hooks"):
        hooks.include(strict)
    same, other, outer = Hooks(), Hooks(), Hooks()
    for way in (same, other):
        way.include(shared)
        outer.include(way)
    with pytest.raises(SetupError, match="two hooks"):
        other.before_hook(lambda req: None)
    assert other._before_hooks == []


def test_a_decorator_may_add_arguments(hooks: ProxyHooks, ask: Ask) -> None:
    def with_user(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(req: RPCRequest, **variables: Any) -> Any:
            return function(req, f"user {req.user}", **variables)

        return wrapper

    @hooks.rpc("get.<int:number>")
    @with_user
    def get(req: RPCRequest, user: str, number: int) -> RPCResult:
        return RPCResult(data=[user, number])

    assert ask("rpc", method="get.7", user="42").json == {"result": {"data": ["user 42", 7]}}
    with pytest.raises(SetupError, match="does not fit"):
        Hooks().rpc("set.<int:other>")(with_user(lambda req, user, number: RPCResult()))


def test_a_decorator_may_replace_arguments(hooks: ProxyHooks, ask: Ask) -> None:
    def with_room(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(req: RPCRequest, room_id: int) -> Any:
            return function(req, f"room {room_id}")

        return wrapper

    @hooks.rpc("get.<int:room_id>")
    @with_room
    def get(req: RPCRequest, room: str) -> RPCResult:
        return RPCResult(data=room)

    @hooks.rpc("same.<int:room_id>")
    @with_room
    def same_name(req: RPCRequest, room_id: str) -> RPCResult:
        return RPCResult(data=room_id)

    with pytest.raises(SetupError, match="does not fit"):
        hooks.rpc("other.<int:number>")(with_room(lambda req, room: RPCResult()))
    for method in ("get.7", "same.7"):
        assert ask("rpc", method=method).json == {"result": {"data": "room 7"}}


def test_a_generator_function_is_refused() -> None:
    def generator(req: RPCRequest) -> Any:
        yield RPCResult()

    async def async_generator(req: RPCRequest) -> Any:
        yield RPCResult()

    for hook in (generator, async_generator):
        with pytest.raises(SetupError, match="yields"):
            Hooks().rpc(hook)


def test_a_before_hook_annotated_with_another_request_is_refused() -> None:
    def before(req: ConnectRequest) -> None: ...

    with pytest.raises(SetupError, match="is called with UserRequest, but req is annotated as ConnectRequest"):
        Hooks().before_hook(before)  # type: ignore[type-var]


def test_an_async_data_schema_is_refused() -> None:
    async def validate(data: Any) -> Any:
        raise ValueError

    with pytest.raises(SetupError, match="validate nothing"):
        Hooks().rpc(data_schema=validate)(lambda req: RPCResult())


def test_hooks_cannot_include_themselves() -> None:
    one, two = Hooks(), Hooks()
    one.include(two)
    for inner, outer in ((one, one), (one, two)):
        with pytest.raises(SetupError, match="hooks cannot include themselves, directly or through others"):
            outer.include(inner)
    with pytest.raises(SetupError, match="takes Hooks"):
        one.include("rooms")  # type: ignore[arg-type]


def test_one_module_may_come_in_by_two_ways(app: Flask, ask: Ask) -> None:
    shared, one, two, hooks = hooks_with_list_and_get("shared"), Hooks(), Hooks(), ProxyHooks(app)
    for way in (one, two):
        way.include(shared)
        hooks.include(way)
    assert ask("rpc", method="list").status_code == 200


def test_a_module_can_serve_several_applications() -> None:
    rooms = hooks_with_list_and_get("rooms")
    for _ in range(2):
        app = Flask("app")
        hooks = ProxyHooks(app, secrets=["x"])
        hooks.include(rooms)
        response = app.test_client().post(
            "/centrifugo/rpc", json={"method": "list"}, headers={"X-Proxyhooks-Secret": "x"}
        )
        assert response.status_code == 200


def test_one_extension_can_serve_several_applications() -> None:
    hooks = ProxyHooks(secrets=["x"])
    hooks.rpc(lambda req: RPCResult(data=1))
    for _ in range(2):
        app = Flask("app")
        hooks.init_app(app)
        response = app.test_client().post("/centrifugo/rpc", json={}, headers={"X-Proxyhooks-Secret": "x"})
        assert response.json == {"result": {"data": 1}}


def test_dispatcher_test_client_contract_and_commands_ask_the_same_index(
    hooks: ProxyHooks, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Index] = []
    build = Index.__init__
    monkeypatch.setattr(Index, "__init__", lambda self, *args: (built.append(self), build(self, *args))[1])
    hooks.connect(lambda req: ConnectResult(user="1"))
    hooks.rpc("a")(lambda req: RPCResult())
    client = ProxyClient(app)
    assert client.connect().allowed
    assert client.rpc("a").allowed
    assert contract_of(hooks)["rpc"] == {"a": {"data": None, "result": None}}
    assert app.test_cli_runner().invoke(centrifugo, ["hooks"]).exit_code == 0
    assert app.test_cli_runner().invoke(centrifugo, ["call", "rpc", "--method", "a"]).exit_code == 0
    assert built == []


def test_async_hooks_run_as_each_application_runs_them() -> None:
    async def before(req: UserRequest) -> None: ...
    async def hook(req: RPCRequest) -> RPCResult:
        return RPCResult(data=1)

    class CountingFlask(Flask):
        functions: list[Any]

        def async_to_sync(self, func: Any) -> Any:
            self.functions.append(func)
            return super().async_to_sync(func)

    rooms = Hooks()
    rooms.before_hook(before)
    rooms.rpc(hook)
    for _ in range(2):
        app = CountingFlask("app")
        app.functions = []
        ProxyHooks(app, secrets=["x"]).include(rooms)
        response = app.test_client().post("/centrifugo/rpc", json={}, headers={"X-Proxyhooks-Secret": "x"})
        assert response.json == {"result": {"data": 1}}
        assert app.functions == [hook, before]


def test_before_hooks_run_outer_first_and_only_for_their_own_and_included(hooks: ProxyHooks, ask: Ask) -> None:
    ran: list[str] = []
    rooms, users = hooks_with_list_and_get("rooms"), hooks_with_list_and_get("users")
    hooks.include(rooms, rpc_prefix="rooms.")
    hooks.include(users, rpc_prefix="users.")

    @rooms.before_hook
    def of_rooms(req: UserRequest) -> None:
        ran.append("rooms")

    @hooks.before_hook
    def first(req: UserRequest) -> None:
        ran.append("first")

    @hooks.before_hook
    async def second(req: UserRequest) -> None:
        ran.append("second")

    ask("rpc", method="rooms.list")
    assert ran == ["first", "second", "rooms"]
    ran.clear()
    ask("rpc", method="users.list")
    assert ran == ["first", "second"]
    ran.clear()
    ask("rpc", method="nothing")
    assert ran == []


def test_before_hooks_run_for_connected_clients_only_and_before_the_payload(hooks: ProxyHooks, ask: Ask) -> None:
    ran: list[Any] = []

    @hooks.before_hook
    def note(req: UserRequest) -> None:
        ran.append((type(req).__name__, getattr(req, "data", None)))

    for event in EVENTS:
        register = getattr(hooks, event)
        options = {"data_schema": MessageSchema} if event in ("connect", "rpc") else {}
        register(**options)(lambda req: None)
    for event in EVENTS:
        ask(event, data={"wrong": 1})
    assert sorted(name for name, _ in ran) == [
        "MapPublishRequest",
        "MapRemoveRequest",
        "PublishRequest",
        "RPCRequest",
        "RefreshRequest",
        "SubRefreshRequest",
        "SubscribeRequest",
    ]
    assert ("RPCRequest", {"wrong": 1}) in ran


def test_a_before_hook_can_run_for_every_event_and_before_the_payload(hooks: ProxyHooks, ask: Ask) -> None:
    ran: list[Any] = []

    @hooks.before_hook(every_event=True)
    def note(req: Request) -> None:
        ran.append((type(req), getattr(req, "data", None)))

    for event in EVENTS:
        options = {"data_schema": MessageSchema} if event == "connect" else {}
        getattr(hooks, event)(**options)(lambda req: None)
    for event in EVENTS:
        ask(event, data={"wrong": 1})
    assert [request for request, _ in ran] == [event.request for event in EVENTS.values()]
    assert (ConnectRequest, {"wrong": 1}) in ran


class WrongHook:
    def __call__(self) -> RPCResult:
        return RPCResult()


def test_an_object_that_is_a_hook_is_named_by_its_class(hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError, match=r"hook WrongHook \(.*test_hooks.py:\d+\) for rpc does not fit"):
        hooks.rpc(WrongHook())  # type: ignore[arg-type]


class Model:
    @classmethod
    def load(cls, data: Any) -> Any:
        return data


class Order(Model):
    @classmethod
    def parse(cls, data: Any) -> Any:
        return data


def test_a_class_method_is_named_by_the_class_that_has_or_inherits_it() -> None:
    assert source_location(Order.load) == "Order.load"
    assert re.fullmatch(r"Order\.parse \(.*test_hooks.py:\d+\)", source_location(Order.parse))
    assert qualified_name(Order.load) == f"{__name__}.Order.load"
    assert qualified_name("a".join) == "None.str.join"  # a method written in C


def test_every_event_of_a_before_hook_is_true_or_false(hooks: ProxyHooks) -> None:
    before_hook: Any = hooks.before_hook
    with pytest.raises(SetupError, match="every_event must be True or False, not 'yes'"):
        before_hook(every_event="yes")(lambda req: None)


def test_before_hooks_for_every_event_run_in_the_order_of_all(hooks: ProxyHooks, ask: Ask) -> None:
    ran: list[str] = []
    rooms = Hooks()
    rooms.before_hook(every_event=True)(lambda req: ran.append("inner, every"))
    rooms.before_hook(lambda req: ran.append("inner"))
    hooks.include(rooms)
    hooks.before_hook()(lambda req: ran.append("outer"))

    @hooks.before_hook(every_event=True)
    async def of_every_event(req: Request) -> None:
        ran.append("outer, every")

    rooms.connect(lambda req: ConnectResult(user="1"))
    rooms.rpc(lambda req: RPCResult())
    ask("rpc")
    assert ran == ["outer", "outer, every", "inner, every", "inner"]
    ran.clear()
    ask("connect")
    assert ran == ["outer, every", "inner, every"]


@pytest.mark.parametrize("refusal", [errors.PermissionDenied, Disconnect(4501, "no"), errors.TooManyRequests])
def test_a_before_hook_refuses_every_event_as_its_hook_would(refusal: Any, app: Flask, ask: Ask) -> None:
    other = Flask("other")
    other.config["PROXYHOOKS_SECRETS"] = app.config["PROXYHOOKS_SECRETS"]
    before, by_hook = ProxyHooks(app), ProxyHooks(other)

    def refuse(req: Request) -> Any:
        raise refusal

    before.before_hook(every_event=True)(refuse)
    headers = {"X-Proxyhooks-Secret": app.config["PROXYHOOKS_SECRETS"][0]}
    for event in EVENTS:
        getattr(before, event)(lambda req: pytest.fail("the hook was called"))
        getattr(by_hook, event)(refuse)
    for event in EVENTS:
        reply = other.test_client().post(f"/centrifugo/{event}", json={"transport": "websocket"}, headers=headers)
        assert ask(event, transport="websocket").data == reply.data
        assert b'"result":{}' not in reply.data


def test_a_before_hook_for_every_event_takes_any_request() -> None:
    def of_users(req: UserRequest) -> None: ...

    with pytest.raises(SetupError, match="is called with Request, but req is annotated as UserRequest"):
        Hooks().before_hook(every_event=True)(of_users)  # type: ignore[type-var]


def test_a_before_hook_may_refuse_and_returns_nothing(hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.before_hook
    def check(req: UserRequest) -> Any:
        if req.user == "banned":
            raise errors.PermissionDenied
        return "something" if req.user == "wrong" else None

    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc", user="banned").json == {"error": {"code": 103, "message": "permission denied"}}
    assert ask("rpc", user="wrong").status_code == 500
    assert ask("rpc", user="42").json == {"result": {}}


def test_a_before_hook_takes_the_request_alone() -> None:
    with pytest.raises(SetupError, match=r"it is called as before_hook\(req\)"):
        Hooks().before_hook(lambda: None)  # type: ignore[type-var]
    with pytest.raises(SetupError, match="must be a function"):
        Hooks().before_hook(5)  # type: ignore[call-overload]


def test_the_dispatcher_is_built_once_even_if_many_requests_come_at_once(
    hooks: ProxyHooks, ask: Ask, monkeypatch: Any
) -> None:
    built: list[int] = []
    freeze = ProxyHooks._freeze
    monkeypatch.setattr(ProxyHooks, "_freeze", lambda self: (built.append(1), freeze(self)))
    hooks.connect(lambda req: ConnectResult(user="1"))
    threads = [threading.Thread(target=ask, args=("connect",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_hook_can_be_called_like_any_function() -> None:
    hooks = Hooks()

    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        return ConnectResult(user=req.name)

    assert connect(ConnectRequest(name="42")) == ConnectResult(user="42")
