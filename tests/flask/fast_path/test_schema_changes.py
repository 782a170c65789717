"""A schema that is changed after its first use is seen at once, on the fast path as by marshmallow."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, validate

from proxyhooks import ProxyHooks, RPCResult
from proxyhooks._flask.fast_path.compiled_dump import compile_dump
from proxyhooks._flask.fast_path.compiled_load import compile_load
from tests.flask.fast_path.test_compiled_schemas import (
    NAMES,
    mostly_valid_value,
    outcome,
    random_field,
    random_schema,
    random_value,
)

CASES = int(os.environ.get("PROXYHOOKS_CASES", "6000"))


def refuse(value: Any) -> None:
    raise ValidationError("no")


class EqualToEverything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class EqualValidator(EqualToEverything):
    def __call__(self, value: Any) -> None:
        raise ValidationError("no")


class EqualField(EqualToEverything, fields.Integer):
    pass


def make_schema(*, exclude: tuple[str, ...] = ()) -> Schema:
    """An instance of a new class, as the instances of one class share the lists of validators."""
    inner: Any = Schema.from_dict({"number": fields.Integer(required=True)}, name="Inner")
    base: Any = type("Base", (Schema,), {})
    message: Any = base.from_dict(
        {
            "text": fields.String(required=True, validate=validate.Length(max=5)),
            "kind": fields.String(load_default="a", allow_none=True),
            "flag": fields.Boolean(),
            "names": fields.List(fields.String(validate=validate.Length(max=5))),
            "inner": fields.Nested(inner),
            "inners": fields.List(fields.Nested(inner)),
            "extra": fields.Dict(),
        },
        name="Message",
    )
    schema: Schema = message(exclude=exclude)
    return schema


VALID = {"text": "hi", "flag": True, "names": ["a"], "inner": {"number": 1}, "inners": [{"number": 1}], "extra": {}}


def text(schema: Any) -> Any:
    return schema.fields["text"]


def put_field(schema: Any, name: str, field: Any) -> None:
    field._bind_to_schema(name, schema)
    schema.fields[name] = schema.load_fields[name] = schema.dump_fields[name] = field


def added(field: Any, name: str, function: Any) -> None:
    """Append to a list that marshmallow has from 4.3 on."""
    vars(field).setdefault(name, []).append(function)


def set_on(path: str, name: str, value: Any) -> Callable[[Any], None]:
    """A change of one attribute of a field: ``names.inner`` is the field of the items."""

    def change(schema: Any) -> None:
        first, *rest = path.split(".")
        owner = schema.fields[first]
        for part in rest:
            owner = getattr(owner, part)
        setattr(owner, name, value)

    return change


CHANGES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "unknown": (lambda s: setattr(s, "unknown", EXCLUDE), {**VALID, "more": 1}),
    "unknown include": (lambda s: setattr(s, "unknown", INCLUDE), {**VALID, "more": 1}),
    "partial": (lambda s: setattr(s, "partial", True), {}),
    "many": (lambda s: setattr(s, "many", True), [VALID]),
    "required": (set_on("kind", "required", True), VALID),
    "no longer required": (set_on("text", "required", False), {}),
    "allow_none": (set_on("text", "allow_none", True), {"text": None}),
    "no longer allow_none": (set_on("kind", "allow_none", False), {**VALID, "kind": None}),
    "allow_none of items": (set_on("names.inner", "allow_none", True), {**VALID, "names": [None]}),
    "validators.append": (lambda s: text(s).validators.append(refuse), VALID),
    "validators.append to none": (lambda s: s.fields["flag"].validators.append(refuse), VALID),
    "validators.clear": (lambda s: text(s).validators.clear(), {**VALID, "text": "too long"}),
    "validators replaced": (set_on("text", "validators", [refuse]), VALID),
    "a validator that equals the former": (lambda s: text(s).validators.__setitem__(0, EqualValidator()), VALID),
    "a field that equals the former": (lambda s: put_field(s, "text", EqualField()), {**VALID, "text": "1"}),
    "a field of another name": (
        lambda s: [part.update(other=part.pop("text")) for part in (s.fields, s.load_fields)],
        VALID,
    ),
    "validators of items": (lambda s: s.fields["names"].inner.validators.append(refuse), VALID),
    "an attribute of a validator": (lambda s: setattr(text(s).validators[0], "max", 1), VALID),
    "load_default": (set_on("kind", "load_default", "b"), VALID),
    "load_default of another type": (set_on("kind", "load_default", 1), VALID),
    "a new load_default": (set_on("flag", "load_default", True), {"text": "hi"}),
    "data_key": (set_on("text", "data_key", "Text"), {"Text": "hi"}),
    "attribute": (set_on("text", "attribute", "other"), VALID),
    "inner": (set_on("names", "inner", fields.Integer()), {**VALID, "names": [1]}),
    "unknown of a nested schema": (set_on("inner", "unknown", EXCLUDE), {**VALID, "inner": {"number": 1, "x": 1}}),
    "a nested schema": (set_on("inner.schema", "unknown", EXCLUDE), {**VALID, "inner": {"number": 1, "x": 1}}),
    "a field of a nested schema": (
        lambda s: s.fields["inner"].schema.fields["number"].validators.append(refuse),
        VALID,
    ),
    "a schema nested in a list": (
        lambda s: s.fields["inners"].inner.schema.fields["number"].validators.append(refuse),
        VALID,
    ),
    "key_field": (set_on("extra", "key_field", fields.Integer()), {**VALID, "extra": {"1": 1}}),
    "truthy": (set_on("flag", "truthy", {"yes"}), {**VALID, "flag": True}),
    "a method of a field": (set_on("text", "deserialize", lambda value, *_, **__: f"{value}!"), VALID),
    "a method of the schema": (lambda s: setattr(s, "load", lambda data: {"text": "other"}), VALID),
    "a method of the class": (lambda s: setattr(type(s), "load", lambda self, data: {"text": "other"}), VALID),
    "a method of the class's base": (lambda s: setattr(type(s).__base__, "load", lambda *_: {"text": "other"}), VALID),
    "a new field": (lambda s: put_field(s, "more", fields.Integer()), {**VALID, "more": "1"}),
    "another field": (lambda s: put_field(s, "text", fields.Integer()), {**VALID, "text": "1"}),
    "no such field": (lambda s: [part.pop("flag") for part in (s.fields, s.load_fields)], VALID),
}
if hasattr(fields.String(), "post_load"):  # from marshmallow 4.3 on
    CHANGES["post_load"] = (set_on("text", "post_load", [lambda value: f"{value}!"]), VALID)
    CHANGES["post_load.append"] = (lambda s: text(s).post_load.append(lambda value: f"{value}!"), VALID)


@pytest.mark.parametrize("name", CHANGES)
def test_a_schema_that_is_changed_after_its_first_use_loads_as_marshmallow_does(name: str, app: Flask) -> None:
    change, payload = CHANGES[name]
    seen = []
    for fast in (True, False):
        schema, served = make_schema(), Flask("served")
        served.config.update(app.config, PROXYHOOKS_FAST=fast, PROXYHOOKS_VALIDATION_DETAILS=True)
        ProxyHooks(served).rpc(data_schema=schema)(lambda req: RPCResult(data=req.data))
        client, headers = served.test_client(), {"X-Proxyhooks-Secret": app.config["PROXYHOOKS_SECRETS"][0]}

        def reply() -> Any:
            return client.post("/centrifugo/rpc", json={"data": payload}, headers=headers).json  # noqa: B023

        before = [reply() for _ in range(3)]
        change(schema)
        seen.append([*before, reply(), reply()])
    assert seen[0] == seen[1]
    assert seen[0][-1] == seen[0][-2] != seen[0][0]


DUMP_CHANGES: dict[str, Callable[[Any], Any]] = {
    "data_key": set_on("text", "data_key", "Text"),
    "attribute": set_on("text", "attribute", "flag"),
    "dump_default": set_on("kind", "dump_default", "b"),
    "a nested schema": lambda s: s.fields["inner"].schema.dump_fields.pop("number"),
    "a deleted field": lambda s: s.dump_fields.pop("flag"),
    "a new field": lambda s: put_field(s, "more", fields.Constant(1)),
    "a method of a field": set_on("text", "serialize", lambda *_, **__: "own"),
    "a method of the schema": lambda s: setattr(s, "get_attribute", lambda *_, **__: "own"),
    "a method of the class": lambda s: setattr(type(s), "get_attribute", lambda *_, **__: "own"),
    "a method of the class's base": lambda s: setattr(type(s).__base__, "get_attribute", lambda *_, **__: "own"),
}


@pytest.mark.parametrize("name", DUMP_CHANGES)
def test_a_schema_that_is_changed_after_its_first_use_dumps_as_marshmallow_does(name: str) -> None:
    schema = make_schema(exclude=("extra",))
    dump = compile_dump(schema)
    assert dump is not None
    before = dump(VALID)
    assert before == schema.dump(VALID)
    DUMP_CHANGES[name](schema)
    assert outcome(dump, VALID) == outcome(schema.dump, VALID) != repr(before)


def test_an_attribute_that_marshmallow_does_not_read_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    schema: Any = make_schema(exclude=("extra",))
    load, dump = compile_load(schema), compile_dump(schema)
    assert load is not None
    assert dump is not None
    type(schema).note = "of the application"
    text(schema).metadata = {"note": "of the application"}
    value = {name: item for name, item in VALID.items() if name != "extra"}
    monkeypatch.setattr(Schema, "_do_load", None)
    monkeypatch.setattr(Schema, "_serialize", None)
    assert load(value) == {**value, "kind": "a"}
    assert dump(value) == value


def test_a_change_that_is_taken_back_is_as_if_it_had_not_been() -> None:
    schema = make_schema()
    load = compile_load(schema)
    assert load is not None
    schema.unknown = EXCLUDE
    assert "more" not in load({"text": "hi", "more": 1})
    schema.unknown = RAISE
    with pytest.raises(ValidationError):
        load({"text": "hi", "more": 1})
    assert load({"text": "hi"}) == {"text": "hi", "kind": "a"}


def fields_of(schema: Any) -> list[Any]:
    found = list(schema.fields.values())
    for field in found:
        if isinstance(field, fields.List):
            found.append(field.inner)
        elif isinstance(field, fields.Nested):
            found += field.schema.fields.values()
    return found


def random_change(rng: random.Random, schema: Any) -> None:
    field = rng.choice(fields_of(schema))
    other = random_field(rng, 3)
    other._bind_to_schema("other", schema)
    rng.choice(
        [
            lambda: setattr(schema, "unknown", rng.choice([RAISE, EXCLUDE, INCLUDE])),
            lambda: setattr(schema, "partial", rng.choice([True, ("a",), None])),
            lambda: setattr(schema, "many", rng.random() < 0.2),
            lambda: setattr(field, "required", rng.random() < 0.5),
            lambda: setattr(field, "allow_none", rng.random() < 0.5),
            lambda: setattr(field, "load_default", rng.choice([None, "default", 1, True, list])),
            lambda: setattr(field, "dump_default", rng.choice([None, "default", 1, True, list])),
            lambda: setattr(field, "data_key", rng.choice([None, *NAMES])),
            lambda: setattr(field, "attribute", rng.choice([None, *NAMES])),
            lambda: field.validators.append(rng.choice([refuse, validate.Length(1, 2), validate.OneOf(["a"])])),
            lambda: field.validators.clear(),
            lambda: setattr(field, "validators", [validate.Length(1)]),
            lambda: setattr(field, "inner", other) if isinstance(field, fields.List) else None,
            lambda: setattr(field, "unknown", EXCLUDE) if isinstance(field, fields.Nested) else None,
            lambda: put_field(schema, rng.choice(NAMES), other),
            lambda: schema.load_fields.pop(next(iter(schema.load_fields), ""), None),
            lambda: schema.dump_fields.pop(next(iter(schema.dump_fields), ""), None),
        ]
    )()


def test_random_changes_are_seen_at_once() -> None:
    compiled = differs = 0
    for number in range(CASES // 60):
        rng = random.Random(f"changed {number}")
        schema = random_schema(rng)
        load, dump = compile_load(schema), compile_dump(schema)
        compiled += load is not None
        for _ in range(4):
            given = [random_value(rng), *(mostly_valid_value(rng, schema) for _ in range(3))]
            before = [outcome(schema.load, one) for one in given]
            random_change(rng, schema)
            for one, was in zip(given, before, strict=True):
                expected = outcome(schema.load, one)
                if load is not None:
                    assert outcome(load, one) == expected, (number, schema.fields, one)
                    differs += expected != was
                if dump is not None:
                    assert outcome(dump, one) == outcome(schema.dump, one), (number, schema.fields, one)
    assert compiled > CASES // 60 // 10
    assert differs > CASES // 600
