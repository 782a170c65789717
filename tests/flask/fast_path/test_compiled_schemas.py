"""Compiled schemas give what ``load`` and ``dump`` give; schemas that are not plain are not compiled."""

from __future__ import annotations

import enum
import functools
import itertools
import os
import random
from collections.abc import Callable
from typing import Any, Literal

import pytest
from marshmallow import (
    EXCLUDE,
    INCLUDE,
    RAISE,
    Schema,
    ValidationError,
    fields,
    missing,
    post_load,
    pre_dump,
    pre_load,
    validate,
)
from marshmallow.decorators import validates, validates_schema

from proxyhooks._dispatch.dumping import Dumper
from proxyhooks._flask.fast_path.compiled_dump import compile_dump
from proxyhooks._flask.fast_path.compiled_load import compile_load

CASES = int(os.environ.get("PROXYHOOKS_CASES", "6000"))


class Color(enum.Enum):
    RED = "red"


NAN, INF = float("nan"), float("inf")
VALUES: list[Any] = [
    "", "a", "text", "no", "12", "1.5", "true", "2030-01-02", "2030-01-02T03:04:05Z", "a@b.example", "red", "RED",
    "https://a.example", "9f0c1f0e-0000-4000-8000-000000000000", 0, 1, -3, 42, 2**70, 1.0, 1.5, -0.0, 1e300, NAN, -INF,
    [INF], True, False, None, [], ["a"], ["a", 1], ["a", None], [1, 2], [[]], {}, {"a": 1}, {"n": "x"}, {"n": 1},
    [{"n": 1}, {"n": 2}],
]  # fmt: skip
NAMES = ["a", "b", "items", "class", "é", "x y", "a.b"]


def random_field(rng: random.Random, depth: int = 0) -> fields.Field[Any]:
    options: dict[str, Any] = {}
    if rng.random() < 0.2:
        options["allow_none"] = rng.choice([True, False])
    if not depth:
        if rng.random() < 0.3:
            options["required"] = True
        elif rng.random() < 0.3:
            options["load_default"] = rng.choice([None, "default", list, lambda: "made"])
        if rng.random() < 0.2:
            options["data_key"] = rng.choice([*NAMES, "key"])
        if rng.random() < 0.1:
            options["attribute"] = rng.choice(["other", "b", "in.side"])
        if rng.random() < 0.1:
            options[rng.choice(["load_only", "dump_only"])] = True
        if rng.random() < 0.2:
            options["dump_default"] = rng.choice([None, 1, list])
    if rng.random() < 0.3:
        options["validate"] = rng.choice(
            [
                validate.Length(1, 3),
                validate.Length(equal=2),
                validate.Range(0, 10),
                validate.Range(min=1, min_inclusive=False),
                validate.OneOf(["a", 1, 1.5, True]),
                validate.Regexp("^[a-z]*$"),
                validate.Equal("a"),
                validate.NoneOf(["no"]),
                [validate.Length(max=3), validate.OneOf("abc")],
                validate.ContainsOnly(["a"]),
            ]
        )
    unknown: Literal["exclude"] | None
    many, unknown = rng.random() < 0.3, "exclude" if rng.random() < 0.5 else None
    constructors: list[Callable[[], fields.Field[Any]]] = [
        lambda: fields.String(**options),
        lambda: fields.String(**options),
        lambda: fields.Integer(strict=rng.random() < 0.5, as_string=rng.random() < 0.1, **options),
        lambda: fields.Float(allow_nan=rng.random() < 0.2, **options),
        lambda: fields.Boolean(**options),
        lambda: fields.Boolean(truthy={"yes"}, **options),
        lambda: fields.Raw(**options),
        lambda: fields.Dict(**options),
        lambda: fields.Dict(keys=fields.String(), values=fields.Integer(), **options),
        lambda: fields.Date(**options),
        lambda: fields.DateTime(**options),
        lambda: fields.UUID(**options),
        lambda: fields.Decimal(**options),
        lambda: fields.Email(**options),
        lambda: fields.URL(**options),
        lambda: fields.Enum(Color, **options),
        lambda: fields.Enum(Color, by_value=True, **options),
        lambda: fields.List(random_field(rng, depth + 1), **options),
        lambda: fields.List(fields.String(), **options),
        lambda: fields.Nested(random_schema(rng, depth + 1), many=many, unknown=unknown, **options),
        lambda: fields.Nested({"n": fields.Integer(required=True)}, many=many, **options),
    ]
    return rng.choice(constructors[:-4] if depth > 2 else constructors)()


def random_schema(rng: random.Random, depth: int = 0) -> Schema:
    names = rng.sample(NAMES, rng.randrange(1, 5))
    cls: Any = Schema.from_dict(
        {name: random_field(rng, depth and depth + 1) for name in names}, name=f"Generated{depth}"
    )
    try:
        schema: Schema = cls(unknown=rng.choice([RAISE, RAISE, EXCLUDE, INCLUDE]), many=rng.random() < 0.05)
    except ValueError:  # two fields have one data_key
        return random_schema(rng, depth)
    return schema


def random_value(rng: random.Random) -> Any:
    if rng.random() < 0.03:
        return rng.choice(VALUES)
    value = {name: rng.choice(VALUES) for name in rng.sample([*NAMES, "key", "n", "other"], rng.randrange(6))}
    return [value] if rng.random() < 0.03 else value


def outcome(convert: Callable[[Any], Any], given: Any) -> Any:
    try:
        return repr(convert(given))
    except ValidationError as error:
        return error.messages
    except Exception as error:
        return repr(error)


def mostly_valid_value(rng: random.Random, schema: Schema) -> Any:
    """Return a dict with a valid value for most fields."""
    value = {}
    for name, field in schema.fields.items():
        if rng.random() < 0.9:
            key = name if field.data_key is None else field.data_key
            valid = [item for item in VALUES if not _is_invalid(field, item)]
            value[key] = rng.choice(valid or VALUES)
    return value


def _is_invalid(field: fields.Field[Any], item: Any) -> bool:
    try:
        field.deserialize(item)
    except Exception:
        return True
    return False


def test_generated_schemas_and_values() -> None:
    loaded = dumped = valid = 0
    for number in range(CASES // 20):
        rng = random.Random(f"schema {number}")
        schema = random_schema(rng)
        load, dump = compile_load(schema), compile_dump(schema)
        loaded, dumped = loaded + bool(load), dumped + bool(dump)
        for _ in range(20):
            given = random_value(rng) if rng.random() < 0.5 else mostly_valid_value(rng, schema)
            if load is not None:
                expected = outcome(schema.load, given)
                assert outcome(load, given) == expected, (number, schema.fields, given)
                valid += isinstance(expected, str)
            if dump is not None:
                assert outcome(dump, given) == outcome(schema.dump, given), (number, schema.fields, given)
                plain, fast = Dumper(schema, "data"), Dumper(schema, "data")
                fast.dump = dump
                assert outcome(fast, given) == outcome(plain, given), (number, schema.fields, given)
    assert min(loaded, dumped) > CASES // 20 // 10
    assert valid > CASES // 20


class Flat(Schema):
    text = fields.String(required=True)


def _flat_with(**members: Any) -> Schema:
    schema = type("Own", (Flat,), members)()
    assert isinstance(schema, Schema)
    return schema


class OwnField(fields.String):
    pass


class SelfNested(Schema):
    inner = fields.Nested(lambda: SelfNested())


def schema_with_patched_load() -> Schema:
    schema = Flat()
    vars(schema)["load"] = lambda data: "own"
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        _flat_with(hook=pre_load(lambda self, data, **_: data)),
        _flat_with(hook=post_load(lambda self, data, **_: data)),
        _flat_with(hook=validates("text")(lambda self, value, data_key: None)),
        _flat_with(hook=validates_schema(lambda self, data, **_: None)),
        _flat_with(load=lambda self, data, **_: data),
        _flat_with(_deserialize=lambda self, data, **_: data),
        _flat_with(dict_class=property(lambda self: dict)),
        _flat_with(own=OwnField()),
        _flat_with(own=fields.String(validate=lambda value: None)),
        _flat_with(own=fields.Function(deserialize=lambda value: value)),
        _flat_with(own=fields.String(attribute="in.side")),
        _flat_with(**{"in.side": fields.String()}),
        _flat_with(own=fields.List(OwnField())),
        _flat_with(own=fields.Nested(_flat_with(own=OwnField()))),
        _flat_with(own=fields.Boolean(truthy={"yes"})),
        _flat_with(own=fields.Nested("NobodyHasMadeThisOne")),
        _flat_with(own=fields.Nested(_flat_with(own=fields.Integer(load_default=lambda: 1)))),
        _flat_with(own=fields.String(load_default=lambda: missing)),
        _flat_with(own=fields.Enum(Color, by_value=OwnField())),
        _flat_with(own=fields.String(data_key="text", load_only=True)),
        _flat_with(_call_and_store=staticmethod(lambda getter_func, data, **_: getter_func(data))),
        Flat(partial=True),
        Flat(unknown=INCLUDE),
        SelfNested(),
        schema_with_patched_load(),
    ],
)  # fmt: skip
def test_a_schema_that_is_not_plain_is_not_compiled_for_load(schema: Schema) -> None:
    assert compile_load(schema) is None


def test_a_schema_that_is_not_plain_is_not_compiled_for_dump() -> None:
    for schema in (
        _flat_with(hook=pre_dump(lambda self, data, **_: data)),
        _flat_with(get_attribute=lambda self, obj, attr, default: 1),
        _flat_with(own=OwnField()),
        _flat_with(own=fields.Integer(as_string=True)),
        _flat_with(own=fields.Function(lambda value: 1)),
        _flat_with(own=fields.Nested("NobodyHasMadeThisOne")),
        _flat_with(own=fields.Integer(dump_default=lambda: 1)),
        SelfNested(),
    ):
        assert compile_dump(schema) is None


@pytest.mark.parametrize(("cls", "name"), [(fields.String, "_deserialize"), (Schema, "load")])
def test_schemas_are_not_compiled_if_a_tool_has_wrapped_marshmallow(
    cls: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compile_load(Flat()) is not None
    stock = getattr(cls, name)
    monkeypatch.setattr(cls, name, functools.wraps(stock)(lambda *args, **kwargs: stock(*args, **kwargs)))
    assert compile_load(Flat()) is None


def test_default_functions_run_once_for_each_payload() -> None:
    numbers = itertools.count()
    schema: Schema = Schema.from_dict(
        {"a": fields.Integer(load_default=lambda: next(numbers)), "b": fields.Integer()}
    )()
    load = compile_load(schema) or schema.load
    assert [load({"b": "7"})["a"] for _ in range(3)] == [0, 1, 2]


def test_compiled_functions_do_not_call_marshmallow(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = Flat()
    load, dump = compile_load(schema), compile_dump(schema)
    assert load is not None
    assert dump is not None
    monkeypatch.setattr(Schema, "_do_load", None)
    monkeypatch.setattr(Schema, "_serialize", None)
    assert load({"text": "a"}) == dump({"text": "a"}) == {"text": "a"}


def test_only_schemas_are_compiled() -> None:
    assert compile_load(None) is compile_load(len) is compile_dump(None) is None
