"""A marshmallow schema for each message: for views of your own, documentation and error reports.

``load`` returns the message, ``dump`` the JSON object that travels. The schemas do not convert types: the text ``"1"``
is not an integer. Unknown fields of a request are ignored, those of a result are errors.

Hooks do not use these schemas: faster functions decode their requests. The schemas and those functions are built from
the same description of the messages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import marshmallow
from marshmallow import EXCLUDE, RAISE, ValidationError, fields, validate

from . import messages
from ._dispatch.replies import encode_result
from ._wire.fields import INT64, NULL, Array, Bool, Integer, Json, Kind, Nested, Object, String, Timestamp, fields_of

__all__ = ["MessageSchema", "explain", "schema_for"]


class MessageSchema(marshmallow.Schema):
    """Base of the schemas. A value that the message class refuses is a ValidationError too."""

    message: type
    """The class of the message."""

    def _message_from(self, values: Mapping[str, Any]) -> object:
        arguments: dict[str, Any] = {}
        is_result = issubclass(self.message, messages.Result)
        for field in fields_of(self.message):
            names = [name for name in (field.name, field.base64_name) if name is not None and name in values]
            if len(names) > 1:
                raise ValidationError(
                    f"{field.name} comes twice, as JSON and as base64.", field.base64_name or field.name
                )
            for name in names:
                value = values[name]
                # In a result null differs from absent.
                arguments[field.name] = NULL if is_result and value is None and isinstance(field.kind, Json) else value
        if self.message is messages.SubRefreshResult and not arguments.get("expired"):
            arguments.setdefault("expire_at", None)  # on the wire, no expire_at means "never expires"
        try:
            return self.message(**arguments)
        except (TypeError, ValueError) as error:
            raise ValidationError(str(error)) from None

    @marshmallow.validates_schema
    def _validate_message(self, values: Mapping[str, Any], **_: Any) -> None:
        self._message_from(values)

    @marshmallow.post_load
    def _make_message(self, values: dict[str, Any], **_: Any) -> object:
        return self._message_from(values)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The JSON object of a message.

        :raises proxyhooks.errors.Expired: if an ``expire_at`` has passed.
        """
        if self.many if many is None else many:
            return [self.dump(item, many=False) for item in obj]
        return {name: value for name, value in encode_result(obj).items() if name in self.dump_fields}


class _StrictBool(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Base64(fields.Field[bytes]):
    """Bytes as padded base64."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        try:
            if not isinstance(value, str):
                raise ValueError
            return base64.b64decode(value.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise ValidationError("Not valid base64.") from None


class _StrictString(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class _BoxedBool(fields.Field[bool]):
    """``{"value": true}``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        inner = value.get("value", False) if isinstance(value, dict) else None
        if not isinstance(inner, bool):
            raise ValidationError('Must be {"value": true} or {"value": false}.')
        return inner


def _field_for_kind(kind: Kind, strict_choices: bool, **options: Any) -> fields.Field[Any]:
    match kind:
        case String(choices=choices):
            one_of = validate.OneOf(choices) if choices and strict_choices else None
            return _StrictString(validate=one_of, **options)
        case Bool(boxed=True):
            return _BoxedBool(**options)
        case Bool():
            return _StrictBool(**options)
        case Integer(low=low, high=high):
            return fields.Integer(strict=True, validate=validate.Range(low, high), **options)
        case Timestamp():
            return _field_for_kind(INT64, strict_choices, **options)
        case Json():
            return fields.Raw(allow_none=True, **options)
        case Array(item=item):
            return fields.List(_field_for_kind(item, strict_choices), **options)
        case Object(value=value):
            return fields.Dict(keys=_StrictString(), values=_field_for_kind(value, strict_choices), **options)
        case Nested(cls=cls):
            return fields.Nested(lambda: schema_for(cls)(), **options)
    raise AssertionError(kind)


_schemas: dict[type, type[MessageSchema]] = {}


def schema_for(message: type) -> type[MessageSchema]:
    """The schema class of a message class; always the same one."""
    if message not in _schemas:
        is_result = issubclass(message, messages.Result)
        members: dict[str, Any] = {
            "message": message,
            "__doc__": message.__doc__,
            "Meta": type("Meta", (), {"unknown": RAISE if is_result else EXCLUDE}),
        }
        for field in fields_of(message):
            members[field.name] = _field_for_kind(field.kind, is_result, required=field.required)
            if field.base64_name is not None:
                members[field.base64_name] = _Base64()
        _schemas[message] = type(f"{message.__name__}Schema", (MessageSchema,), members)
    return _schemas[message]


def explain(message: type, value: Any) -> dict[str, Any] | list[Any]:
    """Why a JSON value cannot be decoded as this message: marshmallow's errors by field."""
    errors = schema_for(message)().validate(value)
    return errors or {"_schema": ["Cannot be read."]}


def __getattr__(name: str) -> type[MessageSchema]:
    message = getattr(messages, name.removesuffix("Schema"), None) if name.endswith("Schema") else None
    if isinstance(message, type) and is_dataclass(message):
        return schema_for(message)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
