"""The JSON Schema of a marshmallow field, as a table by field class.

It describes what a front end should send, or gets. ``load`` also converts values of other types, such as the text
``"5"`` for an Integer; the JSON Schema does not allow them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from marshmallow import RAISE, Schema, fields

from .validators import accepts, choices_of, keywords, known, loadable, of_items
from .wire import AnyField, Direction, as_json, distinct, json_forms, listed, literal

JsonSchema: TypeAlias = dict[str, Any]
Partial: TypeAlias = bool | frozenset[str] | None
"""marshmallow's ``partial``: fields that may be missing, though they are required."""

INTEGER_KEY: Final = "^-?[0-9]+$"
"""The pattern of integers as keys of an object."""
ALL_BUT_NULL: Final = ["array", "boolean", "number", "object", "string"]
"""The types of any value that is not null."""
_FROM_METADATA: Final[dict[str, Any]] = {
    "title": str,
    "description": str,
    "format": str,
    "enum": list,
    "anyOf": list,
    "items": dict,
    "properties": dict,
    "additionalProperties": (bool, dict),
}
_TYPE_NAMES: Final = ("string", "integer", "number", "boolean", "null", "array", "object")


class Context(NamedTuple):
    """What the type of a field depends on besides the field."""

    direction: Direction
    refer: Callable[[fields.Nested, Partial], JsonSchema]
    """Returns the reference to a nested schema."""
    partial: Partial = None


Convert: TypeAlias = Callable[[Any, Context], JsonSchema]


def json_schema_of(
    field: AnyField, context: Context, *, also: Iterable[Any] = (), nullable: bool | None = None
) -> JsonSchema:
    """The JSON Schema of the field's values.

    :param also: Validators besides those of the field.
    :param nullable: Whether null is a value; by default as the field says.
    """
    validators = known([*field.validators, *also])
    if nullable is None:
        nullable = field.allow_none or (context.direction == "dump" and field.dump_default is None)
        nullable = nullable and all(accepts(validator, None) for validator in also)
    described = _from_metadata(field)
    if described.keys() & {"type", "enum", "anyOf"}:
        schema: JsonSchema = described
    else:
        schema = _restricted(field, _base(field, context), validators, context.direction) | described
    if nullable:
        return _with_null(schema)
    return _without_null(schema) if context.direction == "load" else schema


def _restricted(field: AnyField, schema: JsonSchema, validators: list[Any], direction: Direction) -> JsonSchema:
    """The JSON Schema with what the validators say."""
    if not validators:
        return schema
    values = listed(schema)
    if values is not None and direction == "load":
        return literal(loadable(field, validators, values))
    choices = choices_of(field, validators, direction)
    if choices is not None:
        return literal(choices)
    return schema if values is not None else schema | keywords(field, validators, direction)


def _from_metadata(field: AnyField) -> JsonSchema:
    """The keywords of JSON Schema in the field's metadata. They describe what only the application can know."""
    found: JsonSchema = {}
    for keyword, value in field.metadata.items():
        types = value if isinstance(value, list) else [value]
        is_type = keyword == "type" and bool(types) and all(name in _TYPE_NAMES for name in types)
        if is_type or (keyword in _FROM_METADATA and isinstance(value, _FROM_METADATA[keyword])):
            try:
                found[keyword] = as_json(value)
            except ValueError:
                continue
    return found


def _with_null(schema: JsonSchema) -> JsonSchema:
    if schema == {"not": {}}:
        return {"type": "null"}
    values = listed(schema)
    if values is not None:
        others = {keyword: value for keyword, value in schema.items() if keyword not in ("const", "enum")}
        return others | literal(distinct([*values, None]))
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema | {"type": list(dict.fromkeys([*types, "null"]))}
    return {"anyOf": [schema, {"type": "null"}]} if _has_type(schema) else schema


def _without_null(schema: JsonSchema) -> JsonSchema:
    """*schema* with every type but null, if it allows any value."""
    return schema if _has_type(schema) or schema == {"not": {}} else {"type": ALL_BUT_NULL, **schema}


def _has_type(schema: JsonSchema) -> bool:
    return bool(schema.keys() & {"type", "const", "enum", "anyOf", "$ref"})


def _number(field: fields.Number[Any], _: Context) -> JsonSchema:
    return {"type": "string" if field.as_string else "number"}


def _integer(field: fields.Integer, context: Context) -> JsonSchema:
    # Strict integers are loaded from numbers alone, and yet dumped as texts.
    as_string = field.as_string and not (field.strict and context.direction == "load")
    return {"type": "string" if as_string else "integer"}


def _float(field: fields.Float, context: Context) -> JsonSchema:
    if field.as_string:
        return {"type": "string"}
    if field.allow_nan and context.direction == "load":  # JSON has no such numbers
        return {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    return {"type": "number"}


def _decimal(field: fields.Decimal, context: Context) -> JsonSchema:
    if field.as_string:
        return {"type": "string"}
    # A text keeps the digits that a number of JavaScript has no room for.
    return {"type": ["number", "string"]} if context.direction == "load" else {"type": "number"}


def _boolean(field: fields.Boolean, context: Context) -> JsonSchema:
    own = {*field.truthy, *field.falsy}
    if context.direction == "dump" or not field.truthy or own == fields.Boolean.truthy | fields.Boolean.falsy:
        return {"type": "boolean"}
    values = sorted(own, key=lambda value: (isinstance(value, str), str(value)))
    values += [True] if 1 in own else []
    values += [False] if 0 in own else []
    accepted = loadable(field, [], distinct(value for value in values if isinstance(value, str | int | float)))
    return {"type": "boolean"} if accepted in ([True, False], [False, True]) else literal(accepted)


def _datetime(field: fields.DateTime, _: Context) -> JsonSchema:
    if str(field.format).startswith("timestamp"):
        return {"type": "number"}
    # JSON Schema's date-time has a time zone.
    has_zone = isinstance(field, fields.AwareDateTime) and field.format in ("iso", "iso8601")
    return {"type": "string", "format": "date-time"} if has_zone else {"type": "string"}


def _date(field: fields.Date, _: Context) -> JsonSchema:
    return {"type": "string", "format": "date"} if field.format in ("iso", "iso8601") else {"type": "string"}


def _enum(field: fields.Enum[Any], context: Context) -> JsonSchema:
    cls: type[enum.Enum] = field.enum
    is_flag = issubclass(cls, enum.Flag)
    if is_flag and field.by_value:
        return {"type": "integer"}
    if not field.by_value:
        if context.direction == "load":
            return literal(list(cls.__members__))  # with the aliases
        return {"type": "string"} if is_flag else literal([member.name for member in cls])
    groups = (json_forms(field.field, member.value, context.direction) for member in cls)
    values = distinct(form for group in groups for form in group or [])
    if not values:
        return json_schema_of(field.field, context)
    return literal(loadable(field, [], values) if context.direction == "load" else values)


def _constant(field: fields.Constant[Any], _: Context) -> JsonSchema:
    try:
        return {"const": as_json(field.constant)}
    except ValueError:
        return {}


def _nested(field: fields.Nested, context: Context) -> JsonSchema:
    reference = context.refer(field, context.partial)
    return {"type": "array", "items": reference} if field.many or field.schema.many else reference


def _pluck(field: fields.Pluck, context: Context) -> JsonSchema:
    schema: Schema = field.schema
    inner = schema.fields[field.field_name]
    if context.direction == "load" and inner.dump_only:
        unknown = field.unknown or schema.unknown
        item: JsonSchema = {"not": {}} if unknown == RAISE else {}
    else:
        # The Pluck itself refuses null before the field can take it.
        no_null = context.direction == "load" and not field.many
        item = json_schema_of(inner, context, nullable=False if no_null else None)
    return {"type": "array", "items": item} if field.many else item


def _list(field: fields.List[Any], context: Context) -> JsonSchema:
    return {
        "type": "array",
        "items": json_schema_of(field.inner, context, also=of_items(known(field.validators))),
    }


def _tuple(field: fields.Tuple, context: Context) -> JsonSchema:
    also = of_items(known(field.validators))
    items = [json_schema_of(item, context, also=also) for item in field.tuple_fields]
    length = {"minItems": len(items), "maxItems": len(items)}
    return {"type": "array", **({"prefixItems": items} if items else {}), "items": False, **length}


def _mapping(field: fields.Mapping[Any], context: Context) -> JsonSchema:
    schema: JsonSchema = {"type": "object"}
    if field.key_field is not None and (names := _property_names(field.key_field, context)):
        schema["propertyNames"] = names
    if field.value_field is not None:
        schema["additionalProperties"] = json_schema_of(field.value_field, context)
    return schema


def _property_names(key: AnyField, context: Context) -> JsonSchema:
    """The JSON Schema of an object's keys, which are texts for all fields."""
    schema = json_schema_of(key, context, nullable=False)
    values = listed(schema)
    if values is not None:
        texts = [value if isinstance(value, str) else str(value) for value in values]
        return literal(loadable(key, [], distinct(texts)) if context.direction == "load" else distinct(texts))
    if schema.get("type") == "integer":
        return {"pattern": INTEGER_KEY}
    return {name: value for name, value in schema.items() if name != "type"} if schema.get("type") == "string" else {}


_TYPES: Final[dict[type[AnyField], JsonSchema | Convert]] = {
    fields.String: {"type": "string"},
    fields.UUID: {"type": "string", "format": "uuid"},
    fields.Number: _number,
    fields.Integer: _integer,
    fields.Float: _float,
    fields.Decimal: _decimal,
    fields.Boolean: _boolean,
    fields.DateTime: _datetime,
    fields.Date: _date,
    fields.Time: {"type": "string"},
    fields.TimeDelta: {"type": "number"},
    fields.IP: {"type": "string"},
    fields.IPv4: {"type": "string", "format": "ipv4"},
    fields.IPv6: {"type": "string", "format": "ipv6"},
    fields.IPInterface: {"type": "string"},
    fields.Enum: _enum,
    fields.Constant: _constant,
    fields.Nested: _nested,
    fields.Pluck: _pluck,
    fields.List: _list,
    fields.Tuple: _tuple,
    fields.Mapping: _mapping,
}


def _base(field: AnyField, context: Context) -> JsonSchema:
    """The row of the nearest class; any value for Raw, Method, Function and direct subclasses of Field."""
    row = next((_TYPES[cls] for cls in type(field).__mro__ if cls in _TYPES), {})
    return row(field, context) if callable(row) else row
