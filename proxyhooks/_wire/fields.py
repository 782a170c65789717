"""The fields of messages and their types on the wire, read from the annotations of the message classes.

This module describes the types and checks the values of results. Encoding, decoding and the marshmallow schemas are
built from the same description elsewhere.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
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


# --- check the values of a result ---


class Null:
    """The type of :data:`proxyhooks.NULL`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __reduce__(self) -> str:
        return "NULL"


NULL: Final = Null()
"""JSON null in a result. ``None`` instead leaves the field out."""


def check_message(message: Any) -> None:
    """Check every field that is set, except JSON, which is checked when it is written.

    :raises TypeError: if a value has the wrong type; the text names the field.
    :raises ValueError: if a value is out of range.
    """
    cls: Any = type(message)
    for name, check, required in _field_checks(cls):
        value = getattr(message, name)
        if value is not None:
            check(value, f"{cls.__name__}.{name}")
        elif required:
            raise TypeError(f"{cls.__name__}.{name} is required, and must not be None")


_Check: TypeAlias = Callable[[Any, str], None]
"""Takes the value, and its path for the error text."""


@functools.cache
def _field_checks(cls: type) -> tuple[tuple[str, _Check, bool], ...]:
    # JSON is not walked through twice: writing it finds what is wrong.
    return tuple(
        (field.name, _check_for_kind(field.kind), field.required)
        for field in fields_of(cls)
        if field.kind != Json(base64=True)
    )


def _check_for_kind(kind: Kind) -> _Check:
    match kind:
        case String(choices=choices):
            return functools.partial(_check_string, choices)
        case Integer(low=low, high=high):
            return functools.partial(_check_integer, low, high)
        case Bool():
            return _check_bool
        case Timestamp():
            return _check_timestamp
        case Json():
            return _check_json
        case Array(item=item):
            return functools.partial(_check_array, _check_for_kind(item))
        case Object(value=value):
            return functools.partial(_check_object, _check_for_kind(value))
        case Nested(cls=cls):
            return functools.partial(_check_nested, cls)
    raise AssertionError(kind)


def _check_string(choices: tuple[str, ...], value: Any, path: str) -> None:
    if not isinstance(value, str):
        hint = "" if isinstance(value, (bytes, Mapping, list, tuple, bool)) else f": write str({value!r})"
        raise TypeError(f"{path} must be a str, not {value!r}{hint}")
    if choices and value not in choices:
        raise ValueError(f"{path} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if not value.isascii():
        _check_utf8(value, path)


def _check_utf8(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        # Centrifugo would replace the surrogate, so that two different ids could become the same.
        raise ValueError(f"{path} must be valid Unicode text, not {value!r}: it has a lone surrogate") from None


def _check_integer(low: int, high: int, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{path} must be an int, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{path} must be from {low} to {high}, not {value!r}")


def _check_bool(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{path} must be True or False, not {value!r}")


def _check_timestamp(value: Any, path: str) -> None:
    if isinstance(value, timedelta):
        return
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError(
                f"{path} must be an aware datetime, not {value!r}: write datetime.now(timezone.utc) + ..., "
                "or a timedelta from now"
            )
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{path} must be Unix seconds as an int, an aware datetime or a timedelta from now, not {value!r}"
        )
    _check_integer(INT64.low, INT64.high, value, path)


def _check_json(value: Any, path: str) -> None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{path} must be JSON, not {type(value).__name__}: only data and info can be bytes")


def _check_array(check_item: _Check, value: Any, path: str) -> None:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{path} must be a list, not {value!r}")
    for index, item in enumerate(value):
        check_item(item, f"{path}[{index}]")


def _check_object(check_value: _Check, value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{path} must be a dict, not {value!r}")
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{path} must have str keys, not {key!r}")
        _check_utf8(key, f"the key {key!r} of {path}")
        check_value(item, f"{path}[{key!r}]")


def _check_nested(cls: type, value: Any, path: str) -> None:
    # Its fields were checked when it was made.
    if not isinstance(value, cls):
        raise TypeError(f"{path} must be a {cls.__name__}, not {value!r}")
