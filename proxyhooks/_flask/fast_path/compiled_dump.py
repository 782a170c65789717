"""``schema.dump`` of plain marshmallow schemas as functions."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, missing

from .plain_schemas import DUMP_HOOKS, EXACT, Convert, Unsupported, check_field, each, is_plain, with_fallback


def compile_dump(schema: object) -> Convert | None:
    """What gives the same as ``schema.dump``, if the schema is plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        return with_fallback(_dumper(schema, ()), schema.dump)
    except Exception:  # not only Unsupported: a nested schema may not be there, which marshmallow says when it needs it
        return None


def _dumper(schema: Schema, inside: tuple[type, ...]) -> Convert:
    """What raises an exception where the schema has to look.

    :raises Unsupported: if the schema is not plain.
    """
    if not is_plain(schema, DUMP_HOOKS) or type(schema) in inside:
        raise Unsupported
    inside = (*inside, type(schema))
    rows = []
    for name, field in schema.dump_fields.items():
        source = name if field.attribute is None else field.attribute
        key = field.data_key if field.data_key is not None else name
        rows.append((key, source, EXACT.get(type(field)), _writer(field, inside), field.dump_default))

    def dump(value: Any) -> Any:
        if type(value) is not dict:
            raise Unsupported
        dumped: dict[str, Any] = {}
        for key, source, exact, convert, default in rows:
            item = value.get(source, missing)
            if item is missing:
                if hasattr(dict, source):  # marshmallow takes the method where the key is missing
                    raise Unsupported
                if default is missing:
                    continue
                item = default() if callable(default) else default
            dumped[key] = item if type(item) is exact else convert(item)
        return dumped

    return each(dump) if schema.many else dump


def _writer(field: Any, inside: tuple[type, ...]) -> Convert:
    """What a value that is not of the exact type becomes.

    :raises Unsupported: if the field is not plain.
    """
    check_field(field)
    kind = type(field)
    if kind in EXACT and not getattr(field, "as_string", False):
        return _none
    if kind is fields.Raw:
        return lambda value: value
    if kind is fields.List:
        exact, write = EXACT.get(type(field.inner)), _writer(field.inner, inside)
        return _or_none(each(lambda value: value if type(value) is exact else write(value)))
    if kind is fields.Nested:
        if field.many and not field.schema.many:
            raise Unsupported
        return _or_none(_dumper(field.schema, inside))
    raise Unsupported


def _none(value: Any) -> None:
    if value is not None:
        raise Unsupported


def _or_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
