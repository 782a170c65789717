"""Compiles ``schema.dump`` of plain marshmallow schemas into functions."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, missing

from .plain_schemas import (
    DUMP_HOOKS,
    PYTHON_TYPES,
    Convert,
    Unsupported,
    check_field,
    check_marshmallow,
    each_item,
    is_plain,
)
from .schema_changes import SchemaChanges

_READ: Final = ("attribute", "data_key", "as_string", "inner", "_schema", "many")
"""The attributes of fields that decide how a value is dumped. Others are read only where they matter."""


def compile_dump(schema: object) -> Convert | None:
    """Return a function that does the same as ``schema.dump``, or ``None`` if the schema is not plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        check_marshmallow()
        changes = SchemaChanges()
        compiled = _compile_schema(schema, (), changes)
        return changes.guarded(compiled, lambda value: schema.dump(value))
    except Exception:  # not only Unsupported: a nested schema may not exist, which marshmallow reports when it needs it
        return None


def _compile_schema(schema: Schema, enclosing: tuple[type, ...], changes: SchemaChanges) -> Convert:
    """Return a function that dumps a dict; it raises an exception if the schema itself has to dump the value.

    :raises Unsupported: if the schema is not plain.
    """
    if not is_plain(schema, DUMP_HOOKS) or type(schema) in enclosing:
        raise Unsupported
    changes.watch_schema(schema, "dump_fields")
    enclosing = (*enclosing, type(schema))
    rows = []
    for name, field in schema.dump_fields.items():
        source = name if field.attribute is None else field.attribute
        key = field.data_key if field.data_key is not None else name
        python_type = PYTHON_TYPES.get(type(field))
        rows.append((key, source, python_type, _compile_field(field, enclosing, changes), field, field.dump_default))

    def dump(value: Any) -> Any:
        if type(value) is not dict:
            raise Unsupported
        dumped: dict[str, Any] = {}
        for key, source, python_type, convert, field, default in rows:
            item = value.get(source, missing)
            if item is missing:
                # Without the key, marshmallow dumps the method of dict of this name.
                if hasattr(dict, source) or field.dump_default is not default:
                    raise Unsupported
                if default is missing:
                    continue
                item = default() if callable(default) else default
            dumped[key] = item if type(item) is python_type else convert(item)
        return dumped

    return each_item(dump) if schema.many else dump


def _compile_field(field: Any, enclosing: tuple[type, ...], changes: SchemaChanges) -> Convert:
    """Return a function that converts the values without the field's Python type; the others stay as they are.

    :raises Unsupported: if the field is not plain.
    """
    check_field(field)
    kind = type(field)
    nested = field.schema if kind is fields.Nested else None  # the first access sets an attribute
    changes.watch(field, *_READ)
    if kind in PYTHON_TYPES and not getattr(field, "as_string", False):
        return _only_none
    if kind is fields.Raw:
        return lambda value: value
    if kind is fields.List:
        python_type, convert = PYTHON_TYPES.get(type(field.inner)), _compile_field(field.inner, enclosing, changes)
        return _none_or(each_item(lambda value: value if type(value) is python_type else convert(value)))
    if nested is not None:
        if field.many and not nested.many:
            raise Unsupported
        return _none_or(_compile_schema(nested, enclosing, changes))
    raise Unsupported


def _only_none(value: Any) -> None:
    if value is not None:
        raise Unsupported


def _none_or(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
