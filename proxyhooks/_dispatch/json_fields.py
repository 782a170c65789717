"""Fields of marshmallow schemas that never dump JSON, such as a Decimal without ``as_string``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, fields

from .._wire.json import dumps
from ..exceptions import SetupError
from .schema_facts import output_is_known


def check_dumps_json(option: str, schema: Schema) -> None:
    """Check that the schema can dump JSON, as far as its fields decide.

    :param option: how the error text calls the schema, such as ``result_schema``.
    :raises SetupError: if a field cannot.
    """
    for path, problem in _problems(schema, ()):
        raise SetupError(f"{option} {type(schema).__name__}: its field {path!r} {problem}")


def _problems(schema: Schema, enclosing: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    """The fields that never dump JSON: the path of each, and why it does not."""
    # A post_dump hook may convert what the fields dump. A schema that contains itself is looked at once.
    if not output_is_known(schema) or type(schema) in enclosing:
        return
    for name, field in schema.dump_fields.items():
        for path, problem in _problems_of_field(field, (*enclosing, type(schema))):
            yield name + path, problem


def _problems_of_field(field: Any, enclosing: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    kind = type(field)  # a subclass may dump something else
    if kind is fields.Decimal and not field.as_string:
        yield "", "dumps a Decimal, which JSON cannot carry: write Decimal(as_string=True), or Float"
    elif kind is fields.Constant:
        yield from _problems_of_values([field.constant], "is a Constant that JSON cannot carry")
    elif kind is fields.Enum and field.by_value is True:
        yield from _problems_of_values([member.value for member in field.enum], "is an Enum whose values are no JSON")
    elif kind is fields.Enum:
        yield from _problems_of_field(field.field, enclosing)
    elif kind in (fields.Nested, fields.Pluck):
        try:
            schema = field.schema
        except Exception:  # a schema that is named by a text may be defined later
            return
        for path, problem in _problems(schema, enclosing):
            yield f".{path}", problem
    elif kind is fields.List:
        yield from _problems_of_field(field.inner, enclosing)
    elif kind is fields.Tuple:
        for inner in field.tuple_fields:
            yield from _problems_of_field(inner, enclosing)
    elif kind in (fields.Dict, fields.Mapping):
        if _dumps_number(field.key_field):
            yield "", f"has keys of {type(field.key_field).__name__}: keys of JSON are texts, so write String keys"
        if field.value_field is not None:
            yield from _problems_of_field(field.value_field, enclosing)


def _problems_of_values(values: list[Any], problem: str) -> Iterator[tuple[str, str]]:
    try:
        dumps(values)
    except (TypeError, ValueError):
        yield "", f"{problem}: {', '.join(map(repr, values))}"


def _dumps_number(field: Any) -> bool:
    numbers = (fields.Integer, fields.Float, fields.Decimal, fields.Boolean, fields.TimeDelta)
    return type(field) in numbers and not getattr(field, "as_string", False)
