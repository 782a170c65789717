"""Which marshmallow schemas are plain: nothing in them is anybody else's than marshmallow's.

Hooks, and fields and validators of users' own, may do anything. What is plain is known here in full, so that a function
can do what the schema would do with a value that is fine and as usual. Whatever else it meets, a wrong value above all,
goes to the schema itself, which decides and has the words for it.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from marshmallow import Schema, fields, validate
from marshmallow.schema import SchemaMeta

Convert = Callable[[Any], Any]


class Unsupported(Exception):
    """The schema has to look at it."""


def with_fallback(quick: Convert, decide: Convert) -> Convert:
    """The first, and where that raises anything the other one."""

    def convert(value: Any) -> Any:
        try:
            return quick(value)
        except Exception:  # noqa: S110  # whatever it is, the other one says it
            pass
        return decide(value)

    return convert


def each(convert: Convert) -> Convert:
    """Of a list."""

    def items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsupported
        return [convert(item) for item in value]

    return items


LOAD_HOOKS: Final = ("pre_load", "post_load", "validates", "validates_schema")
DUMP_HOOKS: Final = ("pre_dump", "post_dump")
_MEMBERS: Final = {
    name
    for name, value in vars(Schema).items()
    if (isinstance(value, (types.FunctionType, property, staticmethod)) or name in ("dict_class", "set_class"))
    and name not in ("__init__", "__repr__", "on_bind_field", "handle_error")
}
# What fields and schemas do their work with, and a tool may have replaced.
_WORK: Final = ("_serialize", "_deserialize")
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
EXACT: Final[dict[type, type]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
}
# Fields that do their own work, as that is more than a look at the value; it depends on nothing but the value.
BY_THEMSELVES: Final = frozenset(
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
    (
        "allow_nan", "allow_none", "as_string", "attribute", "data_key", "dump_default", "dump_only", "error_messages",
        "exclude", "falsy", "inner", "key_field", "load_default", "load_only", "many", "metadata", "name", "nested",
        "only", "parent", "post_load", "pre_load", "required", "root", "strict", "truthy", "unknown", "validate",
        "validators", "value_field", "_schema", "_validate_all",
    )
)  # fmt: skip


# Functions of users' own run once, and those that only make something empty can run as often as one likes.
_EMPTY: Final = (list, dict, set, tuple, str, int, float, bool)


def is_function_of(found: object, module: str) -> bool:
    """Whether it is a function of that module; one that a tool has wrapped has the globals of the tool's."""
    return type(found) is types.FunctionType and found.__globals__.get("__name__") == module


def is_plain(schema: Schema, hooks: tuple[str, ...]) -> bool:
    """Whether nothing but the fields could make it another than marshmallow's own."""
    cls = type(schema)
    return (
        type(cls) is SchemaMeta
        and not any(schema._hooks.get(hook) for hook in hooks)
        and all(getattr(cls, name) is getattr(Schema, name) for name in _MEMBERS)
        and not vars(schema).keys() & _MEMBERS
        and not schema.partial
        and not any("." in name for name in schema.fields)  # which is a path
        and all(is_function_of(getattr(Schema, name), "marshmallow.schema") for name in ("load", "dump", *_WORK))
    )


def check_field(field: Any) -> None:
    """Check what all fields have; of which class it is, is for the caller to see.

    :raises Unsupported: if there is something of users' own in it.
    """
    if (
        not (type(field) in BY_THEMSELVES or vars(field).keys() <= _ATTRIBUTES)
        or getattr(field, "pre_load", None)  # younger than marshmallow 4.0
        or getattr(field, "post_load", None)
        or any(type(validator) not in _VALIDATORS for validator in field.validators)
        or "." in (field.attribute or "")
        or any(callable(default) and default not in _EMPTY for default in (field.load_default, field.dump_default))
        or not all(is_function_of(getattr(type(field), name), "marshmallow.fields") for name in (*_WORK, "_validate"))
    ):
        raise Unsupported
