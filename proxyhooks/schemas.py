"""The marshmallow schema of each message: for plain views, documentation and error reports.

They are strict: an integer is an integer, a text a text, and a request's unknown fields are ignored while a result's
are errors. ``load`` gives the message, ``dump`` the object that travels. Hooks do not pass through them; they are
made from the same table as the reader that hooks use.
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
    """Base of the schemas. ``load`` returns the message; what a message itself refuses is a ValidationError too."""

    message: type

    def _made(self, values: Mapping[str, Any]) -> object:
        given: dict[str, Any] = {}
        is_result = issubclass(self.message, messages.Result)
        for field in fields_of(self.message):
            names = [name for name in (field.name, field.base64_name) if name is not None and name in values]
            if len(names) > 1:
                raise ValidationError(
                    f"{field.name} comes twice, as JSON and as base64.", field.base64_name or field.name
                )
            for name in names:
                value = values[name]
                # In a result null is not absent.
                given[field.name] = NULL if is_result and value is None and isinstance(field.kind, Json) else value
        if self.message is messages.SubRefreshResult and not given.get("expired"):
            given.setdefault("expire_at", None)  # so it is on the wire
        try:
            return self.message(**given)
        except (TypeError, ValueError) as error:
            raise ValidationError(str(error)) from None

    @marshmallow.validates_schema
    def _check(self, values: Mapping[str, Any], **_: Any) -> None:
        self._made(values)

    @marshmallow.post_load
    def _make(self, values: dict[str, Any], **_: Any) -> object:
        return self._made(values)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The message as the JSON object that travels.

        :raises proxyhooks.errors.Expired: if an ``expire_at`` has passed.
        """
        if self.many if many is None else many:
            return [self.dump(item, many=False) for item in obj]
        return {name: value for name, value in encode_result(obj).items() if name in self.dump_fields}


class _Bool(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Base64(fields.Field[bytes]):
    """Bytes as base64 with its padding."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        try:
            if not isinstance(value, str):
                raise ValueError
            return base64.b64decode(value.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise ValidationError("Not valid base64.") from None


class _Text(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class _Boxed(fields.Field[bool]):
    """``{"value": true}``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        inner = value.get("value", False) if isinstance(value, dict) else None
        if not isinstance(inner, bool):
            raise ValidationError('Must be {"value": true} or {"value": false}.')
        return inner


def _field(kind: Kind, strict_choices: bool, **options: Any) -> fields.Field[Any]:
    match kind:
        case String(choices=choices):
            only = validate.OneOf(choices) if choices and strict_choices else None
            return _Text(validate=only, **options)
        case Bool(boxed=True):
            return _Boxed(**options)
        case Bool():
            return _Bool(**options)
        case Integer(low=low, high=high):
            return fields.Integer(strict=True, validate=validate.Range(low, high), **options)
        case Timestamp():
            return _field(INT64, strict_choices, **options)
        case Json():
            return fields.Raw(allow_none=True, **options)
        case Array(item=item):
            return fields.List(_field(item, strict_choices), **options)
        case Object(value=value):
            return fields.Dict(keys=_Text(), values=_field(value, strict_choices), **options)
        case Nested(message=message):
            return fields.Nested(lambda: schema_for(message)(), **options)
    raise AssertionError(kind)


_made: dict[type, type[MessageSchema]] = {}


def schema_for(message: type) -> type[MessageSchema]:
    """The schema class of a message class, the same one every time."""
    if message not in _made:
        is_result = issubclass(message, messages.Result)
        members: dict[str, Any] = {
            "message": message,
            "__doc__": message.__doc__,
            "Meta": type("Meta", (), {"unknown": RAISE if is_result else EXCLUDE}),
        }
        for field in fields_of(message):
            members[field.name] = _field(field.kind, is_result, required=field.required)
            if field.base64_name is not None:
                members[field.base64_name] = _Base64()
        _made[message] = type(f"{message.__name__}Schema", (MessageSchema,), members)
    return _made[message]


def explain(message: type, value: Any) -> dict[str, Any] | list[Any]:
    """The field errors of a JSON value that is not this message."""
    errors = schema_for(message)().validate(value)
    return errors or {"_schema": ["Cannot be read."]}


def __getattr__(name: str) -> type[MessageSchema]:
    message = getattr(messages, name.removesuffix("Schema"), None) if name.endswith("Schema") else None
    if isinstance(message, type) and is_dataclass(message):
        return schema_for(message)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
