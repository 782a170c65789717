"""The type of each field and validator of marshmallow: in TypeScript, as JSON Schema, and as ``load`` sees it."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, validate

from proxyhooks.contract.definitions import JsonSchemas
from proxyhooks.contract.type_expressions import TypeExpressions
from tests.support.typescript import needs_compiler, unassignable


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    ROT = 1  # noqa: PIE796


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Day(enum.Enum):
    FIRST = dt.date(2026, 1, 1)


class MaybeColor(enum.Enum):
    NONE = None
    RED = "red"


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Writer(Schema):
    name = fields.String(required=True)
    born = fields.Date(allow_none=True)


class Nick(Schema):
    class Meta:
        unknown = EXCLUDE

    nick = fields.String(allow_none=True, data_key="nick name")
    seen = fields.Integer(dump_only=True)


class Upper(fields.String):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, *args, **kwargs).upper()


class OneOfAnyCase(validate.OneOf):
    def __call__(self, value: Any) -> Any:
        return super().__call__(value.lower())


class Percent(fields.Number[float]):
    num_type = float


class Ordered(fields.Mapping[OrderedDict[Any, Any]]):
    mapping_type = OrderedDict


class Cents(fields.Field[int]):
    """Neither its class nor its methods say what travels."""


class Row(NamedTuple):
    field: fields.Field[Any]
    sent: str
    """The type for ``load``."""
    got: str
    """The type for ``dump``."""
    taken: list[Any]
    """JSON values of the type, which ``load`` takes."""
    refused: list[Any]
    """JSON values of another type, which ``load`` refuses."""
    converted: list[Any] = []  # noqa: RUF012
    """JSON values of another type, which ``load`` converts."""


def is_even(value: int) -> None:
    if value % 2:
        raise ValidationError("odd")


STRING: list[Any] = [1, True, None, [], {}]
NUMBER: list[Any] = ["x", None, [], {}]
ROWS = {
    "string": Row(fields.String(), "string", "string", ["", "é"], STRING),
    "nullable": Row(fields.String(allow_none=True), "string | null", "string | null", ["", None], [1, []]),
    "null as default": Row(fields.String(load_default=None), "string | null", "string | null", [None], [1]),
    "null as dumped default": Row(fields.String(dump_default=None), "string", "string | null", ["a"], [None]),
    "url": Row(fields.Url(), "string", "string", ["https://a.example/"], STRING),
    "relative url": Row(fields.Url(relative=True), "string", "string", ["/a"], STRING),
    "email": Row(fields.Email(), "string", "string", ["a@b.example"], STRING),
    "uuid": Row(fields.UUID(), "string", "string", ["12345678-1234-1234-1234-123456789abc"], STRING),
    "ip": Row(fields.IP(), "string", "string", ["127.0.0.1", "::1"], STRING),
    "ipv4": Row(fields.IPv4(), "string", "string", ["127.0.0.1"], STRING),
    "ipv6": Row(fields.IPv6(exploded=True), "string", "string", ["::1"], STRING),
    "ip interface": Row(fields.IPInterface(), "string", "string", ["127.0.0.1/8"], STRING),
    "ipv4 interface": Row(fields.IPv4Interface(), "string", "string", ["127.0.0.1/8"], STRING),
    "ipv6 interface": Row(fields.IPv6Interface(), "string", "string", ["::1/64"], STRING),
    "datetime": Row(fields.DateTime(), "string", "string", ["2026-01-01T00:00:00"], STRING),
    "rfc822": Row(fields.DateTime("rfc"), "string", "string", ["Wed, 02 Oct 2002 13:00:00 GMT"], STRING),
    "own format": Row(fields.DateTime("%Y"), "string", "string", ["2026"], STRING),
    "timestamp": Row(fields.DateTime("timestamp"), "number", "number", [0, 1.5], [True, *NUMBER], ["1"]),
    "timestamp in ms": Row(fields.DateTime("timestamp_ms"), "number", "number", [1], NUMBER, ["1"]),
    "naive": Row(fields.NaiveDateTime(), "string", "string", ["2026-01-01T00:00:00"], STRING),
    "aware": Row(fields.AwareDateTime(), "string", "string", ["2026-01-01T00:00:00+01:00"], STRING),
    "time": Row(fields.Time(), "string", "string", ["03:12:58"], STRING),
    "date": Row(fields.Date(), "string", "string", ["2026-01-01"], STRING),
    "date in own format": Row(fields.Date("%d.%m.%Y"), "string", "string", ["31.12.2026"], STRING),
    "timedelta": Row(fields.TimeDelta("minutes"), "number", "number", [1, 0.5], NUMBER, ["1", True]),
    "number": Row(Percent(), "number", "number", [0, 1.5], [True, *NUMBER], ["1"]),
    "integer": Row(fields.Integer(), "number", "number", [0, -1, 2**60], [True, *NUMBER], ["1"]),
    "strict integer": Row(fields.Integer(strict=True), "number", "number", [1], [True, "1", *NUMBER]),
    "integer as text": Row(fields.Integer(as_string=True), "string", "string", ["9223372036854775807"], [None], [1]),
    "strict integer as text": Row(fields.Integer(strict=True, as_string=True), "number", "string", [1], ["1", True]),
    "float": Row(fields.Float(), "number", "number", [0, 1.5, 1e300], [True, *NUMBER], ["1.5"]),
    "float as text": Row(fields.Float(as_string=True), "string", "string", ["1.5"], [True, None, []], [1.5]),
    "any float": Row(
        fields.Float(allow_nan=True),
        'number | "NaN" | "Infinity" | "-Infinity"',
        "number",
        [1, "NaN"],
        [True, "x"],
        ["1"],
    ),
    "decimal": Row(fields.Decimal(), "number | string", "number", [1, 0.1, "0.10"], [True, None, [], {}]),
    "decimal as text": Row(fields.Decimal(as_string=True), "string", "string", ["0.1"], [True, None], [0.1]),
    "nullable decimal": Row(
        fields.Decimal(as_string=True, allow_none=True),
        "string | null",
        "string | null",
        ["0.1", None],
        [True, []],
        [1],
    ),
    "any decimal": Row(fields.Decimal(allow_nan=True), "number | string", "number", ["NaN", 1], [True]),
    "boolean": Row(fields.Boolean(), "boolean", "boolean", [True, False], ["x", 2, None, []], [1, 0, "yes"]),
    "anything is a boolean": Row(
        fields.Boolean(truthy=[]), "boolean", "boolean", [True, False], [None], [1, "x", [], {}]
    ),
    "boolean in words": Row(
        fields.Boolean(truthy={"ja"}, falsy={"nein"}), '"ja" | "nein"', "boolean", ["ja", "nein"], [True, False, 1, "x"]
    ),
    "boolean and words": Row(
        fields.Boolean(truthy={True, "ja"}, falsy={False}),
        'false | true | "ja"',
        "boolean",
        [True, "ja"],
        [2, "x"],
        [1, 0],
    ),
    "enum by name": Row(
        fields.Enum(Color), '"RED" | "GREEN" | "ROT"', '"RED" | "GREEN"', ["RED", "ROT"], ["red", 1, None, []]
    ),
    "enum by value": Row(fields.Enum(Color, by_value=True), "1 | 2", "1 | 2", [1, 2], [3, "1", None], [True]),
    "enum by field": Row(
        fields.Enum(Day, by_value=fields.Date), '"2026-01-01"', '"2026-01-01"', ["2026-01-01"], [1, "x"]
    ),
    "enum with null": Row(
        fields.Enum(MaybeColor, by_value=True, allow_none=True),
        'null | "red"',
        'null | "red"',
        [None, "red"],
        [1, "NONE"],
    ),
    "flag by name": Row(fields.Enum(Access), '"READ" | "WRITE"', "string", ["READ"], ["x", 1]),
    "flag by value": Row(fields.Enum(Access, by_value=True), "number", "number", [1, 3], ["x", None]),
    "raw": Row(fields.Raw(), "{}", "unknown", [1, "a", True, [], {}, {"a": None}], [None]),
    "nullable raw": Row(fields.Raw(allow_none=True), "unknown", "unknown", [1, None, {}], []),
    "method": Row(fields.Method(deserialize="read"), "{}", "-", [1, "a", {}], [None]),
    "function": Row(fields.Function(deserialize=str), "{}", "-", [1, "a", {}], [None]),
    "function both ways": Row(
        fields.Function(len, str, validate=validate.OneOf(["1"])), "{}", "unknown", [1, "1"], [None]
    ),
    "computed by method": Row(fields.Method("write"), "-", "unknown", [], []),
    "computed by function": Row(fields.Function(str), "-", "unknown", [], []),
    "own class": Row(Cents(), "{}", "unknown", [1], [None]),
    "own class with metadata": Row(Cents(metadata={"type": "integer"}), "number", "number", [1], [None], ["a", []]),
    "own subclass": Row(Upper(validate=validate.OneOf(["A"])), '"A"', '"A"', ["A"], [1, "b"], ["a"]),
    "constant": Row(fields.Constant("message"), '"message"', '"message"', ["message"], [None], [1, "other"]),
    "null": Row(fields.Constant(None, allow_none=True), "null", "null", [None], [], [1]),
    "constant object": Row(
        fields.Constant({"v": [1, "a", {}]}),
        '{ v: [1, "a", Record<string, never>] }',
        '{ v: [1, "a", Record<string, never>] }',
        [{"v": [1, "a", {}]}],
        [None],
        [{"v": [1]}, 1],
    ),
    "constant that JSON does not have": Row(fields.Constant(Decimal(1)), "{}", "unknown", [1, "x"], [None]),
    "list": Row(
        fields.List(fields.Integer()), "Array<number>", "Array<number>", [[], [1, 2]], [1, "a", {}, [None], [[]]]
    ),
    "list with null": Row(
        fields.List(fields.String(allow_none=True), allow_none=True),
        "Array<string | null> | null",
        "Array<string | null> | null",
        [None, [None, "a"]],
        [[1], {}],
    ),
    "tuple": Row(
        fields.Tuple([fields.String(), fields.Integer(allow_none=True)]),
        "[string, number | null]",
        "[string, number | null]",
        [["a", 1], ["a", None]],
        [["a"], ["a", 1, 2], [1, 1], {}, "ab", []],
    ),
    "empty tuple": Row(fields.Tuple([]), "[]", "[]", [[]], [[1], {}]),
    "dict": Row(fields.Dict(), "Record<string, unknown>", "Record<string, unknown>", [{}, {"a": [1]}], [1, [], "a"]),
    "mapping": Row(
        Ordered(values=fields.Integer()),
        "Record<string, number>",
        "Record<string, number>",
        [{"a": 1}],
        [[], {"a": []}],
    ),
    "dict of values": Row(
        fields.Dict(values=fields.Integer()),
        "Record<string, number>",
        "Record<string, number>",
        [{}, {"a": 1}],
        [{"a": "x"}],
    ),
    "dict by integers": Row(
        fields.Dict(fields.Integer(), fields.String()),
        "Record<number, string>",
        "Record<number, string>",
        [{"5": "a"}],
        [{"a": "a"}, {"5": 1}],
    ),
    "dict by words": Row(
        fields.Dict(fields.Enum(Size, by_value=True), fields.Boolean(allow_none=True)),
        '{ [key in "s" | "l"]?: boolean | null }',
        '{ [key in "s" | "l"]?: boolean | null }',
        [{}, {"s": True, "l": None}],
        [{"m": True}, {"s": "x"}],
    ),
    "dict by numbers of a list": Row(
        fields.Dict(fields.Integer(validate=validate.OneOf([1, 2]))),
        '{ [key in "1" | "2"]?: unknown }',
        '{ [key in "1" | "2"]?: unknown }',
        [{"1": None}],
        [{"3": 1}],
    ),
    "dict by what no key is": Row(
        fields.Dict(fields.Enum(Color, by_value=True)),
        "Record<string, never>",
        '{ [key in "1" | "2"]?: unknown }',
        [{}],
        [{"1": 1}, {"RED": 1}],
    ),
    "nested": Row(
        fields.Nested(Writer),
        "Writer",
        "WriterResult",
        [{"name": "a"}, {"name": "a", "born": None}],
        [{}, {"name": 1}, {"name": "a", "other": 1}, [], "a", None],
    ),
    "nullable nested": Row(
        fields.Nested(Writer, allow_none=True), "Writer | null", "WriterResult | null", [None], [{}]
    ),
    "many nested": Row(
        fields.Nested(Writer, many=True), "Array<Writer>", "Array<WriterResult>", [[]], [{}, [None], None]
    ),
    "many by the schema": Row(fields.Nested(Writer(many=True)), "Array<Writer>", "Array<WriterResult>", [[]], [{}]),
    "nested by name": Row(fields.Nested("Writer"), "Writer", "WriterResult", [{"name": "a"}], [{}]),
    "nested by function": Row(fields.Nested(lambda: Writer()), "Writer", "WriterResult", [{"name": "a"}], [{}]),
    "nested dict": Row(
        fields.Nested({"a": fields.Integer()}), "Generated", "GeneratedResult", [{}, {"a": 1}], [{"a": "x"}, 1]
    ),
    "part of nested": Row(fields.Nested(Writer, only=["born"]), "Writer", "WriterResult", [{}], [{"name": "a"}]),
    "rest of nested": Row(fields.Nested(Writer, exclude=["name"]), "Writer", "WriterResult", [{}], [{"name": "a"}]),
    "nested with others": Row(
        fields.Nested(Writer, unknown=INCLUDE), "Writer", "WriterResult", [{"name": "a", "other": 1}], [{"other": 1}]
    ),
    "partial nested": Row(fields.Nested(Writer(partial=True)), "Writer", "WriterResult", [{}], [{"name": 1}]),
    "dict of nested": Row(
        fields.Dict(values=fields.Nested(Writer)),
        "Record<string, Writer>",
        "Record<string, WriterResult>",
        [{"x": {"name": "a"}}],
        [{"x": {}}],
    ),
    "pluck": Row(fields.Pluck(Writer, "name"), "string", "string", ["a"], [1, None, {}]),
    "many plucked": Row(
        fields.Pluck(Writer, "born", many=True), "Array<string | null>", "Array<string | null>", [[None]], [[1], None]
    ),
    "pluck of nullable": Row(fields.Pluck(Nick, "nick"), "string", "string | null", ["a"], [1, None]),
    "nullable pluck of nullable": Row(
        fields.Pluck(Nick, "nick", allow_none=True), "string | null", "string | null", ["a", None], [1]
    ),
    "pluck of what is dumped alone": Row(
        fields.Pluck(Nick, "seen", unknown=RAISE), "never", "number", [], [1, "a", None]
    ),
    # Validators.
    "one of": Row(fields.String(validate=validate.OneOf(["b", "a"])), '"b" | "a"', '"b" | "a"', ["a"], ["c", 1, None]),
    "one of a set": Row(
        fields.Integer(validate=validate.OneOf({10, 9, 1})), "1 | 9 | 10", "1 | 9 | 10", [9], [2, "x"], ["9"]
    ),
    "one or null": Row(
        fields.String(validate=validate.OneOf(["a"]), allow_none=True), '"a" | null', '"a" | null', ["a", None], ["b"]
    ),
    "null is a choice that is refused": Row(
        fields.String(validate=validate.OneOf(["a", None])), '"a"', '"a" | null', ["a"], [None, "b"]
    ),
    "list of one of": Row(
        fields.List(fields.String(validate=validate.OneOf(["a", "b"]))),
        'Array<"a" | "b">',
        'Array<"a" | "b">',
        [[], ["b"]],
        [["c"], [1]],
    ),
    "one of some lists": Row(
        fields.List(fields.Integer(), validate=validate.OneOf([[1], [1, 2]])),
        "[1] | [1, 2]",
        "[1] | [1, 2]",
        [[1, 2]],
        [[2], []],
    ),
    "one of some decimals": Row(
        fields.Decimal(validate=validate.OneOf([Decimal("0.1"), Decimal(2)])),
        '0.1 | "0.1" | 2 | "2"',
        "0.1 | 2",
        [0.1, "0.1", 2, "2"],
        [1, "x"],
        ["0.10"],
    ),
    "one of some decimals as text": Row(
        fields.Decimal(2, as_string=True, validate=validate.OneOf([Decimal("0.1")])),
        '"0.10"',
        '"0.10"',
        ["0.10"],
        ["x"],
        [0.1],
    ),
    "one of some dates": Row(
        fields.Date(validate=validate.OneOf({dt.date(2026, 2, 1), dt.date(2026, 1, 1)})),
        '"2026-01-01" | "2026-02-01"',
        '"2026-01-01" | "2026-02-01"',
        ["2026-01-01"],
        ["2026-03-01", 1],
    ),
    "one of some durations": Row(
        fields.TimeDelta(validate=validate.OneOf([dt.timedelta(minutes=1)])), "60.0", "60.0", [60], [61, "x"], ["60"]
    ),
    "one of some members": Row(
        fields.Enum(Color, validate=validate.OneOf([Color.RED])), '"RED" | "ROT"', '"RED"', ["RED", "ROT"], ["GREEN"]
    ),
    "one of what no text is": Row(fields.String(validate=validate.OneOf([1])), "never", '"1"', [], ["1", 1]),
    "one of what JSON does not have": Row(
        Cents(validate=validate.OneOf([dt.date(2026, 1, 1)])), "{}", "unknown", [], [None]
    ),
    "one of the keys": Row(fields.String(validate=validate.OneOf({"a": 1})), '"a"', '"a"', ["a"], ["b"]),
    "part of a text": Row(fields.String(validate=validate.OneOf("abc")), "string", "string", ["a", "bc"], STRING),
    "one of, in any case": Row(fields.String(validate=OneOfAnyCase(["a"])), "string", "string", ["a", "A"], [1]),
    "too many to list": Row(fields.Integer(validate=validate.OneOf(range(501))), "number", "number", [500], ["x"]),
    "equal": Row(fields.Integer(validate=validate.Equal(3)), "3", "3", [3], [4, None], ["3"]),
    "true": Row(fields.Boolean(validate=validate.Equal(True)), "true", "true", [True], [False, None], ["yes", 1]),
    "yes": Row(
        fields.Boolean(truthy={"yes"}, falsy={"no"}, validate=validate.Equal(True)),
        '"yes"',
        "true",
        ["yes"],
        [True, "no"],
    ),
    "and": Row(
        fields.Integer(validate=validate.And(validate.OneOf([1, 2, 3]), validate.Range(min=2), is_even)),
        "2 | 3",
        "2 | 3",
        [2],
        [1, 4],
    ),
    "two lists of choices": Row(
        fields.String(validate=[validate.OneOf(["a", "b"]), validate.OneOf(["b", "c"])]),
        '"b"',
        '"b"',
        ["b"],
        ["a", "c"],
    ),
    "none of some choices": Row(
        fields.String(validate=[validate.OneOf(["a", "b"]), validate.NoneOf(["a"])]), '"b"', '"b"', ["b"], ["a"]
    ),
    "none of": Row(fields.String(validate=validate.NoneOf({"b", "a"})), "string", "string", ["c"], STRING),
    "contains only": Row(
        fields.List(fields.String(), validate=validate.ContainsOnly(["a", "b"])),
        'Array<"a" | "b">',
        'Array<"a" | "b">',
        [[], ["a", "a"]],
        [["c"], [1]],
    ),
    "contains only, so no null": Row(
        fields.List(fields.String(allow_none=True), validate=validate.ContainsOnly(["a"])),
        'Array<"a">',
        'Array<"a">',
        [["a"]],
        [[None]],
    ),
    "a tuple contains only": Row(
        fields.Tuple([fields.String(), fields.Integer()], validate=validate.ContainsOnly(["a", 1])),
        '["a", 1]',
        '["a" | "1", 1]',
        [["a", 1]],
        [["b", 1], ["a", 2]],
        [["a", "1"]],
    ),
    "contains none of": Row(
        fields.List(fields.String(validate=validate.OneOf(["a", "b"])), validate=validate.ContainsNoneOf(["b"])),
        'Array<"a">',
        'Array<"a">',
        [["a"], []],
        [["b"]],
    ),
    "predicate": Row(fields.String(validate=validate.Predicate("isdigit")), "string", "string", ["1"], STRING),
    "function that validates": Row(fields.Integer(validate=is_even), "number", "number", [2], [None]),
}


class HasMethods:
    def read(self, value: Any) -> Any:
        return value

    def write(self, value: Any) -> Any:
        return 1


def schema_of(field: fields.Field[Any]) -> type[Schema]:
    """A schema with one field, ``value``."""
    return type("OfRowSchema", (HasMethods, Schema), {"value": field})


def loads(schema: type[Schema], value: Any) -> bool:
    try:
        schema().load({"value": value})
    except ValidationError:
        return False
    return True


def conforms(schemas: JsonSchemas, json_schema: Any, value: Any) -> bool:
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **json_schema,
        "$defs": schemas.definitions(),
    }
    jsonschema.Draft202012Validator.check_schema(document)
    return bool(jsonschema.Draft202012Validator(document).is_valid(value))


def type_of(schemas: JsonSchemas, json_schema: Any) -> str:
    definitions = schemas.definitions()
    (row,) = (definition for name, definition in definitions.items() if json_schema["$ref"] == f"#/$defs/{name}")
    value = row["properties"].get("value")
    return "-" if value is None else TypeExpressions(definitions)(value)


def test_every_field_class_and_validator_is_in_the_table() -> None:
    classes = {cls for cls in vars(fields).values() if isinstance(cls, type) and issubclass(cls, fields.Field)}
    documented = {cls for cls in classes if cls.__name__ in fields.__all__} - {fields.Field}
    found = {cls for row in ROWS.values() for cls in type(row.field).__mro__}
    assert documented - found == set()
    validators = {
        cls for cls in vars(validate).values() if isinstance(cls, type) and issubclass(cls, validate.Validator)
    }
    used = {cls for row in ROWS.values() for validator in row.field.validators for cls in type(validator).__mro__}
    in_keywords = {validate.Length, validate.Range, validate.Regexp}  # which change no type
    assert validators - used == in_keywords


@pytest.mark.parametrize("name", ROWS)
def test_types_are_those_of_the_values_that_travel(name: str) -> None:
    row, schemas = ROWS[name], JsonSchemas()
    schema = schema_of(row.field)
    sent, got = schemas.reference(schema(), "load"), schemas.reference(schema(), "dump")
    assert (type_of(schemas, sent), type_of(schemas, got)) == (row.sent, row.got)
    for value in row.taken:
        assert loads(schema, value), value
        assert conforms(schemas, sent, {"value": value}), value
    for value in row.refused:
        assert not loads(schema, value), value
        assert not conforms(schemas, sent, {"value": value}), value
    for value in row.converted:
        assert loads(schema, value), value
    json.dumps(schemas.definitions(), allow_nan=False)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.sent != "-" and row.got != "-"])
def test_what_is_dumped_conforms_to_the_type_of_results(name: str) -> None:
    row, schemas = ROWS[name], JsonSchemas()
    schema = schema_of(row.field)
    got = schemas.reference(schema(), "dump")
    for value in row.taken:
        if value != {}:  # what is loaded partially may lack what results have
            dumped = json.loads(json.dumps(schema().dump(schema().load({"value": value})), default=float))
            assert conforms(schemas, got, dumped), dumped


@needs_compiler
@pytest.mark.slow
def test_typescript_takes_what_load_takes_and_not_what_it_refuses(tmp_path: Path) -> None:
    schemas = JsonSchemas()
    types = {name: schemas.reference(schema_of(row.field)(), "load") for name, row in ROWS.items()}
    type_of = TypeExpressions(schemas.definitions())
    definitions = schemas.definitions().items()
    module = "".join(
        f"export type {type_of.names[name]} = {type_of(json_schema)};\n" for name, json_schema in definitions
    )

    def values(choose: Callable[[Row], Iterable[Any]]) -> list[tuple[str, Any]]:
        return [
            (f"contract.{type_of(types[name])}", {"value": value})
            for name, row in ROWS.items()
            for value in choose(row)
        ]

    taken, others = values(lambda row: row.taken), values(lambda row: [*row.refused, *row.converted])
    errors = unassignable(module, [*taken, *others], tmp_path)
    assert [(taken[number], text) for number, text in errors.items() if number < len(taken)] == []
    assert [value for number, value in enumerate(others, len(taken)) if number not in errors] == []
