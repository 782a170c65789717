"""What type checkers refuse: each line marked "wrong" is an error to both, and no other line is."""

from __future__ import annotations

from marshmallow import Schema

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    Hooks,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SubscribeRequest,
    SubscribeResult,
    UserRequest,
    after_reply,
    error_response,
    errors,
    read_request,
    result_response,
)

hooks = Hooks()


class MessageSchema(Schema): ...


@hooks.subscribe  # wrong: the request class
def wrong_request(req: PublishRequest) -> SubscribeResult:
    raise NotImplementedError


@hooks.subscribe("chat:<int:room_id>")  # wrong: the request class
def wrong_request_with_pattern(req: PublishRequest, room_id: int) -> SubscribeResult:
    raise NotImplementedError


@hooks.publish  # wrong: the result class
def wrong_result(req: PublishRequest) -> RPCResult:
    raise NotImplementedError


@hooks.publish("chat:<name>")  # wrong: the result class
def wrong_result_with_pattern(req: PublishRequest, name: str) -> RPCResult:
    raise NotImplementedError


@hooks.publish("chat:<name>")  # wrong: the result class
async def wrong_async_result(req: PublishRequest, name: str) -> RPCResult:
    raise NotImplementedError


@hooks.rpc("note", data_schema=MessageSchema, publish_loaded=True)  # wrong: an rpc publishes nothing
def publishes_nothing(req: RPCRequest) -> RPCResult:
    raise NotImplementedError


@hooks.connect  # wrong: a dict
def returns_a_dict(req: ConnectRequest) -> dict[str, str]:
    return {"user": "42"}


@hooks.rpc  # wrong: None
def returns_none(req: RPCRequest) -> None:
    raise NotImplementedError


@hooks.rpc  # wrong: None among them
def may_return_none(req: RPCRequest) -> RPCResult | None:
    return None


@hooks.rpc
def forgets_to_return(req: RPCRequest) -> RPCResult:  # wrong: a path without return
    if req.user:
        return RPCResult()


@hooks.refresh("chat")  # wrong: no channel
def pattern_without_channel(req: RefreshRequest) -> RefreshResult:
    raise NotImplementedError


@hooks.sub_refresh(data_schema=len)  # wrong: no payload
def schema_without_payload(req: SubscribeRequest) -> SubscribeResult:
    raise NotImplementedError


@hooks.sub_refresh(result_schema=MessageSchema)  # wrong: no payload
def result_schema_without_payload(req: SubscribeRequest) -> SubscribeResult:
    raise NotImplementedError


@hooks.connect(result_schema=len)  # wrong: a function
def result_schema_that_is_none(req: ConnectRequest) -> ConnectResult:
    raise NotImplementedError


@hooks.rpc  # wrong: no request
def no_request() -> RPCResult:
    raise NotImplementedError


@hooks.before_hook  # wrong: the request class
def before(req: PublishRequest) -> None:
    raise NotImplementedError


@hooks.before_hook(every_event=True)  # wrong: the request class
def before_every_event(req: UserRequest) -> None:
    raise NotImplementedError


@hooks.rpc("decorated", decorators=len)  # wrong: no list
def decorated(req: RPCRequest) -> RPCResult:
    raise NotImplementedError


ConnectResult(user=42)  # wrong: an int
ConnectResult()  # wrong: no user
ConnectResult(user="42", expire_at=1.5)  # wrong: a float
ConnectResult(user="42", channels="news")  # wrong: a str
ConnectResult(user="42", usr="42")  # wrong: misspelt
PublishResult(tags={"a": 1})  # wrong: an int
SubscribeResult(allow=["everything"])  # wrong: the word
SubscribeResult(override={"presence": True})  # wrong: a dict
RPCResult("data")  # wrong: positional
RPCRequest().methd  # wrong: misspelt
RPCRequest().method = "a"  # wrong: frozen
Error(1001, 5)  # wrong: an int
Error("a", "b")  # wrong: no code
Error(1001, message="room is full")  # wrong: positional only
errors.PermissionDenied(reason="a")  # wrong: no such argument
Disconnect(4501, temporary=True)  # wrong: no such argument
error_response(Disconnect)  # wrong: no error
read_request(ConnectResult)  # wrong: no request
result_response(RPCRequest())  # wrong: no result
hooks.include("rooms")  # wrong: no hooks
hooks.publication("news")  # wrong: no schema
hooks.publication("news", len)  # wrong: a function
hooks.publication("news", schema=MessageSchema)  # wrong: positional only
hooks.dump_publication("news", {}, MessageSchema)  # wrong: by keyword
after_reply(before)  # wrong: no request
after_reply(before, req="42")  # wrong: a str
after_reply.for_key("chat:1")(before, PublishRequest(), 1)  # wrong: too many arguments


def unknown_user(req: UserRequest) -> str:
    return req.channel  # wrong: not every request has one
