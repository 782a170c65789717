"""What stands in for ``load`` and ``dump`` of plain schemas gives what they give, and of others nothing stands in."""

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


def field(chance: random.Random, deep: int = 0) -> fields.Field[Any]:
    options: dict[str, Any] = {}
    if chance.random() < 0.2:
        options["allow_none"] = chance.choice([True, False])
    if not deep:
        if chance.random() < 0.3:
            options["required"] = True
        elif chance.random() < 0.3:
            options["load_default"] = chance.choice([None, "default", list, lambda: "made"])
        if chance.random() < 0.2:
            options["data_key"] = chance.choice([*NAMES, "key"])
        if chance.random() < 0.1:
            options["attribute"] = chance.choice(["other", "b", "in.side"])
        if chance.random() < 0.1:
            options[chance.choice(["load_only", "dump_only"])] = True
        if chance.random() < 0.2:
            options["dump_default"] = chance.choice([None, 1, list])
    if chance.random() < 0.3:
        options["validate"] = chance.choice(
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
    many, unknown = chance.random() < 0.3, "exclude" if chance.random() < 0.5 else None
    made: list[Callable[[], fields.Field[Any]]] = [
        lambda: fields.String(**options),
        lambda: fields.String(**options),
        lambda: fields.Integer(strict=chance.random() < 0.5, as_string=chance.random() < 0.1, **options),
        lambda: fields.Float(allow_nan=chance.random() < 0.2, **options),
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
        lambda: fields.List(field(chance, deep + 1), **options),
        lambda: fields.List(fields.String(), **options),
        lambda: fields.Nested(schema(chance, deep + 1), many=many, unknown=unknown, **options),
        lambda: fields.Nested({"n": fields.Integer(required=True)}, many=many, **options),
    ]
    return chance.choice(made[:-4] if deep > 2 else made)()


def schema(chance: random.Random, deep: int = 0) -> Schema:
    names = chance.sample(NAMES, chance.randrange(1, 5))
    cls: Any = Schema.from_dict({name: field(chance, deep and deep + 1) for name in names}, name=f"Generated{deep}")
    try:
        made: Schema = cls(unknown=chance.choice([RAISE, RAISE, EXCLUDE, INCLUDE]), many=chance.random() < 0.05)
    except ValueError:  # two fields by one key
        return schema(chance, deep)
    return made


def value(chance: random.Random) -> Any:
    if chance.random() < 0.03:
        return chance.choice(VALUES)
    made = {name: chance.choice(VALUES) for name in chance.sample([*NAMES, "key", "n", "other"], chance.randrange(6))}
    return [made] if chance.random() < 0.03 else made


def outcome(convert: Callable[[Any], Any], given: Any) -> Any:
    try:
        return repr(convert(given))
    except ValidationError as error:
        return error.messages
    except Exception as error:
        return repr(error)


def fitting(chance: random.Random, schema: Schema) -> Any:
    """A value of which many a part fits."""
    made = {}
    for name, declared in schema.fields.items():
        if chance.random() < 0.9:
            key = name if declared.data_key is None else declared.data_key
            fits = [item for item in VALUES if not _refuses(declared, item)]
            made[key] = chance.choice(fits or VALUES)
    return made


def _refuses(declared: fields.Field[Any], item: Any) -> bool:
    try:
        declared.deserialize(item)
    except Exception:
        return True
    return False


def test_generated_schemas_and_values() -> None:
    loaded = dumped = fine = 0
    for number in range(CASES // 20):
        chance = random.Random(f"schema {number}")
        made = schema(chance)
        load, dump = compile_load(made), compile_dump(made)
        loaded, dumped = loaded + bool(load), dumped + bool(dump)
        for _ in range(20):
            given = value(chance) if chance.random() < 0.5 else fitting(chance, made)
            if load is not None:
                expected = outcome(made.load, given)
                assert outcome(load, given) == expected, (number, made.fields, given)
                fine += isinstance(expected, str)
            if dump is not None:
                assert outcome(dump, given) == outcome(made.dump, given), (number, made.fields, given)
    assert min(loaded, dumped) > CASES // 20 // 10
    assert fine > CASES // 20


class Flat(Schema):
    text = fields.String(required=True)


def _with(**members: Any) -> Schema:
    made = type("Own", (Flat,), members)()
    assert isinstance(made, Schema)
    return made


class OwnField(fields.String):
    pass


class Selfish(Schema):
    inner = fields.Nested(lambda: Selfish())


def patched() -> Schema:
    made = Flat()
    vars(made)["load"] = lambda data: "own"
    return made


@pytest.mark.parametrize(
    "schema",
    [
        _with(hook=pre_load(lambda self, data, **_: data)),
        _with(hook=post_load(lambda self, data, **_: data)),
        _with(hook=validates("text")(lambda self, value, data_key: None)),
        _with(hook=validates_schema(lambda self, data, **_: None)),
        _with(load=lambda self, data, **_: data),
        _with(_deserialize=lambda self, data, **_: data),
        _with(dict_class=property(lambda self: dict)),
        _with(own=OwnField()),
        _with(own=fields.String(validate=lambda value: None)),
        _with(own=fields.Function(deserialize=lambda value: value)),
        _with(own=fields.String(attribute="in.side")),
        _with(**{"in.side": fields.String()}),
        _with(own=fields.List(OwnField())),
        _with(own=fields.Nested(_with(own=OwnField()))),
        _with(own=fields.Boolean(truthy={"yes"})),
        _with(own=fields.Nested("NobodyHasMadeThisOne")),
        _with(own=fields.Nested(_with(own=fields.Integer(load_default=lambda: 1)))),
        _with(own=fields.String(load_default=lambda: missing)),
        _with(own=fields.Enum(Color, by_value=OwnField())),
        _with(own=fields.String(data_key="text", load_only=True)),
        _with(_call_and_store=staticmethod(lambda getter_func, data, **_: getter_func(data))),
        Flat(partial=True),
        Flat(unknown=INCLUDE),
        Selfish(),
        patched(),
    ],
)  # fmt: skip
def test_of_what_is_not_plain_marshmallow_does_the_loading(schema: Schema) -> None:
    assert compile_load(schema) is None


def test_of_what_is_not_plain_marshmallow_does_the_dumping() -> None:
    for schema in (
        _with(hook=pre_dump(lambda self, data, **_: data)),
        _with(get_attribute=lambda self, obj, attr, default: 1),
        _with(own=OwnField()),
        _with(own=fields.Integer(as_string=True)),
        _with(own=fields.Function(lambda value: 1)),
        _with(own=fields.Nested("NobodyHasMadeThisOne")),
        _with(own=fields.Integer(dump_default=lambda: 1)),
        Selfish(),
    ):
        assert compile_dump(schema) is None


@pytest.mark.parametrize(("cls", "name"), [(fields.String, "_deserialize"), (Schema, "load")])
def test_marshmallow_as_a_tool_has_changed_it_does_all_itself(
    cls: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compile_load(Flat()) is not None
    stock = getattr(cls, name)
    monkeypatch.setattr(cls, name, functools.wraps(stock)(lambda *args, **kwargs: stock(*args, **kwargs)))
    assert compile_load(Flat()) is None


def test_functions_that_make_defaults_run_once_for_each_payload() -> None:
    numbers = itertools.count()
    schema: Schema = Schema.from_dict(
        {"a": fields.Integer(load_default=lambda: next(numbers)), "b": fields.Integer()}
    )()
    load = compile_load(schema) or schema.load
    assert [load({"b": "7"})["a"] for _ in range(3)] == [0, 1, 2]


def test_plain_ones_are_not_left_to_marshmallow(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = Flat()
    load, dump = compile_load(schema), compile_dump(schema)
    assert load is not None
    assert dump is not None
    monkeypatch.setattr(Schema, "_do_load", None)
    monkeypatch.setattr(Schema, "_serialize", None)
    assert load({"text": "a"}) == dump({"text": "a"}) == {"text": "a"}


def test_what_is_no_schema_has_none() -> None:
    assert compile_load(None) is compile_load(len) is compile_dump(None) is None
