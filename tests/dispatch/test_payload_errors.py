"""What the log and the client get to read of an invalid payload, and what one payload can cost."""

from __future__ import annotations

import base64
import datetime
import enum
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import marshmallow
import pytest
from flask import Flask
from marshmallow import Schema, ValidationError, fields, validate

from proxyhooks import ProxyHooks, RPCResult, SetupError
from proxyhooks._dispatch.payload_errors import MAX_LOGGED, InvalidPayload
from proxyhooks._dispatch.payloads import has_more_items
from tests.support.asking import Ask

BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}
TOKEN = "tok-5ecret"
REMEDY = " (PROXYHOOKS_LOG_VALIDATION_DETAILS = True shows what is left out)"


def quotes_its_value(value: Any) -> None:
    raise ValidationError(f"{value} is no colour")


class Even(fields.Integer):
    default_error_messages = {"odd": "Not even."}  # noqa: RUF012  # as marshmallow's own

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> Any:
        if value == 1:
            raise self.make_error("odd")
        if value == 3:
            raise ValidationError({TOKEN: [TOKEN]})
        return super()._deserialize(value, attr, data, **keywords)


class Color(enum.Enum):
    RED = 1


class Inner(Schema):
    number = fields.Integer(required=True)


class Everything(Schema):
    text = fields.String(validate=validate.Length(1, 5))
    kind = fields.String(data_key="Kind", validate=validate.OneOf(["a", "b"]))
    amount = fields.Float(validate=[validate.Range(min=0), validate.Range(min=0, max=9, max_inclusive=False)])
    equal = fields.String(validate=validate.Equal("tea"))
    checked = fields.String()
    pattern = fields.String(validate=validate.And(validate.Regexp("x", error="must fit {regex}"), quotes_its_value))
    quoting = fields.String(validate=validate.Length(1, 2, error="{input} is bad"))
    foreign = fields.String(validate=quotes_its_value)
    at = fields.DateTime()
    day = fields.Date("%Y")
    even = Even()
    own = fields.Integer(error_messages={"invalid": "write a number"})
    quoted = fields.Enum(Color, error_messages={"unknown": "one of {choices}"})
    list = fields.List(fields.Integer())
    inner = fields.Nested(Inner)
    inners = fields.List(fields.Nested(Inner))
    many = fields.Nested(Inner(many=True))
    plucked = fields.Pluck(Inner, "number")
    prices = fields.Dict(fields.String(), fields.Integer())
    pair = fields.Tuple((fields.Integer(), fields.String()))

    @marshmallow.validates("checked")
    def check_one(self, value: str, data_key: str) -> None:
        if value == TOKEN:
            raise ValidationError(f"{value}?")

    @marshmallow.validates_schema(skip_on_field_errors=False)
    def check_all(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("even") == 2:
            raise ValidationError(f"{data}")


CASES: list[tuple[Any, str]] = [
    ({"text": TOKEN}, "text: Length must be between 1 and 5."),
    ({"text": 5}, "text: Not a valid string."),
    ({"Kind": TOKEN}, "Kind: Must be one of: a, b."),
    ({"amount": -1}, "amount: Must be greater than or equal to 0. Must be greater than or equal to 0 and less than 9."),
    ({"amount": "nan"}, "amount: Special numeric values (nan or infinity) are not permitted."),
    ({"equal": TOKEN}, "equal: Must be equal to tea."),
    ({"checked": TOKEN}, "checked: invalid"),
    ({"pattern": TOKEN}, "pattern: must fit x invalid"),
    ({"quoting": TOKEN}, "quoting: invalid"),
    ({"foreign": TOKEN}, "foreign: invalid"),
    ({"at": TOKEN}, "at: Not a valid datetime."),
    ({"day": TOKEN}, "day: Not a valid date."),
    ({"even": 1}, "even: Not even."),
    ({"even": 3}, "even.an inner value: invalid"),
    ({"even": 2}, "_schema: invalid"),
    ({"own": TOKEN}, "own: write a number"),
    ({"quoted": TOKEN}, "quoted: one of RED"),
    ({"list": [1, TOKEN]}, "list.1: Not a valid integer."),
    ({"inner": {}}, "inner.number: Missing data for required field."),
    ({"inner": [TOKEN]}, "inner._schema: Invalid input type."),
    ({"inners": [{"number": 1}, {"number": TOKEN}]}, "inners.1.number: Not a valid integer."),
    ({"many": [{"number": 1, TOKEN: 1}]}, "many.0.an unknown field: Unknown field."),
    ({"plucked": TOKEN}, "plucked.number: Not a valid integer."),
    ({"prices": {TOKEN: TOKEN}}, "prices.a key.value: Not a valid integer."),
    ({"pair": [TOKEN, "x"]}, "pair.0: Not a valid integer."),
    ({"pair": [1]}, "pair: Length must be 2."),
    ({TOKEN: 1, f"{TOKEN}2": 1}, "an unknown field: Unknown field."),
    ([TOKEN], "_schema: Invalid input type."),
]  # fmt: skip


@pytest.fixture(params=[True, False], ids=["fast path", "no fast path"])
def logged(request: Any, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Have a payload refused; return what the log line says of it, between "the payload is invalid: " and the call."""
    app.config["PROXYHOOKS_FAST"] = request.param

    def refuse(schema: Any, payload: Any, **config: Any) -> str:
        app.config.update(config)
        ProxyHooks(app).rpc(data_schema=schema)(lambda req: RPCResult())
        assert ask("rpc", data=payload).json == BAD_REQUEST
        (record,) = caplog.records
        return record.getMessage().partition(": the payload is invalid: ")[2].partition(" [event=")[0]

    return refuse


@pytest.mark.parametrize(("payload", "expected"), CASES)
def test_a_log_line_has_paths_and_texts_but_no_value_of_a_payload(
    payload: Any, expected: str, logged: Callable[..., str]
) -> None:
    text = logged(Everything, payload)
    assert text.removesuffix(REMEDY) == expected
    assert TOKEN not in text
    hidden = "invalid" in expected.split(": ", 1)[1].split() or "unknown field" in expected or "a key" in expected
    assert text.endswith(REMEDY) is hidden


@pytest.mark.parametrize(("payload", "expected"), [case for case in CASES if TOKEN in str(case[0])])
def test_a_log_line_quotes_the_payload_only_where_asked_for(
    payload: Any, expected: str, logged: Callable[..., str]
) -> None:
    text = logged(Everything, payload, PROXYHOOKS_LOG_VALIDATION_DETAILS=True)
    assert REMEDY not in text
    if expected.endswith("invalid") or "unknown field" in expected:
        assert TOKEN in text


def parse_by_validation_error(data: Any) -> Any:
    raise ValidationError({data: [f"{data} is bad"]})


def parse_by_value_error(data: Any) -> Any:
    raise ValueError(data)


@pytest.mark.parametrize("parse", [parse_by_validation_error, parse_by_value_error])
def test_the_text_of_a_function_s_exception_is_left_out_unless_asked_for(
    parse: Callable[[Any], Any], logged: Callable[..., str]
) -> None:
    text = logged(parse, TOKEN)
    assert re.fullmatch(rf"(Validation|Value)Error of a data_schema {parse.__name__} \(.*\)", text.removesuffix(REMEDY))
    assert text.endswith(REMEDY)


def test_the_text_of_a_function_s_exception_is_shown_where_asked_for(logged: Callable[..., str]) -> None:
    text = logged(parse_by_value_error, TOKEN, PROXYHOOKS_LOG_VALIDATION_DETAILS=True)
    assert text == f"ValueError: {TOKEN}"


class WithoutText(ValueError):
    def __str__(self) -> str:
        raise RuntimeError


def raise_without_text(_: Any) -> Any:
    raise WithoutText


def raise_messages_without_text(_: Any) -> Any:
    raise ValidationError({WithoutText(): [WithoutText()]})


@pytest.mark.parametrize("tells_client", [True, False])
@pytest.mark.parametrize("parse", [raise_without_text, raise_messages_without_text])
def test_an_exception_that_has_no_text_refuses_the_payload(
    parse: Callable[[Any], Any], tells_client: bool, app: Flask, ask: Ask
) -> None:
    app.config["PROXYHOOKS_VALIDATION_DETAILS"] = tells_client
    ProxyHooks(app).rpc(data_schema=parse)(lambda req: RPCResult())
    reply: Any = ask("rpc", data=1).json
    assert reply["error"]["code"] == 107


class LoadedPlan(Schema):
    plan = fields.String(validate=quotes_its_value)


@pytest.mark.parametrize("shows", [True, False])
def test_meta_that_does_not_fit_is_logged_as_payloads_are(
    shows: bool, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROXYHOOKS_LOG_VALIDATION_DETAILS"] = shows
    hooks = ProxyHooks(app, meta_schema=LoadedPlan)
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc", meta={"plan": TOKEN}).json == {"disconnect": {"code": 3011, "reason": "force reconnect"}}
    assert (TOKEN in caplog.text) is shows
    assert "does not fit the meta_schema: plan: " in caplog.text


def test_a_nested_schema_that_does_not_exist_does_not_break_the_line(logged: Callable[..., str]) -> None:
    schema: Any = Schema.from_dict({"inner": fields.Nested("NowhereDefined", required=True)})
    assert logged(schema, {}) == "inner: Missing data for required field."


class Wide(Schema):
    rows = fields.List(fields.Nested(Schema.from_dict({f"field{n}": fields.Integer(required=True) for n in range(20)})))


@pytest.mark.parametrize("shows", [True, False])
def test_details_in_the_log_are_cut_without_making_more_of_them(shows: bool) -> None:
    messages = {"rows": {n: {f"field{m}": [f"bad {TOKEN}"] for m in range(20)} for n in range(20_000)}}
    tracemalloc.start()
    try:
        text = str(InvalidPayload(messages, Wide(), shows))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(text) == MAX_LOGGED
    assert peak < 200_000


def test_few_of_many_errors_of_one_text_are_looked_at() -> None:
    """The names of keys are left out, so a line about a mapping does not grow with its errors."""
    looked_at: list[str] = []

    class Text(str):
        __slots__ = ()

        def __hash__(self) -> int:
            looked_at.append(self)
            return super().__hash__()

    schema = Schema.from_dict({"rows": fields.Dict(values=fields.Integer())})()
    messages = {"rows": {str(n): {"value": [Text(TOKEN)]} for n in range(20_000)}}
    assert str(InvalidPayload(messages, schema, False)) == f"rows.a key.value: invalid; ...{REMEDY}"
    assert 0 < len(looked_at) < 2000


OUT_OF_RANGE = [
    (fields.TimeDelta(), 10**400),
    (fields.DateTime(format="timestamp"), 10**400),
    (fields.NaiveDateTime(timezone=datetime.UTC), "0001-01-01T00:00:00+23:59"),
    (fields.Decimal(allow_nan=True, validate=validate.Range(min=0)), "sNaN"),
]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_a_value_that_is_out_of_range_for_python_is_an_invalid_payload(
    fast: bool, field: Any, value: Any, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    ProxyHooks(app).rpc(data_schema=Schema.from_dict({"value": field}, name="Ranged"))(lambda req: RPCResult())
    assert ask("rpc", data={"value": value}).json == BAD_REQUEST
    (record,) = caplog.records
    assert re.search(r": (OverflowError|InvalidOperation) of a data_schema Ranged", record.getMessage())
    assert record.exc_info is None


def test_details_for_the_client_are_cut_to_500_characters(app: Flask, ask: Ask) -> None:
    app.config["PROXYHOOKS_VALIDATION_DETAILS"] = True
    ProxyHooks(app).rpc(data_schema=Wide)(lambda req: RPCResult())
    response = ask("rpc", data={"rows": [{}] * 100})
    assert response.json is not None
    message = response.json["error"]["message"]
    assert len(message) == 500
    assert message.startswith("bad request: rows.0.field0: Missing data for required field.; rows.0.field1: ")


def test_a_line_about_a_payload_with_two_thousand_errors_is_cut_to_2_kb(logged: Callable[..., str]) -> None:
    text = logged(Wide, {"rows": [{}] * 900})
    assert MAX_LOGGED - 10 <= len(text) <= MAX_LOGGED
    assert text.endswith(REMEDY)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("payload", "items"),
    [
        (5, 0),
        ("text", 0),
        ({}, 0),
        ([1, 2, 3], 3),
        ({"a": 1}, 1),
        ({"a": {"b": {"c": 1}}}, 3),
        ({"a": [[], [], []]}, 4),
        ([[[[1]]]], 4),
        ([{"a": 1}] * 10, 20),
    ],
)
def test_a_payload_with_more_items_than_the_setting_is_refused_and_the_line_names_it(
    payload: Any, items: int, fast: bool, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    class Anything(Schema):
        value = fields.Raw()

    assert not has_more_items(payload, items)
    assert not items or has_more_items(payload, items - 1)
    limit = items + 1  # with "value" itself
    for name, more in (("enough", 0), ("less", -1)):
        caplog.clear()
        with_limit = Flask(name)
        if not (setting := limit + more):
            continue
        with_limit.config.update(app.config, PROXYHOOKS_FAST=fast, PROXYHOOKS_MAX_PAYLOAD_ITEMS=setting)
        hooks = ProxyHooks(with_limit)
        hooks.rpc(data_schema=Anything)(lambda req: RPCResult(data=req.data["value"]))
        headers = {"X-Proxyhooks-Secret": app.config["PROXYHOOKS_SECRETS"][0]}
        json = {"data": {"value": payload}}
        reply = with_limit.test_client().post("/centrifugo/rpc", json=json, headers=headers).json
        if setting >= limit:
            assert reply == {"result": {"data": payload}}
        else:
            assert reply == BAD_REQUEST
            assert f"it has more than {setting} items (PROXYHOOKS_MAX_PAYLOAD_ITEMS)" in caplog.text


def test_a_payload_may_have_a_thousand_items_by_default(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc(data_schema=Schema.from_dict({"a": fields.List(fields.Integer())}))(lambda req: RPCResult(data="ok"))
    assert ask("rpc", data={"a": [1] * 999}).json == {"result": {"data": "ok"}}
    assert ask("rpc", data={"a": [1] * 1000}).json == BAD_REQUEST


def test_a_function_gets_payloads_of_any_size(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc(data_schema=len)(lambda req: RPCResult(data=req.data))
    assert ask("rpc", data=[1] * 2000).json == {"result": {"data": 2000}}


@pytest.mark.parametrize("wrong", [0, -1, True, "1000", 1.5, None])
def test_the_bound_of_items_is_a_whole_number_above_0(wrong: Any, app: Flask) -> None:
    app.config["PROXYHOOKS_MAX_PAYLOAD_ITEMS"] = wrong
    with pytest.raises(SetupError, match="PROXYHOOKS_MAX_PAYLOAD_ITEMS must be a whole number of items above 0"):
        ProxyHooks(app)


def test_counting_ends_at_the_bound() -> None:
    class Counted(list[Any]):
        """A list that fails if its items are looked at."""

        def __iter__(self) -> Any:
            raise AssertionError

    big: Any = Counted([[]] * 2000)
    payload = {"a": [1] * 10, "b": {"c": [2] * 2000}}
    assert has_more_items(payload, 1000)
    assert not has_more_items(big, 1)  # JSON has plain lists only


def test_invalid_json_in_bytes_is_described_without_its_values(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture, log_without_rate_limit: None
) -> None:
    hooks.rpc(data_schema=Everything)(lambda req: RPCResult())
    for text in ("5318008e999", "{5318008}", '"5318008', "[" * 300 + "5318008", "5318008" * 1000, "\\5318008"):
        assert ask("rpc", b64data=base64.b64encode(text.encode()).decode()).json == BAD_REQUEST
    assert len(caplog.records) == 6
    assert "5318008" not in caplog.text
