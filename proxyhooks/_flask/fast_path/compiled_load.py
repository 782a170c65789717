"""``schema.load`` of plain marshmallow schemas as functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, fields, missing

from .plain_schemas import (
    BY_THEMSELVES,
    EXACT,
    LOAD_HOOKS,
    Convert,
    Unsupported,
    check_field,
    each,
    is_plain,
    with_fallback,
)

# Not floats: there are some that marshmallow refuses.
_AS_THEY_ARE: Final = {kind: exact for kind, exact in EXACT.items() if kind is not fields.Float}


def compile_load(schema: object) -> Convert | None:
    """What gives the same as ``schema.load``, if the schema is plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        return with_fallback(_loader(schema, schema.unknown, ()), schema.load)
    except Exception:  # not only Unsupported: a nested schema may not be there, which marshmallow says when it needs it
        return None


def _loader(schema: Schema, unknown: str, inside: tuple[type, ...]) -> Convert:
    """A function that raises an exception where the schema has to look, written for the schema.

    :raises Unsupported: if the schema is not plain.
    """
    if not is_plain(schema, LOAD_HOOKS) or type(schema) in inside or unknown not in (RAISE, EXCLUDE):
        raise Unsupported
    inside = (*inside, type(schema))
    rows = list(schema.load_fields.items())
    keys = [name if field.data_key is None else field.data_key for name, field in rows]
    if len(set(keys)) < len(keys):  # two may share one if only one of them is dumped
        raise Unsupported
    scope: dict[str, Any] = {"Unsupported": Unsupported}
    lines = ["def load(data):", " if type(data) is not dict: raise Unsupported", " loaded = {}"]
    lines.append(f" seen = {sum(field.required for _, field in rows)}")
    for n, (name, field) in enumerate(rows):
        scope |= {f"key{n}": keys[n], f"name{n}": field.attribute or name, f"default{n}": field.load_default}
        read = [f"item = data[key{n}]"]  # where it is required and missing that is a KeyError
        value = _lines_of_value(n, field, inside, scope)
        read += ["if item is not None:", *(f" {line}" for line in value)] if field.allow_none else value
        read.append(f"loaded[name{n}] = item")
        if field.required:
            lines += (f" {line}" for line in read)
            continue
        lines += [f" if key{n} in data:", "  seen += 1", *(f"  {line}" for line in read)]
        if field.load_default is not missing:
            lines.append(f" else: loaded[name{n}] = default{n}" + ("()" if callable(field.load_default) else ""))
    if unknown == RAISE:
        lines.append(" if seen != len(data): raise Unsupported")
    lines.append(" return loaded")
    exec("\n".join(lines), scope)  # noqa: S102  # what is the user's stands in the scope, not in the text
    load: Convert = scope["load"]
    return each(load) if schema.many else load


def _lines_of_value(n: int, field: Any, inside: tuple[type, ...], scope: dict[str, Any]) -> list[str]:
    """What is done with an item that is there and not null."""
    scope[f"convert{n}"] = _converter(field, inside)
    exact = _AS_THEY_ARE.get(type(field))
    lines = [(f"if type(item) is not {exact.__name__}: " if exact else "") + f"item = convert{n}(item)"]
    for which, check in enumerate(_checks(field)):
        scope[f"check{n}_{which}"] = check
        lines.append(f"check{n}_{which}(item)")
    return lines


def _checks(field: Any) -> list[Callable[[Any], Any]]:
    return [] if type(field) in BY_THEMSELVES else list(field.validators)


def _converter(field: Any, inside: tuple[type, ...]) -> Convert:
    """What a value that is not of the exact type becomes.

    :raises Unsupported: if the field is not plain.
    """
    check_field(field)
    kind = type(field)
    if kind is fields.Enum and not isinstance(field.by_value, bool):  # a field
        raise Unsupported
    if kind is fields.Boolean and (
        field.truthy is not fields.Boolean.truthy or field.falsy is not fields.Boolean.falsy
    ):
        raise Unsupported
    if kind is fields.Float:
        return _float
    if kind in _AS_THEY_ARE:
        return _refuse
    if kind is fields.Raw:
        return _as_it_is
    if kind is fields.List:
        convert = _item(field.inner, inside)
        exact = _AS_THEY_ARE.get(type(field.inner))
        return _copy_of(exact) if exact and not field.inner.validators and not field.inner.allow_none else each(convert)
    if kind is fields.Dict and field.key_field is None and field.value_field is None:
        return _dict
    if kind is fields.Nested:
        return _loader(field.schema, field.unknown or field.schema.unknown, inside)
    if kind in BY_THEMSELVES:
        deserialize: Convert = field.deserialize
        return deserialize
    raise Unsupported


def _item(field: Any, inside: tuple[type, ...]) -> Convert:
    """What an item of a list becomes."""
    exact, convert = _AS_THEY_ARE.get(type(field)), _converter(field, inside)
    checks, nullable = _checks(field), field.allow_none

    def item(value: Any) -> Any:
        if value is None and nullable:
            return None
        if type(value) is not exact:
            value = convert(value)
        for check in checks:
            check(value)
        return value

    return item


def _refuse(_: Any) -> Any:
    raise Unsupported


def _as_it_is(value: Any) -> Any:
    if value is None:
        raise Unsupported
    return value


def _float(value: Any) -> float:
    if not (type(value) is float and math.isfinite(value)) and type(value) is not int:
        raise Unsupported
    return float(value)


def _dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise Unsupported
    return value.copy()


def _copy_of(exact: type) -> Convert:
    """A list whose items are what they should be."""

    def items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsupported
        for item in value:
            if type(item) is not exact:
                raise Unsupported
        return value.copy()

    return items
