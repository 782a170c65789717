"""Compiles ``schema.load`` of plain marshmallow schemas into functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, fields, missing

from .plain_schemas import (
    DELEGATED_FIELDS,
    LOAD_HOOKS,
    PYTHON_TYPES,
    Convert,
    Unsupported,
    check_field,
    check_marshmallow,
    each_item,
    is_plain,
)
from .schema_changes import SchemaChanges

# No floats, as marshmallow refuses some of them.
_LOADED_AS_THEY_ARE: Final = {kind: python for kind, python in PYTHON_TYPES.items() if kind is not fields.Float}

_READ: Final = ("validators", "pre_load", "post_load")
"""The attributes of every field that decide how a value is loaded. Others are read only where they matter."""
_READ_OF_MEMBERS: Final = ("data_key", "attribute")
"""Those that decide where a value is, for the fields of a schema and not for the items of a list."""
_READ_BY_CLASS: Final[dict[type, tuple[str, ...]]] = {
    fields.Boolean: ("truthy", "falsy"),
    fields.Dict: ("key_field", "value_field"),
    fields.List: ("inner",),
    fields.Nested: ("_schema", "many", "unknown"),
}


def compile_load(schema: object) -> Convert | None:
    """Return a function that does the same as ``schema.load``, or ``None`` if the schema is not plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        check_marshmallow()
        changes = SchemaChanges()
        compiled = _compile_schema(schema, schema.unknown, (), changes)
        return changes.guarded(compiled, lambda value: schema.load(value))
    except Exception:  # not only Unsupported: a nested schema may not exist, which marshmallow reports when it needs it
        return None


def _compile_schema(schema: Schema, unknown: str, enclosing: tuple[type, ...], changes: SchemaChanges) -> Convert:
    """Compile a function that loads a dict; it raises an exception if the schema itself has to load the value.

    :param unknown: marshmallow's option for unknown keys: ``RAISE`` or ``EXCLUDE``.
    :param enclosing: the classes of the schemas around this one.
    :raises Unsupported: if the schema is not plain.
    """
    if not is_plain(schema, LOAD_HOOKS) or type(schema) in enclosing or unknown not in (RAISE, EXCLUDE):
        raise Unsupported
    changes.watch_schema(schema, "load_fields")
    enclosing = (*enclosing, type(schema))
    rows = list(schema.load_fields.items())
    keys = [name if field.data_key is None else field.data_key for name, field in rows]
    if len(set(keys)) < len(keys):  # two fields read one key
        raise Unsupported
    scope: dict[str, Any] = {"Unsupported": Unsupported}
    lines = ["def load(data):", " if type(data) is not dict: raise Unsupported", " loaded = {}"]
    lines.append(f" seen = {sum(field.required for _, field in rows)}")
    for n, (name, field) in enumerate(rows):
        scope |= {f"key{n}": keys[n], f"name{n}": field.attribute or name, f"default{n}": field.load_default}
        scope[f"field{n}"] = field
        read = [f"item = data[key{n}]"]  # a KeyError if a required key is missing
        convert = _lines_that_convert(n, field, enclosing, scope, changes)
        if field.allow_none:
            convert = ["if item is not None:", *(f" {line}" for line in convert)]
            convert.append(f"elif not field{n}.allow_none: raise Unsupported")
        read += convert
        read.append(f"loaded[name{n}] = item")
        if field.required:
            lines += (f" {line}" for line in read)
            continue
        lines += [f" if key{n} in data:", "  seen += 1", *(f"  {line}" for line in read)]
        lines.append(f" elif field{n}.required or field{n}.load_default is not default{n}: raise Unsupported")
        if field.load_default is not missing:
            lines.append(f" else: loaded[name{n}] = default{n}" + ("()" if callable(field.load_default) else ""))
    if unknown == RAISE:
        lines.append(" if seen != len(data): raise Unsupported")
    lines.append(" return loaded")
    exec("\n".join(lines), scope)  # noqa: S102  # the text contains nothing of the application, only the scope does
    load: Convert = scope["load"]
    return each_item(load) if schema.many else load


def _lines_that_convert(
    n: int, field: Any, enclosing: tuple[type, ...], scope: dict[str, Any], changes: SchemaChanges
) -> list[str]:
    """Write the lines that convert and validate ``item`` for field number *n*; add what they use to the scope."""
    scope[f"convert{n}"] = _compile_field(field, enclosing, changes, _READ_OF_MEMBERS)
    python_type = _LOADED_AS_THEY_ARE.get(type(field))
    condition = f"if type(item) is not {python_type.__name__}: " if python_type else ""
    lines = [f"{condition}item = convert{n}(item)"]
    for number, validate in enumerate(_validators(field)):
        scope[f"validate{n}_{number}"] = validate
        lines.append(f"validate{n}_{number}(item)")
    return lines


def _validators(field: Any) -> list[Callable[[Any], Any]]:
    return [] if type(field) in DELEGATED_FIELDS else list(field.validators)


def _compile_field(
    field: Any, enclosing: tuple[type, ...], changes: SchemaChanges, also_read: tuple[str, ...] = ()
) -> Convert:
    """Return a function that converts the values without the field's Python type; the others stay as they are.

    :param also_read: attributes that decide how the value is loaded, besides :data:`_READ`.
    :raises Unsupported: if the field is not plain.
    """
    check_field(field)
    kind = type(field)
    nested = field.schema if kind is fields.Nested else None  # the first access sets an attribute
    changes.watch(field, *also_read, *_READ, *_READ_BY_CLASS.get(type(field), ()))
    if kind is fields.Enum and not isinstance(field.by_value, bool):  # by_value may be a field
        raise Unsupported
    if kind is fields.Boolean and (
        field.truthy is not fields.Boolean.truthy or field.falsy is not fields.Boolean.falsy
    ):
        raise Unsupported
    if kind is fields.Float:
        return _load_float
    if kind in _LOADED_AS_THEY_ARE:
        return _raise_unsupported
    if kind is fields.Raw:
        return _not_none
    if kind is fields.List:
        return _compile_list(field.inner, enclosing, changes)
    if kind is fields.Dict and field.key_field is None and field.value_field is None:
        return _load_dict
    if nested is not None:
        return _compile_schema(nested, field.unknown or nested.unknown, enclosing, changes)
    if kind in DELEGATED_FIELDS:
        deserialize: Convert = field.deserialize
        return deserialize
    raise Unsupported


def _compile_list(inner: Any, enclosing: tuple[type, ...], changes: SchemaChanges) -> Convert:
    """Return a function for lists whose items have this field."""
    python_type, convert = _LOADED_AS_THEY_ARE.get(type(inner)), _compile_field(inner, enclosing, changes)
    validators = _validators(inner)
    if python_type and not validators and not inner.allow_none:
        return _list_of(python_type)

    def load_item(value: Any) -> Any:
        if value is None and inner.allow_none:
            return None
        if type(value) is not python_type:
            value = convert(value)
        for validate in validators:
            validate(value)
        return value

    return each_item(load_item)


def _list_of(python_type: type) -> Convert:
    def load_list(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsupported
        for item in value:
            if type(item) is not python_type:
                raise Unsupported
        return value.copy()

    return load_list


def _raise_unsupported(_: Any) -> Any:
    raise Unsupported


def _not_none(value: Any) -> Any:
    if value is None:
        raise Unsupported
    return value


def _load_float(value: Any) -> float:
    if not (type(value) is float and math.isfinite(value)) and type(value) is not int:
        raise Unsupported
    return float(value)


def _load_dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise Unsupported
    return value.copy()
