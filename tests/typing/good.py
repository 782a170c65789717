"""What type checkers accept: every form in which a hook is written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

import marshmallow
from flask import Flask, Response
from typing_extensions import assert_type

from proxyhooks import (
    NULL,
    ChannelPattern,
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    Hooks,
    MapPublishRequest,
    MapPublishResult,
    MapRemoveRequest,
    MapRemoveResult,
    NotifyCacheEmptyRequest,
    NotifyCacheEmptyResult,
    NotifyChannelStateRequest,
    NotifyChannelStateResult,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    Request,
    RPCRequest,
    RPCResult,
    SharedPollRefreshRequest,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshRequest,
    SubRefreshResult,
    SubscribeOptionOverride,
    SubscribeOptions,
    SubscribeRequest,
    SubscribeResult,
    UserRequest,
    after_reply,
    disconnect_response,
    disconnects,
    error_response,
    errors,
    read_request,
    result_response,
)

app = Flask(__name__)
hooks = ProxyHooks(
    app, name="a", url_prefix="/b", secrets=["c"], http_headers=["Cookie"], meta_schema=marshmallow.Schema
)
rooms = Hooks()
hooks.include(rooms, rpc_prefix="rooms.", channel_prefix="rooms:")


class MessageSchema(marshmallow.Schema): ...


class Message(TypedDict):
    text: str


class Meta(TypedDict):
    plan: str


class RoomIsFull(Error):
    code, message, temporary = 1001, "room is full", True


class Banned(Disconnect):
    code, reason = 4503, "banned"


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    if req.name == "bad":
        raise Disconnect(4501, "unauthorized")
    return ConnectResult(
        user=str(42),
        expire_at=timedelta(minutes=10),
        info={"name": "a"},
        data=b"bytes",
        channels=["a"],
        subs={"b": SubscribeOptions(expire_at=datetime.now(UTC), override=SubscribeOptionOverride(presence=True))},
        meta={"plan": "pro"},
    )


assert_type(connect(ConnectRequest()), ConnectResult)

hooks.publication("news:<name>", MessageSchema)
rooms.publication(ChannelPattern("news"), MessageSchema(many=True), MessageSchema)
assert_type(hooks.publication("old", MessageSchema()), None)
hooks.dump_publication("news", [{"text": "hi"}], schema=MessageSchema)


@hooks.connect(data_schema=MessageSchema, result_schema=MessageSchema)
def connect_with_schema(req: ConnectRequest[Message]) -> ConnectResult:
    assert_type(req.data, Message)
    return ConnectResult(user=req.data["text"])


@hooks.refresh
async def refresh(req: RefreshRequest) -> RefreshResult:
    if req.user == "gone":
        return RefreshResult(expired=True)
    return RefreshResult(expire_at=timedelta(minutes=10))


@hooks.refresh()
def refresh_too(req: RefreshRequest[Meta]) -> RefreshResult:
    assert_type(req.meta, Meta)
    return RefreshResult(expire_at=1)


@hooks.before_hook
def load_user(req: UserRequest) -> None:
    req.user


@hooks.before_hook
async def load_more(req: UserRequest) -> None: ...


@hooks.before_hook()
def load_after(req: UserRequest) -> None: ...


@hooks.before_hook(every_event=True)
def trace(req: Request) -> None:
    if isinstance(req, ConnectRequest):
        req.client


@hooks.before_hook(every_event=True)
async def trace_more(req: Request) -> None: ...


hooks.before_hook(trace, every_event=True)


def keep(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


@hooks.rpc("decorated", data_schema=MessageSchema, decorators=[keep])
def decorated(req: RPCRequest[Any]) -> RPCResult:
    return RPCResult()


@hooks.connect(decorators=(keep,))
async def connect_decorated(req: ConnectRequest) -> ConnectResult:
    return ConnectResult(user="42")


@hooks.subscribe
def subscribe(req: SubscribeRequest) -> SubscribeResult:
    return SubscribeResult(data=NULL, allow=["pub", "hst"])


@hooks.subscribe("chat:<int:room_id>")
def subscribe_room(req: SubscribeRequest, room_id: int) -> SubscribeResult:
    raise RoomIsFull


assert_type(subscribe_room(SubscribeRequest(), 7), SubscribeResult)


@hooks.subscribe(ChannelPattern("doc:<uuid:id>"), data_schema=MessageSchema(), result_schema=MessageSchema(many=True))
async def subscribe_document(req: SubscribeRequest, id: UUID) -> SubscribeResult:  # noqa: A002
    raise Banned


@rooms.sub_refresh("chat:<int:room_id>")
def sub_refresh(req: SubRefreshRequest, room_id: int) -> SubRefreshResult:
    return SubRefreshResult(expire_at=None)


@rooms.publish("chat:<int:room_id>", data_schema=MessageSchema, result_schema=MessageSchema())
def publish(req: PublishRequest[Message, Meta], room_id: int) -> PublishResult:
    assert_type(req.data, Message)
    assert_type(req.meta, Meta)
    raise errors.PermissionDenied("only owners")


@hooks.rpc("parse", data_schema=lambda data: int(data))
def rpc(req: RPCRequest) -> RPCResult:
    after_reply(print, "a", 1, sep="")
    after_reply.for_key(req.method)(Service().later, req, name="a")
    return RPCResult(data=req.data)


@hooks.rpc
@functools.cache
def cached(req: RPCRequest) -> RPCResult:
    return RPCResult()


class Service:
    def method(self, req: RPCRequest) -> RPCResult:
        return RPCResult()

    async def later(self, req: RPCRequest, name: str) -> RPCResult:
        return RPCResult()


def general(word: str, req: RPCRequest) -> RPCResult:
    return RPCResult(data=word)


hooks.rpc("method")(Service().method)
hooks.rpc("later.<name>")(Service().later)
hooks.rpc(functools.partial(general, "a"))


@hooks.rpc("stacked")
@hooks.rpc("twice")
def stacked(req: RPCRequest) -> RPCResult:
    return RPCResult()


@hooks.publish("note:<name>", data_schema=MessageSchema, publish_loaded=True)
async def publish_loaded(req: PublishRequest[Message, Meta], name: str) -> PublishResult:
    return PublishResult()


@hooks.map_publish("note:<name>", data_schema=lambda data: int(data), publish_loaded=True)
def map_publish_loaded(req: MapPublishRequest, name: str) -> MapPublishResult:
    return MapPublishResult()


@hooks.map_publish("board:<name>")
def map_publish(req: MapPublishRequest, name: str) -> MapPublishResult:
    return MapPublishResult(key=req.key, key_mode="if_new", score=1)


@hooks.map_remove
def map_remove(req: MapRemoveRequest) -> MapRemoveResult:
    return MapRemoveResult()


@hooks.shared_poll_refresh("poll:<name>")
def shared_poll_refresh(req: SharedPollRefreshRequest, name: str) -> SharedPollRefreshResult:
    return SharedPollRefreshResult(items=[SharedPollRefreshResultItem(key=item.key) for item in req.items])


@hooks.cache_empty
def cache_empty(req: NotifyCacheEmptyRequest) -> NotifyCacheEmptyResult | None:
    return None


@hooks.cache_empty("a")
def cache_empty_none(req: NotifyCacheEmptyRequest) -> None: ...


@hooks.state
def state(req: NotifyChannelStateRequest) -> NotifyChannelStateResult | None:
    for event in req.events:
        assert_type(event.time_ms, int)
    return None


@app.post("/plain")
def plain() -> Response:
    req = read_request(PublishRequest)
    assert_type(req, PublishRequest[Any, Any])
    if req.user == "a":
        return error_response(errors.PermissionDenied)
    if req.user == "b":
        return error_response(1001, "room is full", temporary=True)
    if req.user == "c":
        return error_response(RoomIsFull())
    if req.user == "d":
        return disconnect_response(4501, "unauthorized")
    if req.user == "e":
        return disconnect_response(disconnects.ForceNoReconnect)
    return result_response(PublishResult())


errors.by_code(103)("text", temporary=True)
Error(103)
Error(1001, "text", temporary=True)
errors.Internal(temporary=False)
