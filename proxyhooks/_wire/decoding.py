"""JSON values to messages.

What comes in is checked against the kinds of ``_fields``; why something was refused is for ``schemas`` to explain,
off the hot way.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .fields import Array, Bool, Integer, Json, Kind, Nested, Object, String, fields_of
from .json import Malformed

_T = TypeVar("_T")


def decode(message: type[_T], value: Any) -> _T:
    """The message that a JSON value is.

    :raises Malformed: if it is not one.
    """
    cls: Any = message
    made: _T = decoder_for(cls)(value)
    return made


_Reader = Callable[[Any], Any]


@functools.cache
def decoder_for(message: Any) -> _Reader:
    """What :func:`read` does for a message, as a function that is written for its class, as dataclasses writes
    ``__init__``.

    It puts the fields into a message that is frozen for everybody else: to call the class would cost more than all the
    rest.
    """
    scope: dict[str, Any] = {"new": message.__new__, "cls": message, "either": _read_either, "missing": _MISSING}
    lines = ["def decode(value):", "if type(value) is not dict: no_object()", "get = value.get", "made = new(cls)"]
    scope["no_object"] = _refuse_what_is_no_object
    for field, declared in zip(fields_of(message), dataclasses.fields(message), strict=True):
        name, make, convert = field.name, declared.default_factory, _reader(field.kind)
        scope |= {f"put_{name}": getattr(message, name).__set__, f"default_{name}": declared.default}
        scope |= {f"make_{name}": make, f"read_{name}": convert}
        if make is not dataclasses.MISSING:
            lines.append(f"item = get({name!r}, missing)")
            lines.append(f"item = make_{name}() if item is missing else read_{name}(item)")
        else:
            lines.append(f"item = get({name!r}, default_{name})")
            if exact := {String: "str", Bool: "bool"}.get(type(field.kind)):
                lines.append(f"if type(item) is not {exact}: item = read_{name}(item)")
            elif convert is not _read_as_it_is:
                lines.append(f"item = read_{name}(item)")
        if field.base64_name is not None:
            lines.append(f"if {field.base64_name!r} in value: item = either(value, {name!r}, {field.base64_name!r})")
        lines.append(f"put_{name}(made, item)")
    lines.append("return made")
    exec("\n    ".join(lines), scope)  # noqa: S102  # of names of this package alone
    read_message: _Reader = scope["decode"]
    return read_message


_MISSING: Final = object()


def _refuse_what_is_no_object() -> None:
    raise Malformed("not an object")


def _read_either(value: dict[str, Any], name: str, twin: str) -> bytes:
    if name in value:
        raise Malformed(f"{name} comes twice")  # as JSON and as base64
    return _read_base64(value[twin])


def _reader(kind: Kind) -> _Reader:
    match kind:
        case String():  # of any words: a newer Centrifugo may have more of them
            return functools.partial(_read_exactly, str)
        case Bool():
            return functools.partial(_read_exactly, bool)
        case Integer(low=low, high=high):
            return functools.partial(_read_integer, low, high)
        case Json():
            return _read_as_it_is
        case Array(item=item):
            return functools.partial(_read_array, _reader(item))
        case Object(value=value):
            return functools.partial(_read_object, _reader(value))
        case Nested(message=message):
            return functools.partial(decode, message)
    raise AssertionError(kind)


def _read_as_it_is(value: Any) -> Any:
    return value


def _read_exactly(wanted: type, value: Any) -> Any:
    if type(value) is not wanted:
        raise Malformed
    return value


def _read_integer(low: int, high: int, value: Any) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Malformed
    return value


def _read_base64(value: Any) -> bytes:
    if type(value) is not str:
        raise Malformed
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed from None


def _read_array(read_item: _Reader, value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed
    return [read_item(item) for item in value]


def _read_object(read_value: _Reader, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Malformed
    return {key: read_value(item) for key, item in value.items()}
