"""Which marshmallow schemas can be compiled: *plain* ones, all of whose parts are marshmallow's own.

A schema is not plain if it has marshmallow hooks, such as ``post_load``, or fields or validators that marshmallow does
not define. A compiled schema handles only valid values of the usual types. For any other value it raises an exception:
the schema itself then loads or dumps the value, and writes the error messages.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from marshmallow import Schema, fields, validate
from marshmallow.schema import SchemaMeta

from .source_digests import SCHEMAS, unknown_functions

Convert = Callable[[Any], Any]


class Unsupported(Exception):
    """This schema or field cannot be compiled, or a compiled schema cannot handle this value."""


def each_item(convert: Convert) -> Convert:
    """Return a function that applies *convert* to each item of a list."""

    def convert_items(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsupported
        return [convert(item) for item in value]

    return convert_items


LOAD_HOOKS: Final = ("pre_load", "post_load", "validates", "validates_schema")
DUMP_HOOKS: Final = ("pre_dump", "post_dump")
SCHEMA_MEMBERS: Final = {
    name
    for name, value in vars(Schema).items()
    if (isinstance(value, (types.FunctionType, property, staticmethod)) or name in ("dict_class", "set_class"))
    and name not in ("__init__", "__repr__", "on_bind_field", "handle_error")
}
"""Members of Schema that decide what load and dump do. A subclass that replaces one of them is not plain."""
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
PYTHON_TYPES: Final[dict[type, type]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
}
"""By field class: values of exactly this type stay as they are."""
DELEGATED_FIELDS: Final = frozenset(
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
"""Field classes whose own ``deserialize`` a compiled schema calls. Its result depends on the value alone."""
# Another attribute of a field may be a feature of a later release of marshmallow.
_KNOWN_ATTRIBUTES: Final = frozenset(
    (
        "allow_nan", "allow_none", "as_string", "attribute", "data_key", "dump_default", "dump_only", "error_messages",
        "exclude", "falsy", "inner", "key_field", "load_default", "load_only", "many", "metadata", "name", "nested",
        "only", "parent", "post_load", "pre_load", "required", "root", "strict", "truthy", "unknown", "validate",
        "validators", "value_field", "_schema", "_validate_all",
    )
)  # fmt: skip
# The fallback calls a default once more. That must not happen to a function of the application.
_REPEATABLE_DEFAULTS: Final = (list, dict, set, tuple, str, int, float, bool)


def is_plain(schema: Schema, hooks: tuple[str, ...]) -> bool:
    """Whether the schema overrides no member of ``Schema`` and has none of these marshmallow hooks; ignores fields."""
    cls = type(schema)
    return (
        type(cls) is SchemaMeta
        and not any(schema._hooks.get(hook) for hook in hooks)
        and all(getattr(cls, name) is getattr(Schema, name) for name in SCHEMA_MEMBERS)
        and not vars(schema).keys() & SCHEMA_MEMBERS
        and not schema.partial
        and not any("." in name for name in schema.fields)  # marshmallow takes a dotted name for a path
    )


def check_marshmallow() -> None:
    """Check that the installed marshmallow is a known one.

    :raises Unsupported: if it is not, or if a tool has changed it.
    """
    if unknown := unknown_functions(SCHEMAS):
        raise Unsupported(", ".join(unknown))


def check_field(field: Any) -> None:
    """Check all of a field but its class, which the caller checks.

    :raises Unsupported: if a part of the field is not marshmallow's own.
    """
    if (
        not (type(field) in DELEGATED_FIELDS or vars(field).keys() <= _KNOWN_ATTRIBUTES)
        or getattr(field, "pre_load", None)  # marshmallow has them from 4.3 on
        or getattr(field, "post_load", None)
        or any(type(validator) not in _VALIDATORS for validator in field.validators)
        or "." in (field.attribute or "")
        or any(callable(default) and default not in _REPEATABLE_DEFAULTS for default in _defaults(field))
    ):
        raise Unsupported


def _defaults(field: Any) -> tuple[Any, Any]:
    return field.load_default, field.dump_default
