"""A message's fields and their kinds on the wire, read from the annotations of its dataclass.

The kinds are facts. What is done with them stands elsewhere: reading and writing in ``_wire``, marshmallow in
``schemas``; only the check of a value made by a hook is here, because the messages need it when they are made.
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
    """Make the class a message: a frozen, slotted dataclass with keyword arguments."""
    made = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
    # What dataclass writes for frozen ones fails for slotted ones with a TypeError at any attribute that is no field,
    # such as the one that typing tries to set when RPCRequest[int](...) is called.
    made.__setattr__ = _refuse_to_change  # type: ignore[method-assign]  # on purpose
    made.__delattr__ = _refuse_to_change  # type: ignore[method-assign]  # likewise
    return made


def _refuse_to_change(self: object, name: str, _: object = None) -> None:
    raise dataclasses.FrozenInstanceError(f"messages are frozen: {type(self).__name__}.{name} cannot be changed")


class Kind:
    """What a field is on the wire."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class String(Kind):
    choices: tuple[str, ...] = ()
    """The only values there are; none: any text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Integer(Kind):
    low: int
    high: int


@dataclasses.dataclass(frozen=True, slots=True)
class Bool(Kind):
    boxed: bool = False
    """Whether it travels as ``{"value": true}``, so that false differs from absent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timestamp(Kind):
    """Unix seconds, written from an int, an aware datetime or a timedelta from now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Json(Kind):
    base64: bool = False
    """Whether bytes may travel instead, as base64 in the field's ``b64`` twin."""


@dataclasses.dataclass(frozen=True, slots=True)
class Array(Kind):
    item: Kind


@dataclasses.dataclass(frozen=True, slots=True)
class Object(Kind):
    value: Kind


@dataclasses.dataclass(frozen=True, slots=True)
class Nested(Kind):
    message: type


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind
    required: bool

    @property
    def base64_name(self) -> str | None:
        """The name under which bytes travel."""
        return f"b64{self.name}" if isinstance(self.kind, Json) and self.kind.base64 else None


# How the annotations in ``messages`` name the kinds that Python's own types do not tell apart.
INT64: Final = Integer(-(2**63), 2**63 - 1)
Int64: TypeAlias = Annotated[int, INT64]
UInt64: TypeAlias = Annotated[int, Integer(0, 2**64 - 1)]
BoxedBool: TypeAlias = Annotated[bool, Bool(boxed=True)]
JsonOf = Annotated[_T, Json()]
PayloadOf = Annotated[_T, Json(base64=True)]
ExpireAt: TypeAlias = int | datetime | timedelta
Expiry: TypeAlias = Annotated[ExpireAt, Timestamp()]


@functools.cache
def fields_of(message: type[Any]) -> tuple[Field, ...]:
    """The fields of a message class, in the order in which they are written."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(
        Field(
            field.name,
            _kind_of(hints[field.name]),
            required=field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(message)
    )


def _kind_of(hint: Any) -> Kind:
    arguments, origin = get_args(hint), get_origin(hint)
    if origin is Annotated:
        return next(extra for extra in arguments[1:] if isinstance(extra, Kind))
    if origin in (Union, types.UnionType):  # "| None" and the like: absent, which is no kind of its own
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
    raise TypeError(f"{hint!r} is no kind that Centrifugo has: messages cannot be extended with fields of one's own")


# --- checking what a hook has made ---


class Null:
    """The type of :data:`proxyhooks.NULL`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __reduce__(self) -> str:
        return "NULL"


NULL: Final = Null()
"""JSON null, written on purpose: ``None`` in a result means that the field is left out."""


def check_message(message: Any) -> None:
    """Check every field that is set.

    :raises TypeError: if a value has the wrong type; the text names the field.
    :raises ValueError: if a value is out of range.
    """
    cls: Any = type(message)
    for name, checker, required in _checkers(cls):
        value = getattr(message, name)
        if value is not None:
            checker(value, f"{cls.__name__}.{name}")
        elif required:
            raise TypeError(f"{cls.__name__}.{name} must be given, not None")


_Checker: TypeAlias = Callable[[Any, str], None]


@functools.cache
def _checkers(message: type) -> tuple[tuple[str, _Checker, bool], ...]:
    # JSON is left to the writer: walking through it twice would cost more than it finds.
    return tuple(
        (field.name, _checker(field.kind), field.required)
        for field in fields_of(message)
        if field.kind != Json(base64=True)
    )


def _checker(kind: Kind) -> _Checker:
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
            return functools.partial(_check_array, _checker(item))
        case Object(value=value):
            return functools.partial(_check_object, _checker(value))
        case Nested(message=message):
            return functools.partial(_check_nested, message)
    raise AssertionError(kind)


def _check_string(choices: tuple[str, ...], value: Any, path: str) -> None:
    if not isinstance(value, str):
        hint = "" if isinstance(value, (bytes, Mapping, list, tuple, bool)) else f": write str({value!r})"
        raise TypeError(f"{path} must be a str, not {value!r}{hint}")
    if choices and value not in choices:
        raise ValueError(f"{path} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if not value.isascii():
        _require_text(value, path)


def _require_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        # Centrifugo would replace it, so that two different ids become one.
        raise ValueError(f"{path} must be text that UTF-8 can carry, not {value!r}: it has half a surrogate") from None


def _check_integer(low: int, high: int, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{path} must be an int, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{path} must be {low}...{high}, not {value!r}")


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
                "or give a timedelta from now"
            )
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{path} must be Unix seconds as an int, an aware datetime or a timedelta from now, not {value!r}"
        )
    _check_integer(INT64.low, INT64.high, value, path)


def _check_json(value: Any, path: str) -> None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{path} must be JSON, not {type(value).__name__}: bytes can travel only in data and info")


def _check_array(check_item: _Checker, value: Any, path: str) -> None:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{path} must be a list, not {value!r}")
    for index, item in enumerate(value):
        check_item(item, f"{path}[{index}]")


def _check_object(check_value: _Checker, value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{path} must be a dict, not {value!r}")
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{path} must have str keys, not {key!r}")
        _require_text(key, f"a key of {path}")
        check_value(item, f"{path}[{key!r}]")


def _check_nested(message: type, value: Any, path: str) -> None:
    # It was checked when it was made.
    if not isinstance(value, message):
        raise TypeError(f"{path} must be a {message.__name__}, not {value!r}")
