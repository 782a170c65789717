"""The schemas that decorators take as options, checked."""

from __future__ import annotations

from typing import Any, Final, cast

from marshmallow import Schema

from ..exceptions import SetupError
from .json_fields import check_dumps_json
from .schema_functions import check_schema_functions
from .signatures import source_location, why_not_run

_REFUSE_NOTHING: Final = ("validate", "dump", "dumps")
"""Methods of schemas: ``validate`` returns the errors, and the others validate nothing."""


def checked_data_schema(schema: Any, must_dump: bool) -> Any:
    """The ``data_schema``: None, a function, or an instance if a class is given.

    :param must_dump: whether a schema must also be able to dump JSON.
    :raises SetupError: if it is none of these, or could not load.
    """
    instance = _checked_schema("data_schema", schema, function_allowed=True)
    if must_dump and isinstance(instance, Schema):
        check_dumps_json("data_schema", instance)
    return instance


def checked_result_schema(option: str, schema: Any) -> Schema:
    """The schema that dumps: the instance, also if a class is given.

    :param option: how error texts call the schema, such as ``result_schema``.
    :raises SetupError: if it is no schema, or cannot dump JSON.
    """
    instance = _checked_schema(option, schema)
    if instance is None:
        raise SetupError(f"{option} must be a marshmallow schema, class or instance, not None")
    check_dumps_json(option, instance)
    return cast(Schema, instance)


def _pydantic_remedy(schema: object, function_allowed: bool) -> str:
    """How to use a model or a ``TypeAdapter`` of pydantic; empty for anything else."""
    is_model = hasattr(schema, "model_validate")
    if not is_model and not hasattr(schema, "validate_python"):
        return ""
    if not function_allowed:
        return ': return model_dump(mode="json") of the model instead'
    if not is_model:
        return ": write its validate_python"
    return f": write {(schema if isinstance(schema, type) else type(schema)).__name__}.model_validate"


def _checked_schema(option: str, schema: Any, *, function_allowed: bool = False) -> Any:
    if isinstance(schema, type) and issubclass(schema, Schema):
        schema = schema()
    if isinstance(schema, Schema):
        check_schema_functions(option, schema)
    if schema is None or isinstance(schema, Schema):
        return schema
    if not function_allowed or not callable(schema) or isinstance(schema, type):
        or_function = ", or a function (data) -> value" if function_allowed else ""
        raise SetupError(
            f"{option} must be a marshmallow schema, class or instance{or_function}, not {schema!r}"
            + _pydantic_remedy(schema, function_allowed)
        )
    if isinstance(owner := getattr(schema, "__self__", None), Schema) and schema.__name__ in _REFUSE_NOTHING:
        raise SetupError(f"{option} {source_location(schema)} refuses nothing: give {type(owner).__name__} itself")
    if (problem := why_not_run(schema)) is not None:
        raise SetupError(
            f"{option} {source_location(schema)} {problem}, so it would validate nothing: make it a plain function"
        )
    return schema
