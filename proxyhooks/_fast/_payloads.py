"""marshmallow schemas as functions, where they are plain.

A function does what the schema would do with a value that is fine and as usual. Whatever else it meets, a wrong value
above all, goes to the schema itself, which decides and has the words for it. A schema is plain if nothing in it is
anybody else's than marshmallow's: no hooks, no fields or validators of users' own, which may do anything.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, fields, missing, validate
from marshmallow.schema import SchemaMeta

_Convert = Callable[[Any], Any]


class _Unusual(Exception):
    """The schema has to look at it."""


def quick_load(schema: object) -> _Convert | None:
    """What gives the same as ``schema.load``, if the schema is plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        quick = _loader(schema, schema.unknown, ())
    except _Unusual:
        return None
    return _or_else(quick, schema.load)


def quick_dump(schema: object) -> _Convert | None:
    """What gives the same as ``schema.dump``, if the schema is plain."""
    if not isinstance(schema, Schema):
        return None
    try:
        quick = _dumper(schema, ())
    except _Unusual:
        return None
    return _or_else(quick, schema.dump)


def _or_else(quick: _Convert, decide: _Convert) -> _Convert:
    def convert(value: Any) -> Any:
        try:
            return quick(value)
        except Exception:  # also what validators raise
            return decide(value)

    return convert


# --- what is plain ---

_LOAD_HOOKS: Final = ("pre_load", "post_load", "validates", "validates_schema")
_DUMP_HOOKS: Final = ("pre_dump", "post_dump")
_METHODS: Final = tuple(
    name
    for name, value in vars(Schema).items()
    if isinstance(value, (types.FunctionType, property))
    and name not in ("__init__", "__repr__", "on_bind_field", "handle_error")
)
_VALIDATORS: Final = frozenset(
    {
        validate.ContainsNoneOf,
        validate.ContainsOnly,
        validate.Email,
        validate.Equal,
        validate.Length,
        validate.NoneOf,
        validate.OneOf,
        validate.Range,
        validate.Regexp,
        validate.URL,
    }
)
_EXACT: Final[dict[type, type]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
}
# Fields that do their own work, as that is more than a look at the value; it depends on nothing but the value.
_BY_THEMSELVES: Final = frozenset(
    {
        fields.AwareDateTime,
        fields.Date,
        fields.DateTime,
        fields.Decimal,
        fields.Email,
        fields.Enum,
        fields.NaiveDateTime,
        fields.Time,
        fields.TimeDelta,
        fields.URL,
        fields.UUID,
    }
)
# What instances of these fields keep. More than that is a part of marshmallow that is not known here.
_ATTRIBUTES: Final = frozenset(
    [
        "_validate_all",
        "allow_nan",
        "allow_none",
        "as_string",
        "attribute",
        "data_key",
        "dump_default",
        "dump_only",
        "error_messages",
        "exclude",
        "falsy",
        "inner",
        "key_field",
        "load_default",
        "load_only",
        "many",
        "metadata",
        "name",
        "nested",
        "only",
        "parent",
        "post_load",
        "pre_load",
        "required",
        "root",
        "_schema",
        "strict",
        "truthy",
        "unknown",
        "validate",
        "validators",
        "value_field",
    ]
)


def _is_plain(schema: Schema, hooks: tuple[str, ...]) -> bool:
    cls = type(schema)
    return (
        type(cls) is SchemaMeta
        and not any(schema._hooks.get(hook) for hook in hooks)
        and all(getattr(cls, name) is getattr(Schema, name) for name in _METHODS)
        and not vars(schema).keys() & set(_METHODS)
        and not schema.partial
    )


def _check_field(field: Any) -> None:
    own = not (type(field) in _BY_THEMSELVES or vars(field).keys() <= _ATTRIBUTES)
    processors = [*(getattr(field, "pre_load", None) or ()), *(getattr(field, "post_load", None) or ())]
    if own or processors or any(type(validator) not in _VALIDATORS for validator in field.validators):
        raise _Unusual
    if "." in (field.attribute or ""):
        raise _Unusual


# --- loading ---


def _loader(schema: Schema, unknown: str, inside: tuple[type, ...]) -> _Convert:
    """A function that raises an exception where the schema has to look, written for the schema.

    :raises _Unusual: if the schema is not plain.
    """
    if not _is_plain(schema, _LOAD_HOOKS) or type(schema) in inside or unknown not in (RAISE, EXCLUDE):
        raise _Unusual
    inside = (*inside, type(schema))
    scope: dict[str, Any] = {"missing": missing, "Unusual": _Unusual}
    lines = ["def load(data):", " if type(data) is not dict: raise Unusual", " get, loaded, seen = data.get, {}, 0"]
    keys = set()
    for n, (name, field) in enumerate(schema.load_fields.items()):
        key = field.data_key if field.data_key is not None else name
        if key in keys:
            raise _Unusual
        keys.add(key)
        scope |= {f"key{n}": key, f"name{n}": field.attribute or name, f"convert{n}": _converter(field, inside)}
        lines += [f" item = get(key{n}, missing)", " if item is not missing:", "  seen += 1"]
        if field.allow_none:
            lines.append(f"  if item is None: loaded[name{n}] = None")
            lines.append("  else:")
        else:
            lines.append("  if True:")
        exact = _EXACT.get(type(field))
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
    load: _Convert = scope["load"]
    return _list(load) if schema.many else load


def _checks(field: Any) -> list[Callable[[Any], Any]]:
    return [] if type(field) in _BY_THEMSELVES else list(field.validators)


def _converter(field: Any, inside: tuple[type, ...]) -> _Convert:
    """What a value that is not of the exact type becomes.

    :raises _Unusual: if the field is not plain.
    """
    _check_field(field)
    kind = type(field)
    if kind is fields.Boolean and (
        field.truthy is not fields.Boolean.truthy or field.falsy is not fields.Boolean.falsy
    ):
        raise _Unusual
    if kind is fields.Float:
        return _float
    if kind in _EXACT:
        return _refuse
    if kind is fields.Raw:
        return _as_it_is
    if kind is fields.List:
        convert = _item(field.inner, inside)
        exact = _EXACT.get(type(field.inner))
        return (
            _copy_of(exact) if exact and not field.inner.validators and not field.inner.allow_none else _list(convert)
        )
    if kind is fields.Dict and field.key_field is None and field.value_field is None:
        return _dict
    if kind is fields.Nested:
        return _loader(field.schema, field.unknown or field.schema.unknown, inside)
    if kind in _BY_THEMSELVES:
        deserialize: _Convert = field.deserialize
        return deserialize
    raise _Unusual


def _item(field: Any, inside: tuple[type, ...]) -> _Convert:
    """What an item of a list becomes."""
    exact, convert = _EXACT.get(type(field)), _converter(field, inside)
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
    raise _Unusual


def _as_it_is(value: Any) -> Any:
    if value is None:
        raise _Unusual
    return value


def _float(value: Any) -> float:
    if type(value) is not int:
        raise _Unusual
    return float(value)


def _dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise _Unusual
    return value.copy()


def _copy_of(exact: type) -> _Convert:
    """A list whose items are what they should be."""

    def items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _Unusual
        for item in value:
            if type(item) is not exact:
                raise _Unusual
        return value.copy()

    return items


def _list(convert: _Convert) -> _Convert:
    def items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _Unusual
        return [convert(item) for item in value]

    return items


# --- dumping ---


def _dumper(schema: Schema, inside: tuple[type, ...]) -> _Convert:
    """What raises an exception where the schema has to look.

    :raises _Unusual: if the schema is not plain.
    """
    if not _is_plain(schema, _DUMP_HOOKS) or type(schema) in inside:
        raise _Unusual
    inside = (*inside, type(schema))
    rows = []
    for name, field in schema.dump_fields.items():
        source = name if field.attribute is None else field.attribute
        if hasattr(dict, source):  # marshmallow takes the method where the key is missing
            raise _Unusual
        key = field.data_key if field.data_key is not None else name
        rows.append((key, source, _EXACT.get(type(field)), _writer(field, inside), field.dump_default))

    def dump(value: Any) -> Any:
        if type(value) is not dict:
            raise _Unusual
        dumped: dict[str, Any] = {}
        for key, source, exact, convert, default in rows:
            item = value.get(source, missing)
            if item is missing:
                if default is missing:
                    continue
                item = default() if callable(default) else default
            dumped[key] = item if type(item) is exact else convert(item)
        return dumped

    return _list(dump) if schema.many else dump


def _writer(field: Any, inside: tuple[type, ...]) -> _Convert:
    """What a value that is not of the exact type becomes.

    :raises _Unusual: if the field is not plain.
    """
    _check_field(field)
    kind = type(field)
    if kind in _EXACT and not getattr(field, "as_string", False):
        return _none
    if kind is fields.Raw:
        return lambda value: value
    if kind is fields.List:
        exact, write = _EXACT.get(type(field.inner)), _writer(field.inner, inside)
        return _or_none(_list(lambda value: value if type(value) is exact else write(value)))
    if kind is fields.Nested:
        if field.many and not field.schema.many:
            raise _Unusual
        return _or_none(_dumper(field.schema, inside))
    raise _Unusual


def _none(value: Any) -> None:
    if value is not None:
        raise _Unusual


def _or_none(convert: _Convert) -> _Convert:
    return lambda value: None if value is None else convert(value)
