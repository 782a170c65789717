"""``schema.load`` of plain marshmallow schemas as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, fields, missing

from ._plain import BY_THEMSELVES, EXACT, LOAD_HOOKS, Convert, Unusual, check_field, each, is_plain, or_else


def quick_load(schema: object) -> Convert | None:
    """What gives the same as ``schema.load``, if the schema is plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        return or_else(_loader(schema, schema.unknown, ()), schema.load)
    except Unusual:
        return None


def _loader(schema: Schema, unknown: str, inside: tuple[type, ...]) -> Convert:
    """A function that raises an exception where the schema has to look, written for the schema.

    :raises Unusual: if the schema is not plain.
    """
    if not is_plain(schema, LOAD_HOOKS) or type(schema) in inside or unknown not in (RAISE, EXCLUDE):
        raise Unusual
    inside = (*inside, type(schema))
    scope: dict[str, Any] = {"missing": missing, "Unusual": Unusual}
    lines = ["def load(data):", " if type(data) is not dict: raise Unusual", " get, loaded, seen = data.get, {}, 0"]
    for n, (name, field) in enumerate(schema.load_fields.items()):
        key = field.data_key if field.data_key is not None else name
        scope |= {f"key{n}": key, f"name{n}": field.attribute or name, f"convert{n}": _converter(field, inside)}
        lines += [f" item = get(key{n}, missing)", " if item is not missing:", "  seen += 1"]
        if field.allow_none:
            lines.append(f"  if item is None: loaded[name{n}] = None")
            lines.append("  else:")
        else:
            lines.append("  if True:")
        exact = EXACT.get(type(field))
        condition = f"if type(item) is not {exact.__name__}: " if exact else ""
        lines.append(f"   {condition}item = convert{n}(item)")
        for which, check in enumerate(_checks(field)):
            scope[f"check{n}_{which}"] = check
            lines.append(f"   check{n}_{which}(item)")
        lines.append(f"   loaded[name{n}] = item")
        if field.required:
            lines.append(" else: raise Unusual")
        elif field.load_default is not missing:
            scope[f"default{n}"] = field.load_default
            lines.append(f" else: loaded[name{n}] = default{n}" + ("()" if callable(field.load_default) else ""))
    if unknown == RAISE:
        lines.append(" if seen != len(data): raise Unusual")
    lines.append(" return loaded")
    exec("\n".join(lines), scope)  # noqa: S102  # what is the user's stands in the scope, not in the text
    load: Convert = scope["load"]
    return each(load) if schema.many else load


def _checks(field: Any) -> list[Callable[[Any], Any]]:
    return [] if type(field) in BY_THEMSELVES else list(field.validators)


def _converter(field: Any, inside: tuple[type, ...]) -> Convert:
    """What a value that is not of the exact type becomes.

    :raises Unusual: if the field is not plain.
    """
    check_field(field)
    kind = type(field)
    if kind is fields.Boolean and (
        field.truthy is not fields.Boolean.truthy or field.falsy is not fields.Boolean.falsy
    ):
        raise Unusual
    if kind is fields.Float:
        return _float
    if kind in EXACT:
        return _refuse
    if kind is fields.Raw:
        return _as_it_is
    if kind is fields.List:
        convert = _item(field.inner, inside)
        exact = EXACT.get(type(field.inner))
        return _copy_of(exact) if exact and not field.inner.validators and not field.inner.allow_none else each(convert)
    if kind is fields.Dict and field.key_field is None and field.value_field is None:
        return _dict
    if kind is fields.Nested:
        return _loader(field.schema, field.unknown or field.schema.unknown, inside)
    if kind in BY_THEMSELVES:
        deserialize: Convert = field.deserialize
        return deserialize
    raise Unusual


def _item(field: Any, inside: tuple[type, ...]) -> Convert:
    """What an item of a list becomes."""
    exact, convert = EXACT.get(type(field)), _converter(field, inside)
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
    raise Unusual


def _as_it_is(value: Any) -> Any:
    if value is None:
        raise Unusual
    return value


def _float(value: Any) -> float:
    if type(value) is not int:
        raise Unusual
    return float(value)


def _dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise Unusual
    return value.copy()


def _copy_of(exact: type) -> Convert:
    """A list whose items are what they should be."""

    def items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unusual
        for item in value:
            if type(item) is not exact:
                raise Unusual
        return value.copy()

    return items
