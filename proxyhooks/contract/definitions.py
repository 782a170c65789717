"""The JSON Schemas of marshmallow schemas, which refer to each other by name."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final
from urllib.parse import quote

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, missing
from marshmallow.exceptions import RegistryError

from ..exceptions import SetupError
from .field_types import Context, JsonSchema, Partial, json_schema_of
from .wire import AnyField, Direction, json_forms

REFERENCE: Final = "#/$defs/"
"""The start of a reference; the rest is the name of a definition."""


class JsonSchemas:
    """Converts marshmallow schemas to JSON Schemas, separately for each direction."""

    def __init__(self) -> None:
        self._names: dict[Hashable, str] = {}
        self._taken: set[str] = set()
        self._loaded_with: dict[str, tuple[Partial, str]] = {}
        """The options for ``load`` of the definition that has the same name as the result."""
        self._definitions: dict[str, JsonSchema] = {}

    def reference(self, schema: Any, direction: Direction) -> JsonSchema | None:
        """The JSON Schema, which refers to :meth:`definitions`; None if *schema* is no marshmallow schema.

        :raises SetupError: if a nested schema does not exist, or has not the fields that are named.
        """
        if not isinstance(schema, Schema):
            return None
        reference = self._refer(schema, type(schema), direction)
        return {"type": "array", "items": reference} if schema.many else reference

    def definitions(self) -> dict[str, JsonSchema]:
        """The JSON Schemas that others refer to, by name."""
        return dict(sorted(self._definitions.items()))

    def _refer(
        self,
        schema: Schema,
        origin: Hashable,
        direction: Direction,
        partial: Partial = None,
        unknown: str | None = None,
    ) -> JsonSchema:
        """The reference to a schema.

        :param origin: What schemas have in common that differ in their options alone: their class, as a rule.
        :param partial: The ``partial`` of the schema around it.
        :param unknown: The ``unknown`` of the field around it.
        """
        if partial is None:
            partial = schema.partial if isinstance(schema.partial, bool | None) else frozenset(schema.partial)
        unknown = unknown or schema.unknown
        options = (frozenset(schema.load_only), frozenset(schema.dump_only), _nested(schema))
        key: Hashable = (origin, frozenset(schema.fields), options)
        name = self._name(key, type(schema).__name__)
        if direction == "dump":
            name = f"{name}Result"
        elif self._loaded_with.setdefault(name, (partial, unknown)) != (partial, unknown):
            name = self._name((key, partial, unknown), type(schema).__name__)
        if name not in self._definitions:
            self._definitions[name] = {}  # a schema may contain itself
            self._definitions[name] = self._object(schema, direction, partial, unknown)
        return {"$ref": f"{REFERENCE}{quote(name)}"}

    def _name(self, key: Hashable, class_name: str) -> str:
        """The name of the class; with a number if another class, or this class with other options, has it."""
        if key not in self._names:
            base = re.sub(r"[^\w$]", "_", class_name.removesuffix("Schema") or "Schema")
            name, number = base, 2
            while {name, f"{name}Result"} & self._taken:
                name, number = f"{base}{number}", number + 1
            self._taken |= {name, f"{name}Result"}
            self._names[key] = name
        return self._names[key]

    def _object(self, schema: Schema, direction: Direction, partial: Partial, unknown: str) -> JsonSchema:
        def refer(field: fields.Nested, partial: Partial) -> JsonSchema:
            return self._refer(field.schema, _origin(field), direction, partial, field.unknown)

        properties: dict[str, JsonSchema] = {}
        required: list[str] = []
        own_fields = schema.load_fields if direction == "load" else schema.dump_fields
        # Where "only" is a set, the schema has its fields in another order in each process.
        for name, field in ((name, own_fields[name]) for name in schema.declared_fields if name in own_fields):
            context = Context(direction, refer, _partial_of(name, partial) if direction == "load" else None)
            try:
                json_schema = json_schema_of(field, context)
            except (RegistryError, ValueError) as error:  # as marshmallow raises when it loads or dumps
                raise SetupError(f"the field {name} of {type(schema).__qualname__} has no schema: {error}") from None
            if direction == "load":
                json_schema = json_schema | _default(field)
            key = name if field.data_key is None else field.data_key
            # Several fields may be loaded from one key.
            properties[key] = {"allOf": [properties[key], json_schema]} if key in properties else json_schema
            if _is_always_dumped(field) if direction == "dump" else _is_needed(name, field, partial):
                required.append(key)
        result: JsonSchema = {"type": "object", "properties": properties}
        if required:
            result["required"] = list(dict.fromkeys(required))
        if direction == "load" and unknown in (RAISE, INCLUDE):
            result["additionalProperties"] = unknown == INCLUDE
        return result


def _origin(field: fields.Nested) -> Hashable:
    """What is the same each time that marshmallow makes the schema in the field."""
    cls = type(field.schema)
    if isinstance(field.nested, dict):
        return id(field.nested)  # it gets a new class each time
    if cls.__name__ == Schema.from_dict({}).__name__ and callable(field.nested):
        return field.nested  # so does a dict that a function returns
    return cls


def _nested(schema: Schema) -> Hashable:
    """The options of nested schemas that come from this schema, as ``only=["author.name"]`` sets them."""
    options = (
        (name, getattr(field, "only", None), getattr(field, "exclude", ()))
        for name, field in schema.fields.items()
        if isinstance(field, fields.Nested | fields.List | fields.Mapping)
    )
    return frozenset(
        (name, None if only is None else frozenset(only), frozenset(exclude)) for name, only, exclude in options
    )


def _partial_of(name: str, partial: Partial) -> Partial:
    """The ``partial`` that marshmallow gives to the schema in a field."""
    if not isinstance(partial, frozenset):
        return partial
    return frozenset(inner.removeprefix(f"{name}.") for inner in partial if inner.startswith(f"{name}."))


def _is_needed(name: str, field: AnyField, partial: Partial) -> bool:
    """Whether ``load`` refuses an object without the field."""
    may_be_missing = name in partial if isinstance(partial, frozenset) else bool(partial)
    return field.required and not may_be_missing and not _may_constant_be_missing(field)


def _may_constant_be_missing(field: AnyField) -> bool:
    """Whether the field is a Constant that may be missing although it is required: marshmallow 4.0.0 refuses that."""
    if not isinstance(field, fields.Constant):
        return False
    try:
        field.deserialize(missing)
    except ValidationError:
        return False
    return True


def _is_always_dumped(field: AnyField) -> bool:
    """Whether ``dump`` always writes the field. What is required is expected to be there."""
    is_computed = isinstance(field, fields.Constant | fields.Function) or (
        isinstance(field, fields.Method) and field.serialize_method_name is not None
    )
    return field.required or is_computed or field.dump_default is not missing


def _default(field: AnyField) -> JsonSchema:
    """The keyword for ``load_default``, if JSON has the value."""
    default = field.load_default
    if default is missing or callable(default) or isinstance(field, fields.Constant):
        return {}
    forms = json_forms(field, default, "load")
    return {"default": forms[0]} if forms else {}
