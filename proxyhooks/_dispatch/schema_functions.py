"""Checks that the functions with which a marshmallow schema loads run when they are called: none is async or yields.

marshmallow calls them and ignores what most of them return. A validator that is async refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import Schema, fields, validate

from ..exceptions import SetupError
from .schema_facts import hook_names
from .signatures import source_location, why_not_run


def check_schema_functions(option: str, schema: Schema) -> None:
    """Check the functions that the schema calls when it loads.

    :param option: how the error text calls the schema, such as ``data_schema``.
    :raises SetupError: if one is async or yields.
    """
    for function in _functions(schema, ()):
        if (problem := why_not_run(function)) is not None:
            raise SetupError(
                f"{option} {type(schema).__name__}: marshmallow calls {source_location(function)}, which {problem}, so "
                "it would do nothing: make it a plain function"
            )


def _functions(schema: Schema, enclosing: tuple[type, ...]) -> Iterator[Callable[..., Any]]:
    if type(schema) in enclosing:
        return
    for kind in ("pre_load", "post_load", "validates", "validates_schema"):
        for name in hook_names(schema, kind):
            yield getattr(schema, name)
    for field in schema.fields.values():
        yield from _functions_of_field(field, (*enclosing, type(schema)))


def _functions_of_field(field: Any, enclosing: tuple[type, ...]) -> Iterator[Callable[..., Any]]:
    yield from (field.deserialize, field._deserialize, field._validate)  # those that own fields override
    for validator in field.validators:
        yield from validator.validators if isinstance(validator, validate.And) else (validator,)
    for name in ("pre_load", "post_load"):  # marshmallow has them from 4.3 on
        yield from getattr(field, name, None) or ()
    if isinstance(field, fields.Function) and field.deserialize_func is not None:
        yield field.deserialize_func
    elif isinstance(field, fields.Method) and field.deserialize_method_name is not None:
        yield getattr(field.parent, field.deserialize_method_name)
    elif isinstance(field, fields.Nested):
        try:
            schema = field.schema
        except Exception:  # a schema that is named by a text may be defined later
            return
        yield from _functions(schema, enclosing)
    elif isinstance(field, fields.List):
        yield from _functions_of_field(field.inner, enclosing)
    elif isinstance(field, fields.Tuple):
        for inner in field.tuple_fields:
            yield from _functions_of_field(inner, enclosing)
    elif isinstance(field, fields.Mapping):
        for inner in filter(None, (field.key_field, field.value_field)):
            yield from _functions_of_field(inner, enclosing)
