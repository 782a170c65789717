"""Random marshmallow schemas, and values that their types take or do not take."""

from __future__ import annotations

import datetime as dt
import enum
import random
import string
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, fields, validate

# Several classes have the same name; some names mean something in TypeScript or in the contract.
CLASS_NAMES = [
    "Note",
    "NoteSchema",
    "ItemResult",
    "Item",
    "Meta",
    "ConnectData",
    "Record",
    "Array",
    "string",
    "Größe",
    "X$",
]
KEYS = ["größe", "a b", "5", "", "__proto__", "class", "it's", 'say "hi"', "a\nb", "\u2028", "日本", "é"]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Made(NamedTuple):
    """A field, and functions that return JSON values."""

    field: fields.Field[Any]
    right: Callable[[], Any]
    """Of the field's type, and valid."""
    wrong: Callable[[], Any] | None
    """Of another type, or none of the values that the type lists; None if there is no such value."""
    outside: Callable[[], Any] | None = None
    """Of the field's type, and refused by a validator: only JSON Schema can say so."""
    is_leaf: bool = True


class MadeSchema(NamedTuple):
    schema: Schema
    right: Callable[[], Any]
    wrong: Callable[[], Any]
    outside: Callable[[], Any] | None
    any_partial: bool
    """Whether a schema in it is loaded partially, so that a result may lack what is required."""


def text(rng: random.Random, low: int = 0, high: int = 6) -> str:
    return "".join(rng.choices(string.ascii_letters + "é '\"\\\n\u2028", k=rng.randint(low, high)))


class Generator:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.any_partial = False

    def pick(self, *values: Any) -> Callable[[], Any]:
        return lambda: self.rng.choice(values)

    def string(self, **options: Any) -> Made:
        rng, not_text = self.rng, self.pick(1, 1.5, True, [], {}, ["a"])
        choices = [text(rng, 1) + str(number) for number in range(rng.randint(1, 4))]
        return rng.choice(
            [
                lambda: Made(fields.String(**options), lambda: text(rng), not_text),
                lambda: Made(
                    fields.String(validate=validate.Length(min=2, max=4), **options),
                    lambda: text(rng, 2, 4),
                    not_text,
                    lambda: rng.choice(["a", "abcde"]),
                ),
                lambda: Made(
                    fields.String(validate=validate.Regexp(r"[a-z]+(-[0-9]{2,})?\Z"), **options),
                    self.pick("abc", "a-12"),
                    not_text,
                    self.pick("", "A", "a-1", "a12"),
                ),
                lambda: Made(
                    fields.String(validate=validate.NoneOf(set(choices)), **options),
                    lambda: "other",
                    not_text,
                    self.pick(*choices),
                ),
                lambda: Made(
                    fields.String(validate=validate.OneOf(rng.choice([choices, set(choices)])), **options),
                    self.pick(*choices),
                    self.pick("none", 1, []),
                ),
                lambda: Made(
                    fields.String(validate=validate.Equal(choices[0]), **options),
                    self.pick(choices[0]),
                    self.pick("none", 1, []),
                ),
            ]
        )()

    def number(self, **options: Any) -> Made:
        rng, wrong = self.rng, self.pick(True, "x", [], {}, [1])
        low = rng.randint(-5, 5)
        between = [validate.Range(low, low + 3)]
        inside, outside = (lambda: rng.randint(low, low + 3)), self.pick(low - 1, low + 4)
        return rng.choice(
            [
                lambda: Made(fields.Integer(**options), lambda: rng.randint(-(2**40), 2**40), wrong),
                lambda: Made(fields.Integer(strict=True, validate=between, **options), inside, wrong, outside),
                lambda: Made(
                    fields.Integer(as_string=True, **options), lambda: str(rng.randint(-9, 9)), self.pick(True, [])
                ),
                lambda: Made(
                    fields.Integer(validate=[*between, validate.OneOf({low, low + 1, low + 9})], **options),
                    self.pick(low, low + 1),
                    self.pick(low + 9, low + 2, "x", None if not options.get("allow_none") else True),
                ),
                lambda: Made(fields.Float(**options), lambda: rng.choice([1, 0.5, -2.25]), wrong),
                lambda: Made(
                    fields.Float(validate=validate.Range(min=0, min_inclusive=False, max=float("inf")), **options),
                    lambda: rng.choice([1, 0.5]),
                    wrong,
                    self.pick(0, -1.5),
                ),
                lambda: Made(
                    fields.Decimal(validate=validate.Range(min=Decimal("0.01")), **options),
                    self.pick(1, 0.01, "0.01", "12.5"),
                    self.pick(True, [], {}),
                    self.pick(0, 0.001),
                ),
                lambda: Made(
                    fields.Decimal(as_string=True, **options), self.pick("1", "0.50"), self.pick(True, [], {})
                ),
                lambda: Made(
                    fields.Decimal(validate=validate.OneOf([Decimal("0.1"), Decimal(2)]), **options),
                    self.pick(0.1, "0.1", 2, "2"),
                    self.pick(3, "0.2", "x", True),
                ),
                lambda: Made(
                    fields.TimeDelta(validate=validate.Range(max=dt.timedelta(minutes=1)), **options),
                    self.pick(60, 0.5),
                    self.pick("x", [], {}),
                    self.pick(61),
                ),
                lambda: Made(fields.DateTime("timestamp", **options), self.pick(0, 1.5), wrong),
            ]
        )()

    def other(self, **options: Any) -> Made:
        not_text = self.pick(1, True, [], {})
        day = dt.date(2026, 1, 1)
        return self.rng.choice(
            [
                lambda: Made(fields.Boolean(**options), self.pick(True, False), self.pick("x", 2, [], {})),
                lambda: Made(
                    fields.Boolean(truthy={"ja"}, falsy={"nein", 0}, **options),
                    self.pick("ja", 0, False),
                    self.pick("x", True),
                ),
                lambda: Made(fields.Date(**options), self.pick("2026-01-01"), not_text),
                lambda: Made(
                    fields.Date(validate=[validate.OneOf({day}), validate.Range(min=day)], **options),
                    self.pick("2026-01-01"),
                    self.pick("2026-01-02", "x", 1),
                ),
                lambda: Made(fields.DateTime(**options), self.pick("2026-01-01T00:00:00"), not_text),
                lambda: Made(fields.AwareDateTime(**options), self.pick("2026-01-01T00:00:00+01:00"), not_text),
                lambda: Made(fields.Time(**options), self.pick("03:12:58"), not_text),
                lambda: Made(fields.UUID(**options), self.pick("12345678-1234-1234-1234-123456789abc"), not_text),
                lambda: Made(fields.IPv4(**options), self.pick("127.0.0.1"), not_text),
                lambda: Made(fields.Url(**options), self.pick("https://a.example"), not_text),
                lambda: Made(fields.Email(**options), self.pick("a@b.example"), not_text),
                lambda: Made(fields.Enum(Color, **options), self.pick("RED", "GREEN"), self.pick("BLUE", 1, [])),
                lambda: Made(
                    fields.Enum(Color, by_value=True, validate=validate.NoneOf([Color.RED]), **options),
                    self.pick(2),
                    self.pick(1, 3, "RED"),
                ),
                lambda: Made(
                    fields.Constant({"kind": ["a", 1]}, **options), self.pick({"kind": ["a", 1]}), None, is_leaf=False
                ),
                lambda: Made(
                    fields.Float(allow_nan=True, as_string=True, **options),
                    self.pick("NaN", "0.5"),
                    self.pick(True, []),
                ),
                lambda: Made(
                    fields.Function(lambda obj: 1, str, **options), self.pick("", [1], {"a": 1}), None, is_leaf=False
                ),
                lambda: Made(fields.Raw(**options), self.pick(1, "a", True, [None], {"a": {}}), None),
            ]
        )()

    def container(self, depth: int, **options: Any) -> Made:
        rng = self.rng
        inner = self.made(depth - 1, allow_none=rng.random() < 0.2)
        nested = self.schema(depth - 1, many=False)
        one = nested.schema
        several = type(one)(many=True, partial=one.partial, exclude=one.exclude)
        not_list, not_object = self.pick(1, "a", True, {}), self.pick(1, "a", True, [])

        def items(low: int = 0, high: int = 3) -> list[Any]:
            return [inner.right() for _ in range(rng.randint(low, high))]

        def some(wrong: Callable[[], Any] | None, inside: Callable[[Any], Any], otherwise: Callable[[], Any]) -> Any:
            return (lambda: inside(wrong()) if rng.random() < 0.7 else otherwise()) if wrong else otherwise

        def outside(inside: Callable[[Any], Any], made: Made | MadeSchema) -> Any:
            beyond = made.outside
            return (lambda: inside(beyond())) if beyond else None

        def with_pluck() -> Made:
            unknown: Any = rng.choice([RAISE, INCLUDE])
            cls = self.new_class({"plucked": inner.field})
            is_many = rng.random() < 0.5
            field = fields.Pluck(cls, "plucked", many=is_many, unknown=unknown, **options)
            if is_many:
                return Made(field, items, some(inner.wrong, lambda value: [value], not_list), None, is_leaf=False)
            return Made(
                field,
                lambda: next(value for value in iter(inner.right, self) if value is not None),
                inner.wrong,
                inner.outside,
                is_leaf=False,
            )

        return rng.choice(
            [
                lambda: Made(
                    fields.List(inner.field, **options),
                    items,
                    some(inner.wrong, lambda value: [*items(), value], not_list),
                    outside(lambda value: [value], inner),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.List(inner.field, validate=validate.Length(equal=2), **options),
                    lambda: items(2, 2),
                    some(inner.wrong, lambda value: [value, inner.right()], not_list),
                    lambda: rng.choice([items(1, 1), items(3, 3)]),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.List(fields.String(), validate=validate.ContainsOnly({"a", "b"}), **options),
                    self.pick([], ["a"], ["a", "b", "a"]),
                    self.pick(["c"], [1], ["a", None], "a"),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.Tuple([inner.field, fields.Boolean()], **options),
                    lambda: [inner.right(), True],
                    some(inner.wrong, lambda value: [value, True], self.pick(1, "ab", {}, [], [True], [1, True, 2])),
                    outside(lambda value: [value, False], inner),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.Dict(values=inner.field, **options),
                    lambda: {text(rng): inner.right() for _ in range(rng.randint(0, 2))},
                    some(inner.wrong, lambda value: {"a": value}, not_object),
                    outside(lambda value: {"a": value}, inner),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.Dict(fields.Integer(), inner.field, validate=validate.Length(min=1), **options),
                    lambda: {str(rng.randint(-9, 9)): inner.right()},
                    some(inner.wrong, lambda value: {"1": value}, lambda: {"m": inner.right()}),
                    dict,
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.Dict(fields.Enum(Size, by_value=True), inner.field, **options),
                    lambda: {rng.choice("sl"): inner.right()},
                    some(inner.wrong, lambda value: {"s": value}, lambda: {"m": inner.right()}),
                    is_leaf=False,
                ),
                lambda: Made(
                    fields.Nested(nested.schema, **options), nested.right, nested.wrong, nested.outside, is_leaf=False
                ),
                lambda: Made(
                    fields.Nested(lambda: several, **options),
                    lambda: [nested.right() for _ in range(rng.randint(0, 2))],
                    some(nested.wrong, lambda value: [value], not_list),
                    outside(lambda value: [value], nested),
                    is_leaf=False,
                ),
                with_pluck,
            ]
        )()

    def made(self, depth: int, **options: Any) -> Made:
        """A field, which is nullable if the options say so."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.4:
            made = self.container(depth, **options)
        else:
            made = rng.choice([self.string, self.number, self.other])(**options)
        right, wrong = made.right, made.wrong
        if options.get("allow_none"):
            return made._replace(right=lambda: None if rng.random() < 0.2 else right())
        return made._replace(wrong=lambda: None if wrong is None or rng.random() < 0.2 else wrong())

    def new_class(self, members: dict[str, Any], unknown: str = RAISE) -> type[Schema]:
        meta = type("Meta", (), {"unknown": unknown, "register": False})
        return type(self.rng.choice(CLASS_NAMES), (Schema,), {**members, "Meta": meta})

    def schema(self, depth: int, many: bool | None = None) -> MadeSchema:
        rng = self.rng
        made: dict[str, Made] = {}
        keys = rng.sample(KEYS, rng.randint(1, 4))
        for number, key in enumerate(keys):
            options: dict[str, Any] = {"allow_none": rng.random() < 0.2, "required": rng.random() < 0.5}
            options |= {"data_key": key} if rng.random() < 0.7 else {}
            options |= {"attribute": f"other_{number}"} if rng.random() < 0.2 else {}
            options |= {"load_only": True} if rng.random() < 0.1 else {}
            member = self.made(depth, **options)
            if member.is_leaf and not member.field.required and rng.random() < 0.3:
                member.field.load_default = member.field.deserialize(member.right())
            made[f"field_{number}"] = member
        dumped_only = fields.String(dump_only=True, dump_default=rng.choice(["", None]))
        unknown = rng.choice([RAISE, EXCLUDE, INCLUDE])
        cls = self.new_class(
            {name: member.field for name, member in made.items()} | {"only_dumped": dumped_only}, unknown
        )
        if many is None:
            many = rng.random() < 0.15
        excluded = ["field_0"] if len(made) > 1 and rng.random() < 0.15 else []
        kept = {name: member for name, member in made.items() if name not in excluded}
        partial: Any = rng.choice([None] * 8 + [True, ["field_0"]])
        if self.any_partial and partial is not True:
            partial = None  # a list of fields comes before what the schemas in it say
        self.any_partial |= partial is not None
        schema = cls(many=many, partial=partial, exclude=excluded)
        key_of = {
            name: name if schema.fields[name].data_key is None else str(schema.fields[name].data_key) for name in kept
        }
        may_be_missing = {
            key_of[name] for name, member in kept.items()
            if not member.field.required or partial is True or (isinstance(partial, list) and name in partial)
        }  # fmt: skip

        def right() -> dict[str, Any]:
            value = {
                key_of[name]: member.right()
                for name, member in kept.items()
                if key_of[name] not in may_be_missing or rng.random() < 0.7
            }
            return value | ({"more": [1]} if unknown == INCLUDE and rng.random() < 0.3 else {})

        def wrong() -> Any:
            value = right()

            def with_field(key: str, bad: Callable[[], Any]) -> Callable[[], Any]:
                return lambda: value | {key: bad()}

            def without(missing: str) -> Callable[[], Any]:
                return lambda: {key: item for key, item in value.items() if key != missing}

            faults: list[Callable[[], Any]] = [self.pick(1, "a", True, [])]
            for name, member in kept.items():
                if member.wrong is not None:
                    faults.append(with_field(key_of[name], member.wrong))
            faults += map(without, sorted(set(key_of.values()) - may_be_missing))
            if unknown == RAISE:
                faults.append(lambda: value | {"more": 1})
            return rng.choice(faults)()

        beyond = [(key_of[name], member.outside) for name, member in kept.items() if member.outside is not None]

        def outside() -> Any:
            key, bad = rng.choice(beyond)
            return right() | {key: bad()}

        if many:
            return MadeSchema(
                schema,
                lambda: [right() for _ in range(rng.randint(0, 2))],
                lambda: rng.choice([{}, [right(), wrong()]]),
                (lambda: [outside()]) if beyond else None,
                self.any_partial,
            )
        return MadeSchema(schema, right, wrong, outside if beyond else None, self.any_partial)
