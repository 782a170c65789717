"""Messages to JSON values and back.

What comes in is checked against the kinds of ``_fields``; why something was refused is for ``schemas`` to explain,
off the hot way.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from . import _clock, errors
from ._fields import (
    Array,
    Bool,
    Integer,
    Json,
    Kind,
    Moment,
    Nested,
    Null,
    Object,
    String,
    check,
    fields_of,
)
from ._json import Malformed

_JITTER: Final = 0.1
_T = TypeVar("_T")


# --- reading ---


def read(message: type[_T], value: Any) -> _T:
    """The message that a JSON value is.

    :raises Malformed: if it is not one.
    """
    cls: Any = message
    made: _T = reader_of(cls)(value)
    return made


_Reader = Callable[[Any], Any]


@functools.cache
def reader_of(message: Any) -> _Reader:
    """What :func:`read` does for a message, as a function that is written for its class, as dataclasses writes
    ``__init__``.

    It puts the fields into a message that is frozen for everybody else: to call the class would cost more than all the
    rest.
    """
    scope: dict[str, Any] = {"new": message.__new__, "cls": message, "either": _read_either, "missing": _MISSING}
    lines = ["def read(value):", "if type(value) is not dict: no_object()", "get = value.get", "made = new(cls)"]
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
        if field.twin is not None:
            lines.append(f"if {field.twin!r} in value: item = either(value, {name!r}, {field.twin!r})")
        lines.append(f"put_{name}(made, item)")
    lines.append("return made")
    exec("\n    ".join(lines), scope)  # noqa: S102  # of names of this package alone
    read_message: _Reader = scope["read"]
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
            return functools.partial(read, message)
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


# --- writing ---


def tree(message: Any) -> dict[str, Any]:
    """A result as the JSON object that travels.

    :raises proxyhooks.errors.Expired: if an ``expire_at`` has passed.
    :raises TypeError, ValueError: if a value was changed into a wrong one after the result was made.
    """
    check(message)
    cls: Any = type(message)
    written: dict[str, Any] = {}
    for name, twin, left_out, write in _writers(cls):
        value = getattr(message, name)
        if value is None or value is left_out:
            continue
        if twin is not None and isinstance(value, bytes):
            written[twin] = base64.b64encode(value).decode("ascii")
        else:
            written[name] = write(value)
    return written


@functools.cache
def _writers(message: Any) -> list[tuple[str, str | None, Any, Callable[[Any], Any]]]:
    """How each field is written: its name, that of bytes, what besides ``None`` is left out."""
    return [
        (field.name, field.twin, False if field.kind == Bool() else None, _writer(field.kind))
        for field in fields_of(message)
    ]


def _writer(kind: Kind) -> Callable[[Any], Any]:
    match kind:
        case Bool(boxed=True):
            return lambda value: {"value": value}
        case Moment():
            return unix_seconds
        case Json():
            return lambda value: None if isinstance(value, Null) else value
        case Array(item=item):
            return functools.partial(_write_array, _writer(item))
        case Object(value=value):
            return functools.partial(_write_object, _writer(value))
        case Nested():
            return tree
    return _read_as_it_is


def _write_array(write_item: Callable[[Any], Any], value: list[Any]) -> list[Any]:
    return [write_item(item) for item in value]


def _write_object(write_value: Callable[[Any], Any], value: dict[str, Any]) -> dict[str, Any]:
    return {key: write_value(item) for key, item in value.items()}


def unix_seconds(moment: int | datetime | timedelta) -> int:
    """An ``expire_at`` as Unix seconds; a timedelta is counted from now and shortened by up to a tenth.

    :raises proxyhooks.errors.Expired: if it has passed.
    """
    now = _clock.now()
    if isinstance(moment, timedelta):
        length = moment.total_seconds()
        # Never within the current second, which Centrifugo would take for passed.
        spread = 1 - _JITTER * random.random()  # noqa: S311  # no secret
        seconds = max(int(now + length * spread), int(now) + 1) if length > 0 else 0
    else:
        seconds = moment if isinstance(moment, int) else math.floor(moment.timestamp())
    if seconds <= now:
        expired = errors.Expired()
        expired.add_note(
            f"expire_at={moment!r} has passed" + ("; a span from now is a timedelta" if isinstance(moment, int) else "")
        )
        raise expired
    return seconds
