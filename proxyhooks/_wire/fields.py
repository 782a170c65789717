"""The fields of messages and their types on the wire, read from the annotations of the message classes.

This module only describes the types. Validation, encoding, decoding and the marshmallow schemas are built from the
description.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from datetime import datetime, timedelta
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def message_class(cls: type[_T]) -> type[_T]:
    """Turn the class into a message: a frozen, slotted dataclass with keyword arguments."""
    message = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
    # The generated methods of a frozen and slotted dataclass raise a TypeError for an attribute that is not a field,
    # such as the one that typing tries to set when RPCRequest[int](...) is called.
    message.__setattr__ = _refuse_change  # type: ignore[method-assign]  # on purpose
    message.__delattr__ = _refuse_change  # type: ignore[method-assign]  # likewise
    return message


def _refuse_change(self: object, name: str, _: object = None) -> None:
    raise dataclasses.FrozenInstanceError(f"messages are frozen: {type(self).__name__}.{name} cannot be changed")


class Kind:
    """The type of a field on the wire."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class String(Kind):
    choices: tuple[str, ...] = ()
    """The only allowed values; empty: any text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Integer(Kind):
    """An integer from ``low`` to ``high``, both included."""

    low: int
    high: int


@dataclasses.dataclass(frozen=True, slots=True)
class Bool(Kind):
    boxed: bool = False
    """Whether it travels as ``{"value": true}``, which tells false from absent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timestamp(Kind):
    """Unix seconds; in a result an int, an aware datetime or a timedelta from now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Json(Kind):
    base64: bool = False
    """Whether bytes may travel instead, as base64 in the field ``b64<name>``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Array(Kind):
    item: Kind


@dataclasses.dataclass(frozen=True, slots=True)
class Object(Kind):
    value: Kind
    """The kind of every value; a key is any text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Nested(Kind):
    cls: type
    """A message class."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind
    required: bool

    @property
    def base64_name(self) -> str | None:
        """The name under which bytes travel as base64; ``None`` if they cannot."""
        return f"b64{self.name}" if isinstance(self.kind, Json) and self.kind.base64 else None


# Annotations of message classes, for the kinds that Python's own types do not tell apart.
INT64: Final = Integer(-(2**63), 2**63 - 1)
Int64: TypeAlias = Annotated[int, INT64]
UInt64: TypeAlias = Annotated[int, Integer(0, 2**64 - 1)]
BoxedBool: TypeAlias = Annotated[bool, Bool(boxed=True)]
JsonOf = Annotated[_T, Json()]
PayloadOf = Annotated[_T, Json(base64=True)]
ExpireAt: TypeAlias = int | datetime | timedelta
Expiry: TypeAlias = Annotated[ExpireAt, Timestamp()]


@functools.cache
def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of a message class, in the order in which they are written."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        Field(
            field.name,
            _kind_of(hints[field.name]),
            required=field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
    )


def _kind_of(hint: Any) -> Kind:
    arguments, origin = get_args(hint), get_origin(hint)
    if origin is Annotated:
        return next(extra for extra in arguments[1:] if isinstance(extra, Kind))
    if origin in (Union, types.UnionType):  # "X | None": None means absent, and is not a kind
        return next(_kind_of(part) for part in arguments if part is not type(None))
    if origin is Literal:
        return String(arguments)
    if origin is list:
        return Array(_kind_of(arguments[0]))
    if origin is dict:
        return Object(_kind_of(arguments[1]))
    if hint is str:
        return String()
    if hint is bool:
        return Bool()
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return Nested(hint)
    raise TypeError(f"Centrifugo has no fields of type {hint!r}: messages cannot be extended with other fields")


class Null:
    """The type of :data:`proxyhooks.NULL`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __reduce__(self) -> str:
        return "NULL"


NULL: Final = Null()
"""JSON null in a result. ``None`` instead leaves the field out."""
