"""``publish_loaded``: a result without data publishes what was loaded, and nothing else that the client sent."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import marshmallow
import pytest
from flask import Flask
from marshmallow import EXCLUDE, Schema, fields

from proxyhooks import NULL, MapPublishResult, ProxyHooks, PublishRequest, PublishResult, SetupError, errors
from tests.support.asking import Ask

SECRET = "5ecret"
RESULTS: dict[str, Any] = {"publish": PublishResult, "map_publish": MapPublishResult}


class Message(Schema):
    text = fields.String(required=True, data_key="Text")
    number = fields.Integer()
    kept_back = fields.String(load_only=True)
    at = fields.DateTime()

    class Meta:
        unknown = EXCLUDE


SENT = {"Text": "hi", "number": "7", "kept_back": SECRET, "dropped": SECRET, "at": "2030-01-02T03:04:05Z"}
PUBLISHED = {"Text": "hi", "number": 7, "at": "2030-01-02T03:04:05+00:00"}


@dataclass
class Loaded:
    text: str


class Made(Schema):
    text = fields.String(required=True)

    class Meta:
        unknown = EXCLUDE

    @marshmallow.post_load
    def make(self, data: Any, **_: Any) -> Loaded:
        return Loaded(**data)


class Shout(Schema):
    text = fields.Function(lambda loaded: loaded.text.upper() if isinstance(loaded, Loaded) else loaded["text"].upper())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_bytes(value: Any) -> dict[str, Any]:
    return {"b64data": b64(json.dumps(value).encode()), "encoding": "binary"}


@pytest.fixture(params=[True, False], ids=["fast path", "no fast path"])
def app_on_both_paths(request: Any, app: Flask) -> Flask:
    app.config["PROXYHOOKS_FAST"] = request.param
    return app


CASES: list[tuple[dict[str, Any], Any, Any]] = [
    ({"data_schema": Message}, SENT, {"data": PUBLISHED}),
    ({"data_schema": Message(many=True)}, [SENT, SENT], {"data": [PUBLISHED, PUBLISHED]}),
    ({"data_schema": Made}, {"text": "hi", "dropped": SECRET}, {"data": {"text": "hi"}}),
    ({"data_schema": Made, "result_schema": Shout}, {"text": "hi", "dropped": SECRET}, {"data": {"text": "HI"}}),
    (
        {"data_schema": lambda data: {"text": data["text"]}, "result_schema": Shout},
        {"text": "hi", "dropped": SECRET},
        {"data": {"text": "HI"}},
    ),
    ({"data_schema": lambda data: data["text"]}, {"text": "hi", "dropped": SECRET}, {"data": "hi"}),
    ({"data_schema": lambda data: None}, {"dropped": SECRET}, {"data": None}),
    ({"data_schema": lambda data: data["text"].encode()}, {"text": "hi"}, {"b64data": b64(b"hi")}),
    ({"data_schema": lambda data: [Decimal(1)]}, SECRET, {"data": ["1"]}),
    ({"data_schema": Schema.from_dict({"a": fields.Integer(load_default=1)})}, {}, {"data": {"a": 1}}),
]


@pytest.mark.parametrize("event", RESULTS)
@pytest.mark.parametrize(("options", "sent", "published"), CASES)
def test_a_result_without_data_publishes_what_was_loaded(
    event: str, options: Any, sent: Any, published: Any, app_on_both_paths: Flask, ask: Ask
) -> None:
    hooks = ProxyHooks(app_on_both_paths)
    getattr(hooks, event)(**options, publish_loaded=True)(lambda req: RESULTS[event](tags={"a": "b"}))
    for _ in range(2):
        response = ask(event, data=sent)
        assert response.json == {"result": {**published, "tags": {"a": "b"}}}
        assert SECRET not in response.text


@pytest.mark.parametrize("event", RESULTS)
def test_a_payload_in_bytes_is_published_as_it_was_loaded(event: str, app_on_both_paths: Flask, ask: Ask) -> None:
    hooks = ProxyHooks(app_on_both_paths)
    getattr(hooks, event)(data_schema=Message, publish_loaded=True)(lambda req: RESULTS[event]())
    response = ask(event, **as_bytes(SENT))
    assert response.json == {"result": {"data": PUBLISHED}}
    assert b64(SECRET.encode())[:-2] not in response.text


@pytest.mark.parametrize("event", RESULTS)
def test_absent_data_is_published_as_the_schema_loads_it(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    schema = Schema.from_dict({"a": fields.Integer(load_default=1)})
    getattr(hooks, event)(data_schema=schema, publish_loaded=True)(lambda req: RESULTS[event]())
    assert ask(event).json == {"result": {"data": {"a": 1}}}


@pytest.mark.parametrize("data", ["other", {"a": 1}, NULL, b"x", 0, False, [], ""])
@pytest.mark.parametrize("event", RESULTS)
def test_data_of_the_result_is_published_in_place_of_what_was_loaded(
    event: str, data: Any, hooks: ProxyHooks, ask: Ask
) -> None:
    publish = getattr(hooks, event)
    publish("plain", data_schema=Message)(lambda req: RESULTS[event](data=data))
    publish("loaded", data_schema=Message, publish_loaded=True)(lambda req: RESULTS[event](data=data))
    replies = [ask(event, channel=channel, data=SENT) for channel in ("plain", "loaded")]
    assert replies[0].status_code == 200
    assert replies[0].json == replies[1].json


@pytest.mark.parametrize("event", RESULTS)
def test_a_decorator_that_answers_itself_publishes_what_was_loaded(
    event: str, app_on_both_paths: Flask, ask: Ask
) -> None:
    async def no_result(req: Any) -> None: ...

    result = RESULTS[event]
    answers = {"cached": lambda req: result(), "own": lambda req: result(data=1), "wrong": lambda req: no_result(req)}
    register = getattr(ProxyHooks(app_on_both_paths), event)
    for channel, answer in answers.items():
        decorators = [lambda _, answer=answer: answer]
        register(channel, data_schema=Message, publish_loaded=True, decorators=decorators)(id)
    assert ask(event, channel="cached", data=SENT).json == {"result": {"data": PUBLISHED}}
    refused: Any = ask(event, channel="cached", data={"dropped": SECRET}).json
    assert refused["error"]["code"] == 107
    assert ask(event, channel="own", data={"dropped": SECRET}).json == {"result": {"data": 1}}
    assert ask(event, channel="wrong", data={"dropped": SECRET}).status_code == 500


def test_without_it_a_result_without_data_leaves_the_data_of_the_client(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.publish(data_schema=Message)(lambda req: PublishResult())
    assert ask("publish", data=SENT).json == {"result": {}}


def _never_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda req: PublishResult()


def _ignores_refusals(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(req: PublishRequest) -> Any:
        try:
            return function(req)
        except errors.BadRequest:
            return PublishResult()

    return call


def _passes_a_copy_on(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda req: function(dataclasses.replace(req))


@pytest.mark.parametrize("decorator", [_never_calls, _ignores_refusals, _passes_a_copy_on])
@pytest.mark.parametrize("data_schema", [Made, lambda data: {"text": data["text"]}])
def test_whatever_a_decorator_does_only_loaded_data_is_published(
    decorator: Any, data_schema: Any, app_on_both_paths: Flask, ask: Ask
) -> None:
    hooks = ProxyHooks(app_on_both_paths)

    @hooks.publish(data_schema=data_schema, result_schema=Shout, publish_loaded=True, decorators=[decorator])
    def publish(req: PublishRequest) -> PublishResult:
        return PublishResult()

    assert ask("publish", data={"text": "hi", "dropped": SECRET}).json == {"result": {"data": {"text": "HI"}}}
    assert ask("publish", data={"dropped": SECRET}).json == {"error": {"code": 107, "message": "bad request"}}


def test_a_decorator_may_publish_data_of_its_own_in_place_of_an_invalid_payload(hooks: ProxyHooks, ask: Ask) -> None:
    def instead(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda req: PublishResult(data="own")

    hooks.publish(data_schema=Message, publish_loaded=True, decorators=[instead])(lambda req: PublishResult())
    assert ask("publish", data=SECRET).json == {"result": {"data": "own"}}


@pytest.mark.parametrize("loaded", [b"", {1}, object(), float("nan")])
def test_what_cannot_be_published_is_a_failure_and_never_the_data_of_the_client(
    loaded: Any, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.publish(data_schema=lambda data: loaded, publish_loaded=True)(lambda req: PublishResult())
    assert ask("publish", data=SECRET).status_code == 500
    assert "returned a result that cannot be sent: PublishResult" in caplog.text


def test_loaded_data_that_its_schema_does_not_dump_is_a_failure(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @hooks.publish(data_schema=Message, publish_loaded=True)
    def hook(req: Any) -> PublishResult:
        req.data.clear()
        return PublishResult()

    assert ask("publish", data=SENT).status_code == 500
    assert "the loaded data" in caplog.text


@pytest.mark.parametrize("event", RESULTS)
def test_publish_loaded_needs_a_data_schema_that_can_dump(event: str, hooks: ProxyHooks) -> None:
    publish = getattr(hooks, event)
    with pytest.raises(SetupError, match=r"^hook .* has publish_loaded, but no data_schema that loads the payload"):
        publish(publish_loaded=True)(lambda req: RESULTS[event]())
    loads_only = Schema.from_dict({"price": fields.Decimal()})
    with pytest.raises(SetupError, match=r"^data_schema .* its field 'price' dumps a Decimal"):
        publish(data_schema=loads_only, publish_loaded=True)(lambda req: RESULTS[event]())
    publish(data_schema=loads_only, result_schema=Shout, publish_loaded=True)(lambda req: RESULTS[event]())


def test_publish_loaded_is_true_or_false(hooks: ProxyHooks) -> None:
    with pytest.raises(SetupError, match=r"^publish_loaded must be True or False, not 'yes'$"):
        hooks.publish(data_schema=Message, publish_loaded="yes")(lambda req: PublishResult())  # type: ignore[call-overload]
