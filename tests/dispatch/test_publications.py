"""Publications of the backend: their declaration, and the data that is dumped for them."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, ValidationError, fields, post_dump, post_load, pre_load, validate, validates_schema

from proxyhooks import ChannelPattern, Hooks, ProxyHooks, PublicationError, RPCResult, SetupError
from tests.support.asking import Ask


@dataclass
class Message:
    text: str
    author: str = "ada"


class MessageSchema(Schema):
    type = fields.Constant("message")
    text = fields.String(required=True, validate=validate.Length(1, 10))
    author = fields.String()


class JoinedSchema(Schema):
    type = fields.Constant("joined")
    name = fields.String(required=True)


HI = {"type": "message", "text": "hi", "author": "ada"}


@pytest.fixture
def declared() -> Hooks:
    hooks = Hooks()
    hooks.publication("chat:<int:room_id>", MessageSchema)
    hooks.publication(ChannelPattern("rooms:<name>"), MessageSchema, JoinedSchema())
    hooks.publication("list:<path:rest>", MessageSchema(many=True))
    return hooks


def test_a_publication_is_dumped_by_the_schema_of_its_channel(declared: Hooks) -> None:
    assert declared.dump_publication("chat:7", Message("hi")) == HI
    assert declared.dump_publication("list:a/b", (message for message in [Message("hi")])) == [HI]


def test_the_most_specific_pattern_decides(declared: Hooks) -> None:
    declared.publication("chat:1", JoinedSchema)
    assert declared.dump_publication("chat:1", {"name": "ada"}) == {"type": "joined", "name": "ada"}
    assert declared.dump_publication("chat:2", Message("hi")) == HI


def test_one_of_several_schemas_is_named(declared: Hooks) -> None:
    joined = {"type": "joined", "name": "ada"}
    assert declared.dump_publication("rooms:a", {"name": "ada"}, schema=JoinedSchema) == joined
    assert declared.dump_publication("rooms:a", Message("hi"), schema=MessageSchema) == HI
    with pytest.raises(PublicationError, match=r"have several schemas: give schema=\.\.\., one of MessageSchema, <Jo"):
        declared.dump_publication("rooms:a", Message("hi"))
    with pytest.raises(PublicationError, match=r"^JoinedSchema is not declared for publications to 'chat:7', which "):
        declared.dump_publication("chat:7", {"name": "ada"}, schema=JoinedSchema)


def test_the_class_of_several_declared_instances_names_none_of_them() -> None:
    hooks, several = Hooks(), MessageSchema(many=True)
    hooks.publication("news", MessageSchema(), several)
    with pytest.raises(PublicationError, match="have several schemas"):
        hooks.dump_publication("news", Message("hi"), schema=MessageSchema)
    assert hooks.dump_publication("news", [Message("hi")], schema=several) == [HI]


@pytest.mark.parametrize("channel", ["chat:07", "chat:", "news", "", None, 7])
def test_a_channel_without_a_declaration_is_an_error_that_names_the_remedy(channel: Any, declared: Hooks) -> None:
    with pytest.raises(PublicationError) as raised:
        declared.dump_publication(channel, Message("hi"))
    assert f"no publication is declared for the channel {channel!r}: write hooks.publication(" in str(raised.value)
    assert "declared are 'chat:<int:room_id>', 'rooms:<name>', 'list:<path:rest>'" in str(raised.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([Message("hi")], "data is of type list, and MessageSchema dumps one object: use MessageSchema(many=True)"),
        (None, "data is None, and MessageSchema dumps one object"),
        ({"txt": "hi"}, "data is of type dict, with the keys 'txt', and has none of the fields of MessageSchema"),
        ({"author": "ada"}, "data has no 'text', which is required in MessageSchema"),
        (Message(""), "data.text: Length must be between 1 and 10."),
        (Message("hi", author=None), "data.author is null, and the field has no allow_none=True"),  # type: ignore[arg-type]
    ],
)
def test_data_that_does_not_fit_the_schema_is_an_error_that_says_why(data: Any, problem: str, declared: Hooks) -> None:
    with pytest.raises(PublicationError) as raised:
        declared.dump_publication("chat:7", data)
    assert str(raised.value).startswith(f"the publication to 'chat:7' does not fit MessageSchema: {problem}")


class Color(enum.Enum):
    RED = "red"


class Inner(Schema):
    n = fields.Integer(validate=validate.Range(0, 9))


def always_wrong(_: Any) -> None:
    raise ValidationError("no")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (fields.Integer(validate=validate.Range(0, 9)), 10, "data.field: Must be greater than or equal to 0 and less"),
        (fields.Integer(as_string=True, strict=True, validate=validate.Range(0, 9)), 10, "data.field: Must be greater"),
        (
            fields.Decimal(as_string=True, validate=validate.Range(max=1)),
            Decimal(2),
            "data.field: Must be less than or",
        ),
        (fields.String(validate=validate.OneOf("ab")), "c", "data.field: Must be one of: a, b."),
        (fields.String(validate=always_wrong), "c", "data.field: no"),
        (fields.List(fields.String(validate=validate.Length(1))), ["a", ""], "data.field[1]: Shorter than minimum"),
        (fields.List(fields.String(), validate=validate.Length(max=1)), ["a", ""], "data.field: Longer than maximum"),
        (fields.List(fields.String()), [None], "data.field[0] is null"),
        (fields.Dict(values=fields.String()), {"a": None}, "data.field['a'] is null"),
        (fields.Raw(validate=validate.Length(1)), 5, "object of type 'int' has no len()"),
        (fields.Boolean(), 1, "data.field is of type int, not a boolean"),
        (fields.Tuple((fields.String(), fields.Boolean())), ("a", "b"), "data.field[1] is of type str, not a boolean"),
        (fields.Tuple((fields.String(), fields.String())), ("a",), "data"),  # from 4.1 on marshmallow raises
        (fields.Nested(Inner), {"n": 10}, "data.field.n: Must be"),
        (fields.Nested(Inner, many=True), [{"n": 1}, {"n": 10}], "data.field[1].n: Must be"),
        (fields.Nested(Inner), None, "data.field is null"),
        (fields.Float(), float("nan"), "data['field'] is nan: JSON has no such number"),
        (fields.Raw(), Decimal(1), "data['field'] is of type Decimal, which JSON cannot carry: write str(...)"),
    ],
)
def test_the_dumped_data_is_checked_by_the_fields_and_their_validators(field: Any, value: Any, problem: str) -> None:
    hooks = Hooks()
    hooks.publication("news", Schema.from_dict({"field": field}))
    with pytest.raises(PublicationError) as raised:
        hooks.dump_publication("news", {"field": value})
    assert f"does not fit GeneratedSchema: {problem}" in str(raised.value)


NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("field", "value", "dumped"),
    [
        (fields.Integer(dump_only=True), 5, 5),
        (fields.Integer(as_string=True, strict=True), 5, "5"),
        (fields.Boolean(truthy={"yes"}), True, True),
        (fields.AwareDateTime(format="%d.%m.%Y", validate=validate.Range(max=NOON)), NOON, "02.01.2030"),
        (fields.Pluck(Inner, "n"), {"n": 5}, 5),
        (fields.Enum(Color, validate=validate.OneOf(list(Color))), Color.RED, "RED"),
        (fields.Function(lambda data: None), 5, None),
        (fields.Constant(None), 5, None),
        (fields.String(allow_none=True, validate=validate.Length(1)), None, None),
        (fields.Nested(Inner, allow_none=True), None, None),
    ],
)
def test_data_that_fits_is_dumped_whatever_the_schema_would_load(field: Any, value: Any, dumped: Any) -> None:
    hooks = Hooks()
    hooks.publication("news", Schema.from_dict({"field": field}))
    assert hooks.dump_publication("news", {"field": value}) == {"field": dumped}


def test_what_a_schema_does_when_it_loads_is_not_done() -> None:
    class Loading(Schema):
        text = fields.String()
        password = fields.String(required=True, load_only=True)

        @pre_load
        def change(self, data: Any, **_: Any) -> Any:
            raise AssertionError

        @post_load
        def make(self, data: Any, **_: Any) -> Any:
            raise AssertionError

        @validates_schema
        def ask_database(self, data: Any, **_: Any) -> None:
            raise AssertionError

    hooks = Hooks()
    hooks.publication("news", Loading)
    assert hooks.dump_publication("news", {"text": "a"}) == {"text": "a"}


def test_what_post_dump_makes_is_only_checked_as_json() -> None:
    class Enveloped(Schema):
        text = fields.String(required=True)

        @post_dump
        def wrap(self, data: Any, **_: Any) -> Any:
            return {"data": {1} if data["text"] == "set" else data}

    hooks = Hooks()
    hooks.publication("news", Enveloped)
    assert hooks.dump_publication("news", {"text": "a"}) == {"data": {"text": "a"}}
    with pytest.raises(PublicationError, match=r"data\['data'\] is of type set, which JSON cannot carry: write list"):
        hooks.dump_publication("news", {"text": "set"})


def test_an_exception_of_the_value_passes() -> None:
    class Broken:
        @property
        def text(self) -> str:
            raise ConnectionError

    hooks = Hooks()
    hooks.publication("news", Schema.from_dict({"text": fields.String()}))
    with pytest.raises(ConnectionError):
        hooks.dump_publication("news", Broken())


@pytest.mark.parametrize("pattern", ["chat:<int:room_id>", "chat:<int:other>"])
def test_a_pattern_that_is_declared_twice_is_a_setup_error(pattern: str, declared: Hooks) -> None:
    with pytest.raises(SetupError, match=r"are declared twice: .*test_publications\.py:\d+ and .*test_publications"):
        declared.publication(pattern, JoinedSchema)
    assert len(list(declared.declared_publications)) == 3


def test_a_pattern_that_is_ambiguous_with_another_is_a_setup_error() -> None:
    hooks = Hooks()
    hooks.publication("chat:<int:a>-<name>", MessageSchema)
    with pytest.raises(SetupError, match="can match the same channel, and neither is more specific"):
        hooks.publication("chat:<uuid:b>", MessageSchema)


@pytest.mark.parametrize("channel", ["$private:1", "personal:#42", "chat:7#1,2"])
def test_channels_that_no_hook_is_asked_about_can_be_declared(channel: str) -> None:
    hooks = Hooks()
    hooks.publication(channel, MessageSchema)
    assert hooks.dump_publication(channel, Message("hi")) == HI


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda hooks: hooks.publication("a:<nosuch:b>", MessageSchema), "there is no <nosuch:...>"),
        (lambda hooks: hooks.publication(None, MessageSchema), "a pattern must be a text"),
        (lambda hooks: hooks.publication("", MessageSchema), "a pattern must be a text"),
        (lambda hooks: hooks.publication("a", None), "the schema of publication 'a' must be a marshmallow schema"),
        (lambda hooks: hooks.publication("a", len), "the schema of publication 'a' must be a marshmallow schema"),
        (lambda hooks: hooks.publication("a", MessageSchema, dict), "the schema of publication 'a' must be"),
        (lambda hooks: hooks.publication("a", MessageSchema, MessageSchema), "publication 'a' has a schema twice"),
    ],
)
def test_a_wrong_declaration_is_a_setup_error(declare: Callable[[Hooks], None], problem: str) -> None:
    hooks = Hooks()
    with pytest.raises(SetupError) as raised:
        declare(hooks)
    assert problem in str(raised.value)
    assert not list(hooks.declared_publications)


def test_declarations_are_included_before_and_after(declared: Hooks) -> None:
    outer, outermost = Hooks(), Hooks()
    outer.include(declared, rpc_prefix="rooms.")
    outermost.include(outer)
    outermost.include(declared)  # in two ways, which is harmless
    declared.publication("news", JoinedSchema)
    for hooks in (outer, outermost):
        assert hooks.dump_publication("chat:7", Message("hi")) == HI
        assert hooks.dump_publication("news", {"name": "a"})["type"] == "joined"
        assert len(list(hooks.declared_publications)) == 4


def test_an_included_declaration_that_conflicts_changes_nothing(declared: Hooks) -> None:
    outer = Hooks()
    outer.publication("chat:<int:n>", JoinedSchema)
    declared.rpc("a")(lambda req: RPCResult())
    with pytest.raises(SetupError, match="are declared twice"):
        outer.include(declared)
    assert len(list(outer.declared_publications)) == 1
    assert not list(outer.index.registrations())
    inner = Hooks()
    outer.include(inner)
    with pytest.raises(SetupError, match="are declared twice"):
        inner.publication("chat:<int:n>", MessageSchema)
    assert not list(inner.declared_publications)


def test_hooks_that_conflict_include_no_declaration(declared: Hooks) -> None:
    outer = Hooks()
    for hooks in (outer, declared):
        hooks.rpc("a")(lambda req: RPCResult())
    with pytest.raises(SetupError, match="has two hooks"):
        outer.include(declared)
    assert not list(outer.declared_publications)


def test_a_declaration_after_the_first_request_is_a_setup_error(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc").status_code == 200
    with pytest.raises(SetupError, match=r"publication 'news' .*test_publications\.py:\d+\) comes too late"):
        hooks.publication("news", MessageSchema)


def test_a_publication_can_be_dumped_in_a_hook_and_outside_of_every_request(app: Flask, ask: Ask) -> None:
    hooks = ProxyHooks(app)
    hooks.publication("chat:<int:room_id>", MessageSchema)
    hooks.rpc("right")(lambda req: RPCResult(data=hooks.dump_publication("chat:7", Message("hi"))))
    hooks.rpc("wrong")(lambda req: RPCResult(data=hooks.dump_publication("chat:7", [])))
    assert hooks.dump_publication("chat:7", Message("hi")) == HI
    assert ask("rpc", method="right").json == {"result": {"data": HI}}
    assert ask("rpc", method="wrong").status_code == 500
