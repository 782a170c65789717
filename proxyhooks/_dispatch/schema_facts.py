"""What is known of a marshmallow schema that dumps: whether code of the application decides, and where values go."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields


def output_is_known(schema: Schema) -> bool:
    """Whether what the schema dumps has the shape that its fields say."""
    return not (has_own_dump(schema) or has_hooks(schema, "post_dump"))


def has_own_dump(schema: Schema) -> bool:
    return type(schema).dump is not Schema.dump


def has_hooks(schema: Schema, kind: str) -> bool:
    return bool(hook_names(schema, kind))


def hook_names(schema: Schema, kind: str) -> list[str]:
    """The names of the schema's methods that are marshmallow hooks of this kind, such as ``post_load``."""
    return [name for name, *_ in getattr(schema, "_hooks", {}).get(kind, ())]


def reads_whole_value(field: fields.Field[Any]) -> bool:
    return not isinstance(field, fields.Constant) and not getattr(field, "_CHECK_ATTRIBUTE", True)


def key_of(name: str, field: fields.Field[Any]) -> str:
    return name if field.data_key is None else field.data_key


def source_of(name: str, field: fields.Field[Any]) -> str:
    return name if field.attribute is None else field.attribute
