"""The marshmallow schemas of the messages, and that they agree with the decoder on everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import marshmallow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyhooks import NULL, errors, messages, schemas
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._wire.decoding import decode
from proxyhooks._wire.encoding import encode
from proxyhooks._wire.fields import (
    Array,
    Bool,
    Field,
    Integer,
    Json,
    Kind,
    Nested,
    Object,
    String,
    Timestamp,
    fields_of,
)
from proxyhooks._wire.json import Malformed
from proxyhooks.messages import (
    ConnectResult,
    PublishResult,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SubRefreshResult,
    SubscribeOptions,
    SubscribeResult,
)

REQUESTS = [event.request for event in EVENTS.values()]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def on_the_wire(kind: Kind) -> st.SearchStrategy[Any]:
    """Values of a kind, as JSON has them."""
    match kind:
        case String(choices=choices):
            return st.sampled_from(choices) if choices else st.text(max_size=5)
        case Bool(boxed=True):
            return st.fixed_dictionaries({"value": st.booleans()})
        case Bool():
            return st.booleans()
        case Integer(low=low, high=high):
            return st.integers(low, high)
        case Timestamp():
            return st.integers(4102444800, 2**63 - 1)
        case Json():
            return JSON
        case Array(item=item):
            return st.lists(on_the_wire(item), max_size=3)
        case Object(value=value):
            return st.dictionaries(st.text(max_size=3), on_the_wire(value), max_size=3)
        case Nested(cls=message):
            return st.deferred(lambda: objects(message, st.nothing()))
    raise AssertionError(kind)


def objects(message: type, wrong: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a message, with now and then a wrong value among them."""
    fields: tuple[Field, ...] = fields_of(message)
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields:
        optional[field.name] = on_the_wire(field.kind) | wrong
        if field.base64_name:
            optional[field.base64_name] = st.sampled_from(["", "AA==", "bnVsbA==", "AA", "?"]) | wrong
    required = {field.name: optional.pop(field.name) for field in fields if field.required}
    return st.fixed_dictionaries(required, optional=optional)


@given(st.data())
def test_decoder_and_schema_agree_on_every_request(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(REQUESTS))
    value: Any = data.draw(objects(message, JSON) | JSON)
    if isinstance(value, dict) and data.draw(st.booleans()):
        value = {**value, "brand_new": 1}
    try:
        expected = decode(message, value)
    except Malformed:
        with pytest.raises(marshmallow.ValidationError):
            schemas.schema_for(message)().load(value)
        assert schemas.explain(message, value)
    else:
        assert schemas.schema_for(message)().load(value) == expected


RESULTS = [event.result for event in EVENTS.values() if event.name not in ("refresh", "sub_refresh")]


@given(st.data())
def test_a_loaded_result_survives_dump_and_load(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(RESULTS))
    schema = schemas.schema_for(message)()
    try:
        result = schema.load(data.draw(objects(message, st.nothing())))
    except marshmallow.ValidationError:
        return  # base64 without its padding, both twins, empty bytes in place of a publication
    written = schema.dump(result)
    assert written == encode(result)
    assert schema.load(written) == result


def test_every_message_has_a_schema_under_its_name() -> None:
    for name in vars(messages)["__all__"]:
        message = getattr(messages, name)
        if isinstance(message, type) and hasattr(message, "__dataclass_fields__"):
            schema = getattr(schemas, f"{name}Schema")
            assert schema is schemas.schema_for(message)
            assert schema.__name__ == f"{name}Schema"
            assert set(schema().fields) >= {field.name for field in fields_of(message)}
    with pytest.raises(AttributeError, match="NothingSchema"):
        schemas.NothingSchema  # noqa: B018


@pytest.mark.parametrize(
    ("message", "value", "errors_of"),
    [
        (RPCRequest, {"user": 42}, {"user": ["Not a valid string."]}),
        (RPCRequest, {"b64data": "AA"}, {"b64data": ["Not valid base64."]}),
        (RPCRequest, {"data": 1, "b64data": "AA=="}, {"b64data": ["data comes twice, as JSON and as base64."]}),
        (ConnectResult, {}, {"user": ["Missing data for required field."]}),
        (ConnectResult, {"user": "1", "usr": "1"}, {"usr": ["Unknown field."]}),
        (ConnectResult, {"user": "1", "expire_at": 1.0}, {"expire_at": ["Not a valid integer."]}),
        (ConnectResult, {"user": "1", "expire_at": "1700000300"}, {"expire_at": ["Not a valid integer."]}),
        (ConnectResult, {"user": "1", "subs": {"a": {"cache_recover": 1}}}, None),
        (SubscribeResult, {"override": {"presence": True}}, None),
        (SubscribeResult, {"allow": ["everything"]}, None),
        (RefreshResult, {}, None),
    ],
)
def test_the_schemas_are_strict(message: type, value: Any, errors_of: Any) -> None:
    with pytest.raises(marshmallow.ValidationError) as refused:
        schemas.schema_for(message)().load(value)
    if errors_of is not None:
        assert refused.value.messages == errors_of


def test_dump_returns_the_object_that_travels() -> None:
    result = ConnectResult(user="1", data=b"\x00", subs={"a": SubscribeOptions(info=NULL)})
    expected = {"user": "1", "b64data": "AA==", "subs": {"a": {"info": None}}}
    assert schemas.ConnectResultSchema().dump(result) == expected
    assert schemas.RPCResultSchema(many=True).dump([RPCResult(data=1)]) == [{"data": 1}]
    with pytest.raises(errors.Expired):
        schemas.ConnectResultSchema().dump(ConnectResult(user="1", expire_at=1))


def test_null_in_a_result_differs_from_absent() -> None:
    result = schemas.PublishResultSchema().load({"data": None})
    assert result == PublishResult(data=NULL)
    assert schemas.PublishResultSchema().dump(result) == {"data": None}


def test_a_subscription_that_never_expires_survives_dump_and_load() -> None:
    schema = schemas.SubRefreshResultSchema()
    for result in (SubRefreshResult(expire_at=None), SubRefreshResult(expired=True)):
        assert schema.load(schema.dump(result)) == result
        assert replace(result) == result


def test_validate_reports_what_load_refuses() -> None:
    assert schemas.RPCRequestSchema().validate({"data": 1, "b64data": "AA=="}) == {
        "b64data": ["data comes twice, as JSON and as base64."]
    }
    assert schemas.RefreshResultSchema().validate({})


def test_only_and_exclude_are_honoured() -> None:
    assert schemas.ConnectResultSchema(only=("user",)).dump(ConnectResult(user="1", data=1)) == {"user": "1"}
    assert schemas.ConnectResultSchema(exclude=("data",)).dump(ConnectResult(user="1", data=1)) == {"user": "1"}


def test_bases_have_no_schema() -> None:
    for name in ("RequestSchema", "ResultSchema"):
        with pytest.raises(AttributeError):
            getattr(schemas, name)
