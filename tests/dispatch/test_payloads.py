"""Payloads and meta through marshmallow: data_schema, result_schema, meta_schema."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import marshmallow
import pytest
from flask import Flask
from marshmallow import fields

from proxyhooks import (
    NULL,
    ConnectResult,
    MapPublishResult,
    ProxyHooks,
    PublishResult,
    RefreshResult,
    RPCResult,
    SetupError,
    SubRefreshResult,
    SubscribeResult,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from tests.support.asking import Ask

BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}


class MessageSchema(marshmallow.Schema):
    text = fields.String(required=True)
    at = fields.DateTime()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


RECEIVED: list[Any] = []


def register_recording(hooks: ProxyHooks, schema: Any) -> None:
    RECEIVED.clear()

    @hooks.rpc(data_schema=schema)
    def hook(req: Any) -> RPCResult:
        RECEIVED.append(req.data)
        return RPCResult(data="ok")


@pytest.mark.parametrize("schema", [MessageSchema, MessageSchema()])
@pytest.mark.parametrize(
    "payload", [{"data": {"text": "hi"}}, {"b64data": b64('{"text": "hi"}'), "encoding": "binary"}]
)
def test_a_payload_is_loaded_from_json_and_from_bytes(schema: Any, payload: Any, hooks: ProxyHooks, ask: Ask) -> None:
    register_recording(hooks, schema)
    assert ask("rpc", **payload).json == {"result": {"data": "ok"}}
    assert RECEIVED == [{"text": "hi"}]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": []},
        {"data": "text"},
        {"data": {"text": 5}},
        {"data": {"text": "a", "more": 1}},
        {"b64data": ""},
        {"b64data": b64("no json")},
        {"b64data": b64("null")},
        {"b64data": b64("[" * 100_000)},
        {"b64data": b64('{"text": 1e999}')},
        {"b64data": base64.b64encode(b"\xff").decode()},
    ],
)
def test_a_payload_that_does_not_fit_is_107(
    payload: Any, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    register_recording(hooks, MessageSchema)
    assert ask("rpc", **payload).json == BAD_REQUEST
    assert not RECEIVED
    (record,) = caplog.records
    assert "the payload is invalid" in record.getMessage()
    assert record.exc_info is None


class AllOptional(marshmallow.Schema):
    text = fields.String(load_default="nothing said")


def test_absent_data_is_validated_as_an_empty_object_and_null_as_null(hooks: ProxyHooks, ask: Ask) -> None:
    register_recording(hooks, AllOptional)
    assert ask("rpc").json == {"result": {"data": "ok"}}
    assert RECEIVED == [{"text": "nothing said"}]
    assert ask("rpc", data=None).json == BAD_REQUEST
    assert ask("rpc", b64data=b64("null")).json == BAD_REQUEST


def test_field_errors_are_in_the_log_and_in_the_message_only_where_asked_for(
    app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROXYHOOKS_VALIDATION_DETAILS"] = True
    register_recording(ProxyHooks(app), MessageSchema)
    assert ask("rpc", data={"at": "never"}).json == {
        "error": {
            "code": 107,
            "message": "bad request: text: Missing data for required field.; at: Not a valid datetime.",
        }
    }
    assert "Missing data for required field." in caplog.text
    fields = {f"unknown{number}": 1 for number in range(100)}
    response = ask("rpc", data=fields)
    assert response.json is not None
    assert len(response.json["error"]["message"]) == 500


def test_an_instance_is_used_as_it_was_built(hooks: ProxyHooks, ask: Ask) -> None:
    built: list[int] = []

    class Counting(marshmallow.Schema):
        def __init__(self, **options: Any) -> None:
            built.append(1)
            super().__init__(**options)

    hooks.rpc("class", data_schema=Counting)(lambda req: RPCResult())
    hooks.rpc("many", data_schema=Counting(many=True))(lambda req: RPCResult(data=req.data))
    for _ in range(3):
        ask("rpc", method="class", data={})
        assert ask("rpc", method="many", data=[{}, {}]).json == {"result": {"data": [{}, {}]}}
    assert len(built) == 2


class ParserError(Exception):
    """Of no common kind, as parsers' own errors are."""


def test_a_function_can_be_a_data_schema(hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    def parse(data: Any) -> Any:
        if data == b"broken":
            raise ParserError("at byte 3")
        if data == b"forbidden":
            raise errors.PermissionDenied
        if data == b"invalid":
            raise marshmallow.ValidationError("no")
        return ("parsed", data)

    register_recording(hooks, parse)
    for payload, expected in (("ok", {"result": {"data": "ok"}}), ("broken", BAD_REQUEST), ("invalid", BAD_REQUEST)):
        assert ask("rpc", b64data=b64(payload)).json == expected
    assert ask("rpc", b64data=b64("forbidden")).json == {"error": {"code": 103, "message": "permission denied"}}
    assert ask("rpc").json == {"result": {"data": "ok"}}
    assert RECEIVED == [("parsed", b"ok"), ("parsed", None)]
    assert "ParserError of a data_schema test_a_function_can_be_a_data_schema.<locals>.parse" in caplog.text
    assert "at byte 3" not in caplog.text


def test_a_name_error_in_a_data_schema_function_is_a_failure(hooks: ProxyHooks, ask: Ask) -> None:
    register_recording(hooks, lambda data: misspelt)  # type: ignore[name-defined]  # noqa: F821
    assert ask("rpc", data={}).status_code == 500


class Tree(marshmallow.Schema):
    child = fields.Nested(lambda: Tree())


def test_a_payload_as_deep_as_a_schema_that_nests_itself_is_107(hooks: ProxyHooks, ask: Ask) -> None:
    register_recording(hooks, Tree)
    text = '{"child":' * 250 + "{}" + "}" * 250
    assert ask("rpc", b'{"data":' + text.encode() + b"}").json == BAD_REQUEST


def test_an_exception_in_a_schema_is_a_failure_and_no_refusal(hooks: ProxyHooks, ask: Ask) -> None:
    class Broken(marshmallow.Schema):
        @marshmallow.post_load
        def make(self, data: Any, **_: Any) -> Any:
            raise RuntimeError

    register_recording(hooks, Broken)
    assert ask("rpc", data={}).status_code == 500


@pytest.mark.parametrize("event", ["connect", "subscribe", "publish", "map_publish", "rpc"])
def test_all_events_with_a_payload_take_a_data_schema(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    getattr(hooks, event)(data_schema=MessageSchema)(lambda req: None)
    assert EVENTS[event].request_has_data
    assert ask(event, data={}).json == BAD_REQUEST


class OutSchema(marshmallow.Schema):
    name = fields.Function(lambda user: user.name)


@dataclass
class User:
    name: str
    password: str = "hunter2"


def test_a_result_schema_dumps_data(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc("one", result_schema=OutSchema)(lambda req: RPCResult(data=User("a")))
    hooks.rpc("many", result_schema=OutSchema(many=True))(lambda req: RPCResult(data=[User("a"), User("b")]))
    hooks.publish(result_schema=OutSchema)(lambda req: PublishResult(data=User("a"), tags={"a": "b"}))
    hooks.map_publish(result_schema=OutSchema)(lambda req: MapPublishResult(data=User("a")))
    assert ask("rpc", method="one").json == {"result": {"data": {"name": "a"}}}
    assert ask("rpc", method="many").json == {"result": {"data": [{"name": "a"}, {"name": "b"}]}}
    assert ask("publish").json == {"result": {"data": {"name": "a"}, "tags": {"a": "b"}}}
    assert ask("map_publish").json == {"result": {"data": {"name": "a"}}}


def test_a_result_schema_dumps_the_data_of_connect_and_subscribe(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.connect(result_schema=OutSchema)(lambda req: ConnectResult(user="1", data=User("a"), info={"b": 1}))
    hooks.subscribe(result_schema=OutSchema(many=True))(lambda req: SubscribeResult(data=[User("a")]))
    assert ask("connect").json == {"result": {"user": "1", "data": {"name": "a"}, "info": {"b": 1}}}
    assert ask("subscribe").json == {"result": {"data": [{"name": "a"}]}}


@pytest.mark.parametrize("event", [name for name, event in EVENTS.items() if event.result_has_data])
def test_data_that_does_not_fit_the_result_schema_is_a_failure_with_the_remedy(
    event: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    required = {"user": "1"} if event == "connect" else {}
    result_class: Any = EVENTS[event].result
    getattr(hooks, event)(result_schema=MessageSchema)(lambda req: result_class(data=[], **required))
    assert ask(event).status_code == 500
    assert "data is of type list, and MessageSchema dumps one object: use MessageSchema(many=True)" in caplog.text


def test_a_set_in_the_data_is_a_failure_with_the_remedy(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    schema: Any = marshmallow.Schema.from_dict({"prices": fields.Dict()})
    hooks.rpc(result_schema=schema)(lambda req: RPCResult(data={"prices": {"tea": {1}}}))
    assert ask("rpc").status_code == 500
    assert "RPCResult['data']['prices']['tea'] is of type set, which JSON cannot carry: write list(...)" in caplog.text


def test_a_result_schema_does_not_dump_absent_data_null_or_bytes(hooks: ProxyHooks, ask: Ask) -> None:
    results = {"absent": RPCResult(), "null": RPCResult(data=NULL), "bytes": RPCResult(data=b"x")}
    hooks.rpc(result_schema=OutSchema)(lambda req: results[req.method])
    assert ask("rpc", method="absent").json == {"result": {}}
    assert ask("rpc", method="null").json == {"result": {"data": None}}
    assert ask("rpc", method="bytes").status_code == 500


@dataclass
class Meta:
    plan: str


class MetaSchema(marshmallow.Schema):
    plan = fields.String(required=True)

    @marshmallow.post_load
    def make(self, data: Any, **_: Any) -> Meta:
        return Meta(**data)


@pytest.fixture
def meta_hooks(app: Flask) -> ProxyHooks:
    return ProxyHooks(app, meta_schema=MetaSchema)


def test_meta_is_written_at_connect_and_refresh(meta_hooks: ProxyHooks, ask: Ask) -> None:
    meta_hooks.connect(lambda req: ConnectResult(user="1", meta=Meta("pro")))
    meta_hooks.refresh(lambda req: RefreshResult(expire_at=4102444800, meta=Meta(req.meta.plan + "!")))
    assert ask("connect").json == {"result": {"user": "1", "meta": {"plan": "pro"}}}
    refreshed = {"result": {"expire_at": 4102444800, "meta": {"plan": "pro!"}}}
    assert ask("refresh", meta={"plan": "pro"}).json == refreshed


def test_a_refresh_may_leave_the_meta_as_it_is(meta_hooks: ProxyHooks, ask: Ask) -> None:
    meta_hooks.refresh(lambda req: RefreshResult(expire_at=4102444800))
    assert ask("refresh", meta={"plan": "pro"}).json == {"result": {"expire_at": 4102444800}}


@pytest.mark.parametrize("meta", [None, NULL, {"plan": 5}, Meta(5)])  # type: ignore[arg-type]
def test_meta_that_the_schema_does_not_load_is_a_failure(meta: Any, meta_hooks: ProxyHooks, ask: Ask) -> None:
    class Loose(MetaSchema):
        plan = fields.Raw(required=True, validate=marshmallow.validate.OneOf(["pro"]))  # type: ignore[assignment]

    meta_hooks._meta_schema = Loose()
    meta_hooks.connect(lambda req: ConnectResult(user="1", meta=meta))
    assert ask("connect").status_code == 500


CONNECTED = [name for name, event in EVENTS.items() if hasattr(event.request(), "meta")]


def test_all_events_of_a_connected_client_bring_meta() -> None:
    assert CONNECTED == ["refresh", "subscribe", "sub_refresh", "publish", "rpc", "map_publish", "map_remove"]


@pytest.mark.parametrize("event", CONNECTED)
def test_meta_is_loaded_in_every_event(event: str, meta_hooks: ProxyHooks, ask: Ask) -> None:
    seen: list[Any] = []
    meta_hooks.before_hook(lambda req: seen.append(req.meta))
    getattr(meta_hooks, event)(lambda req: seen.append(req.meta))
    ask(event, meta={"plan": "pro"})
    assert seen == [Meta("pro"), Meta("pro")]


@pytest.mark.parametrize("event", CONNECTED)
def test_meta_that_does_not_fit_the_schema_makes_the_client_reconnect(
    event: str, meta_hooks: ProxyHooks, ask: Ask
) -> None:
    getattr(meta_hooks, event)(lambda req: None)
    expired = {"result": {"expired": True}}
    anew = {"disconnect": {"code": 3011, "reason": "force reconnect"}}
    assert ask(event, meta={"old": 1}).json == (expired if event in ("refresh", "sub_refresh") else anew)


@pytest.mark.parametrize("event", CONNECTED)
@pytest.mark.parametrize("fields", [{}, {"meta": None}])
def test_missing_meta_is_500_and_names_the_option(
    event: str, fields: Any, meta_hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(meta_hooks, event)(lambda req: None)
    assert ask(event, **fields).status_code == 500
    assert "set include_connection_meta in Centrifugo's" in caplog.text


def test_meta_without_the_fields_of_the_schema_is_a_failure(
    app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = ProxyHooks(app, meta_schema=marshmallow.Schema.from_dict({"plan": fields.String()}))
    hooks.connect(lambda req: ConnectResult(user="1", meta={"plna": "pro"}))
    assert ask("connect").status_code == 500
    assert "meta is of type dict, with the keys 'plna', and has none of the fields of" in caplog.text


def test_a_meta_schema_that_never_dumps_json_is_refused() -> None:
    with pytest.raises(SetupError, match=r"^meta_schema .* its field 'balance' dumps a Decimal"):
        ProxyHooks(meta_schema=marshmallow.Schema.from_dict({"balance": fields.Decimal()}))


def test_meta_schema_must_be_a_schema() -> None:
    for wrong in (len, dict, "schema"):
        with pytest.raises(SetupError, match="meta_schema"):
            ProxyHooks(meta_schema=wrong)  # type: ignore[arg-type]


def test_payloads_that_break_parsers_are_107_where_the_event_carries_errors(hooks: ProxyHooks, ask: Ask) -> None:
    for event in EVENTS:
        getattr(hooks, event)(lambda req: None)
    hostile = [b'{"data":' + b"[" * 100_000, b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}"]
    hostile += [b'{"data":' + b"9" * 5000 + b"}", b'{"data":1e999}']
    for event, row in EVENTS.items():
        for body in hostile:
            response = ask(event, body)
            if row.carries_error:
                assert response.json == BAD_REQUEST
            else:
                assert response.status_code == 400


def test_big_integers_and_half_surrogates_come_back_as_they_were(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc(lambda req: RPCResult(data=req.data))
    for text in ("12345678901234567890", '"\\ud800"', "[" * 255 + "]" * 255, '{"a":1,"a":2}'):
        response = ask("rpc", b'{"data":' + text.encode() + b"}")
        assert json.loads(response.data)["result"]["data"] == json.loads(text)


def test_sub_refresh_takes_no_schema(hooks: ProxyHooks) -> None:
    with pytest.raises(TypeError):
        hooks.sub_refresh(result_schema=OutSchema)(lambda req: SubRefreshResult(expired=True))  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        hooks.sub_refresh(data_schema=OutSchema)(lambda req: SubRefreshResult(expired=True))  # type: ignore[call-overload]
