"""Dumping through a schema: what marshmallow would dump wrongly without an error, and what it dumps as meant."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import os
import types
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from marshmallow import INCLUDE, Schema, fields, post_dump, pre_dump
from werkzeug.exceptions import BadRequestKeyError

from proxyhooks import Hooks, RPCResult, SetupError, errors
from proxyhooks._dispatch.dumping import Dumper
from proxyhooks._flask.fast_path.compiled_dump import compile_dump
from proxyhooks.schemas import MessageSchema
from tests.support.generated_schemas import Generator

SCHEMAS = max(1, int(os.environ.get("PROXYHOOKS_CASES", "6000")) // 20)


@dataclasses.dataclass
class User:
    name: str = "ada"
    age: int = 36


Point = collections.namedtuple("Point", "name age")  # without types, as a row of a database


class Color(str, enum.Enum):  # noqa: UP042  # as applications still write it
    RED = "red"


class UserSchema(Schema):
    name = fields.String()
    age = fields.Integer(data_key="years")


class Required(Schema):
    text = fields.String(required=True)
    password = fields.String(required=True, load_only=True)


class Login(Schema):
    name = fields.String()
    password = fields.String(load_only=True)


class Typed(Schema):
    type = fields.Constant("user")
    name = fields.String()


class Defaults(Schema):
    age = fields.Integer(dump_default=0)


class Outer(Schema):
    user = fields.Nested(UserSchema)
    users = fields.Nested(UserSchema, many=True)
    listed = fields.List(fields.Nested(UserSchema))
    by_name = fields.Dict(values=fields.Nested(Required))


class NamedLikeMethods(Schema):
    items = fields.List(fields.Integer())
    copy = fields.String()


class Tree(Schema):
    value = fields.Integer(required=True)
    children = fields.List(fields.Nested(lambda: Tree()))


class Pair(Schema):
    pair = fields.Tuple((fields.String(), fields.Nested(UserSchema)))


class WholeValue(Schema):
    upper = fields.Function(lambda text: text.upper())


class WithoutNone(Schema):
    name = fields.String(required=True)

    @post_dump
    def remove_none(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {key: value for key, value in data.items() if value is not None}


class FirstItem(Schema):
    name = fields.String()

    @pre_dump
    def take_first(self, data: Any, **_: Any) -> Any:
        return {"name": data[0]}


class OwnAccess(Schema):
    name = fields.String()

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj[0]


class ColorSchema(Schema):
    name = fields.String()
    value = fields.String()


class Nothing(Schema):
    pass


def dumpers(schema: Schema) -> list[Dumper]:
    """A dumper that calls marshmallow, and one with a compiled schema."""
    plain, fast = Dumper(schema, "data"), Dumper(schema, "data")
    fast.dump = compile_dump(schema) or fast.dump
    return [plain, fast]


@pytest.mark.parametrize(
    ("schema", "make", "problem"),
    [
        (UserSchema(), lambda: [User()], "data is of type list, and UserSchema dumps one object: use UserSchema(many"),
        (UserSchema(), lambda: (User(),), "of type tuple"),
        (UserSchema(), lambda: {"a"}, "of type set"),
        (UserSchema(), lambda: {"a": User()}.values(), "of type dict_values"),
        (UserSchema(), lambda: (user for user in [User()]), "of type generator"),
        (UserSchema(), lambda: map(str, [User()]), "for several objects use UserSchema(many=True)"),
        (UserSchema(), lambda: collections.deque([User()]), "for several objects use UserSchema(many=True)"),
        (UserSchema(), lambda: User, "data is the class User, and UserSchema dumps one object: give an instance"),
        (UserSchema(), lambda: "ada", "data is of type str, and UserSchema dumps one object"),
        (UserSchema(), lambda: 5, "data is of type int"),
        (UserSchema(), lambda: None, "data is None, and UserSchema dumps one object"),
        (UserSchema(), object, "data is of type object, and has none of the fields of UserSchema: 'name', 'age'"),
        (UserSchema(), lambda: {"nmae": "a"}, "data is of type dict, with the keys 'nmae', and has none of the fields"),
        (UserSchema(many=True), User, "data is of type User, and UserSchema has many=True: give a list, or use Us"),
        (UserSchema(many=True), lambda: {"name": "ada"}, "data is of type dict, and UserSchema has many=True"),
        (UserSchema(many=True), lambda: "ada", "data is of type str, and UserSchema has many=True"),
        (UserSchema(many=True), lambda: User, "data is the class User, and UserSchema has many=True"),
        (UserSchema(many=True), lambda: None, "data is None, and UserSchema has many=True"),
        (UserSchema(many=True), lambda: [User(), None], "data[1] is None"),
        (UserSchema(many=True), lambda: [[User()]], "data[0] is of type list"),
        (UserSchema(many=True), lambda: [User(), {"x": 1}], "data[1] is of type dict, with the keys 'x', and has none"),
        (Required(), lambda: {"password": "a"}, "data has no 'text', which is required in Required"),
        (Required(), dict, "data has no 'text', which is required in Required: set it, or dump with a schema where"),
        (Required(many=True), lambda: [{"text": "a"}, {}], "data[1] has no 'text'"),
        (Typed(), lambda: [User()], "data is of type list"),
        (Typed(), lambda: types.SimpleNamespace(age=1), "has none of the fields of Typed: 'name'"),
        (Defaults(), lambda: {"years": 1}, "has none of the fields of Defaults: 'age'"),
        (Outer(), lambda: {"user": [User()]}, "data.user is of type list, and UserSchema dumps one object"),
        (Outer(), lambda: {"user": {"nmae": 1}}, "data.user is of type dict, with the keys 'nmae', and has none"),
        (Outer(), lambda: {"users": {"name": "a"}}, "data.users[0] is of type str"),
        (Outer(), lambda: {"listed": {"name": "a"}}, "data.listed[0] is of type str"),
        (Outer(), lambda: {"listed": [User(), {"nmae": "a"}]}, "data.listed[1] is of type dict"),
        (Outer(), lambda: {"by_name": {"a": {}}}, "data.by_name['a'] has no 'text'"),
        (NamedLikeMethods(), lambda: {"copy": "a"}, "data has no key 'items', so NamedLikeMethods would dump the dict"),
        (NamedLikeMethods(many=True), lambda: [{"items": []}], "data[0] has no key 'copy'"),
        (Tree(), lambda: {"value": 1, "children": [{"value": 2, "children": [{}]}]}, "data.children[0].children[0] h"),
        (Pair(), lambda: {"pair": ("a", [User()])}, "data.pair[1] is of type list, and UserSchema dumps one object"),
        (WithoutNone(), lambda: [User()], "data is of type list, and WithoutNone dumps one object"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_schema_is_refused_with_the_remedy(
    schema: Schema, make: Callable[[], Any], problem: str
) -> None:
    for dump in dumpers(schema):
        with pytest.raises(ValueError) as raised:
            dump(make())
        assert problem in str(raised.value)


ADA = {"name": "ada", "years": 36}


@pytest.mark.parametrize(
    ("schema", "make", "dumped"),
    [
        (UserSchema(), User, ADA),
        (UserSchema(), lambda: {"name": "ada"}, {"name": "ada"}),
        (UserSchema(), lambda: {"age": 1, "internal": 2}, {"years": 1}),
        (UserSchema(), dict, {}),
        (UserSchema(), lambda: Point("ada", 36), ADA),
        (UserSchema(), lambda: types.SimpleNamespace(name=None), {"name": None}),
        (UserSchema(many=True), list, []),
        (UserSchema(many=True), lambda: [User(), Point("ada", 36), {}], [ADA, ADA, {}]),
        (UserSchema(many=True), lambda: (user for user in [User()]), [ADA]),
        (UserSchema(many=True), lambda: {"a": User()}.values(), [ADA]),
        (UserSchema(many=True), lambda: {Point("ada", 36)}, [ADA]),
        (UserSchema(many=True), lambda: collections.deque([User()]), [ADA]),
        (Required(), lambda: {"text": "a"}, {"text": "a"}),
        (Login(), lambda: {"password": "a"}, {}),
        (Login(unknown=INCLUDE), lambda: {"more": "a"}, {}),
        (Typed(), dict, {"type": "user"}),
        (Defaults(), dict, {"age": 0}),
        (Defaults(), lambda: {"age": 5, "years": 1}, {"age": 5}),
        (Defaults(), lambda: types.SimpleNamespace(age=0), {"age": 0}),
        (Outer(), dict, {}),
        (Outer(), lambda: {"user": None}, {"user": None}),
        (Outer(), lambda: {"user": {}, "users": [{}], "listed": []}, {"user": {}, "users": [{}], "listed": []}),
        (Outer(), lambda: {"listed": (User(), None)}, {"listed": [ADA, None]}),
        (Outer(), lambda: {"users": (user for user in [User()])}, {"users": [ADA]}),
        (Outer(), lambda: {"by_name": {"a": {"text": "b", "x": 1}}}, {"by_name": {"a": {"text": "b"}}}),
        (NamedLikeMethods(), lambda: {"items": [1], "copy": "a"}, {"items": [1], "copy": "a"}),
        (NamedLikeMethods(), lambda: types.SimpleNamespace(copy="a"), {"copy": "a"}),
        (Tree(), lambda: {"value": 1, "children": [{"value": 2}]}, {"value": 1, "children": [{"value": 2}]}),
        (Pair(), lambda: {"pair": ("a", User())}, {"pair": ("a", ADA)}),
        (WholeValue(), lambda: "ada", {"upper": "ADA"}),
        (WithoutNone(), lambda: types.SimpleNamespace(name=None), {}),
        (FirstItem(), lambda: ["ada"], {"name": "ada"}),
        (OwnAccess(), lambda: ["ada"], {"name": "ada"}),
        (ColorSchema(), lambda: Color.RED, {"name": "RED", "value": "red"}),
        (Nothing(), User, {}),
    ],
)  # fmt: skip
def test_a_value_that_fits_its_schema_is_dumped_as_marshmallow_does(
    schema: Schema, make: Callable[[], Any], dumped: Any
) -> None:
    assert schema.dump(make()) == dumped
    assert [dump(make()) for dump in dumpers(schema)] == [dumped, dumped]


class Joined(fields.List[Any]):
    """Dumps a list as a text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return ",".join(value)


def test_what_a_field_of_its_own_dumps_is_not_checked() -> None:
    schema: Any = Schema.from_dict({"words": Joined(fields.Nested(UserSchema))})()
    assert [dump({"words": ["a", "b"]}) for dump in dumpers(schema)] == [{"words": "a,b"}] * 2


class Cursor:
    """An iterator that has fields."""

    name, age = "ada", 36

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> Any:
        raise StopIteration


def test_an_iterator_may_be_an_object_with_fields() -> None:
    assert [dump(Cursor()) for dump in dumpers(UserSchema())] == [ADA, ADA]


class Failing(Schema):
    at = fields.DateTime()
    first = fields.Function(lambda data: data["words"][0])
    own = fields.Function(lambda data: data["fail"]())


def fail(error: type[Exception]) -> None:
    raise error


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"at": "noon", "words": ["a"], "fail": str}, "Error: "),
        ({"words": [], "fail": str}, "IndexError: list index out of range"),
        ({"words": ["a"]}, "KeyError: 'fail'"),
        ({"words": ["a"], "fail": functools.partial(fail, ValueError)}, "ValueError: "),
    ],
)
def test_what_marshmallow_raises_for_a_value_names_the_schema(value: Any, problem: str) -> None:
    for dump in dumpers(Failing()):
        with pytest.raises(ValueError) as raised:
            dump(value)
        assert str(raised.value).startswith("data cannot be dumped by Failing: ")
        assert problem in str(raised.value)


@pytest.mark.parametrize("error", [errors.PermissionDenied, BadRequestKeyError, ConnectionError])
def test_refusals_and_failures_of_the_value_pass(error: type[Exception]) -> None:
    with pytest.raises(error):
        Dumper(Failing(), "data")({"words": ["a"], "fail": functools.partial(fail, error)})


def test_a_schema_with_a_dump_of_its_own_is_not_checked() -> None:
    class Own(MessageSchema):
        message = RPCResult

        def dump(self, obj: Any, *, many: bool | None = None) -> Any:
            return {"own": obj}

    assert Dumper(Own(), "data")([1]) == {"own": [1]}


def test_a_nested_schema_may_be_defined_after_the_hook() -> None:
    hooks = Hooks()
    schema: Any = Schema.from_dict({"later": fields.Nested("DefinedLaterSchema")})
    hooks.rpc("a", result_schema=schema)(lambda req: RPCResult())

    class DefinedLaterSchema(Schema):
        text = fields.String(required=True)

    dump = Dumper(schema(), "data")
    assert dump({"later": {"text": "a"}}) == {"later": {"text": "a"}}
    with pytest.raises(ValueError, match=r"data\.later has no 'text'"):
        dump({"later": {}})


class Price(enum.Enum):
    LOW = Decimal(1)


class Decimals(fields.Decimal):
    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return float(value)


class Recursive(Schema):
    price = fields.Decimal()
    inner = fields.Nested(lambda: Recursive())


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (fields.Decimal(), "its field 'field' dumps a Decimal, which JSON cannot carry: write Decimal(as_string=True)"),
        (fields.List(fields.Decimal()), "its field 'field' dumps a Decimal"),
        (fields.Tuple((fields.String(), fields.Decimal())), "its field 'field' dumps a Decimal"),
        (fields.Dict(values=fields.Decimal()), "its field 'field' dumps a Decimal"),
        (fields.Nested({"price": fields.Decimal()}), "its field 'field.price' dumps a Decimal"),
        (fields.List(fields.Nested({"price": fields.Decimal()})), "its field 'field.price' dumps a Decimal"),
        (fields.Pluck(Schema.from_dict({"price": fields.Decimal()}), "price"), "its field 'field.price' dumps a"),
        (fields.Nested(Recursive), "its field 'field.price' dumps a Decimal"),
        (fields.Enum(Price, by_value=fields.Decimal), "its field 'field' dumps a Decimal"),
        (fields.Enum(Price, by_value=True), "its field 'field' is an Enum whose values are no JSON: Decimal('1')"),
        (fields.Constant(Decimal(1)), "its field 'field' is a Constant that JSON cannot carry: Decimal('1')"),
        (fields.Constant({1}), "its field 'field' is a Constant that JSON cannot carry: {1}"),
        (fields.Dict(keys=fields.Integer()), "has keys of Integer: keys of JSON are texts, so write String keys"),
        (fields.Dict(keys=fields.Boolean()), "has keys of Boolean"),
    ],
)
def test_a_field_that_never_dumps_json_is_a_setup_error(field: Any, problem: str) -> None:
    schema: Any = Schema.from_dict({"field": field})
    for option in (schema, schema(), schema(many=True)):
        hooks = Hooks()
        with pytest.raises(SetupError) as raised:
            hooks.rpc("a", result_schema=option)(lambda req: RPCResult())
        assert problem in str(raised.value)
        assert str(raised.value).startswith("result_schema GeneratedSchema: ")
        assert not list(hooks.index.registrations())
        with pytest.raises(SetupError, match="the schema of publication 'news' GeneratedSchema: its field"):
            hooks.publication("news", option)
        hooks.rpc("a", data_schema=option)(lambda req: RPCResult())


class Converted(Schema):
    price = fields.Decimal()

    @post_dump
    def convert(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {key: float(value) for key, value in data.items()}


@pytest.mark.parametrize(
    "schema",
    [
        Converted,
        Schema.from_dict({"field": fields.Nested(Converted)}),
        Schema.from_dict({"field": fields.Decimal(load_only=True)}),
        Schema.from_dict({"field": fields.Decimal(as_string=True)}),
        Schema.from_dict({"field": Decimals()}),
        Schema.from_dict({"field": fields.Enum(Price)}),
        Schema.from_dict({"field": fields.Dict(keys=fields.UUID(), values=fields.Float())}),
        Schema.from_dict({"field": fields.Dict(keys=fields.Integer(as_string=True))}),
        Schema.from_dict({"field": fields.Constant(None)}),
        Schema.from_dict({"field": fields.Nested("ThereIsNoSuchSchema")}),
    ],
)
def test_a_schema_that_can_dump_json_is_no_setup_error(schema: Any) -> None:
    Hooks().rpc("a", result_schema=schema)(lambda req: RPCResult())


def test_generated_schemas_dump_what_they_load_as_marshmallow_does() -> None:
    for seed in range(SCHEMAS):
        made = Generator(seed).schema(depth=2)
        values = [] if made.any_partial else [made.schema.load(made.right()) for _ in range(3)]
        for value in values:
            assert repr(Dumper(made.schema, "data")(value)) == repr(made.schema.dump(value)), (seed, value)
