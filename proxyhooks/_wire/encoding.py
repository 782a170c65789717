"""Results to the JSON objects that travel."""

from __future__ import annotations

import base64
import functools
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from . import clock
from .fields import Array, Bool, Json, Kind, Nested, Null, Object, Timestamp, check_message, fields_of

_JITTER: Final = 0.1


class AlreadyExpired(Exception):
    """An ``expire_at`` has passed."""


def encode(message: Any) -> dict[str, Any]:
    """A result as the JSON object that travels.

    :raises AlreadyExpired: if an ``expire_at`` has passed.
    :raises TypeError, ValueError: if a value was changed into a wrong one after the result was made.
    """
    check_message(message)
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
        (field.name, field.base64_name, False if field.kind == Bool() else None, _writer(field.kind))
        for field in fields_of(message)
    ]


def _writer(kind: Kind) -> Callable[[Any], Any]:
    match kind:
        case Bool(boxed=True):
            return lambda value: {"value": value}
        case Timestamp():
            return unix_seconds
        case Json():
            return lambda value: None if isinstance(value, Null) else value
        case Array(item=item):
            return functools.partial(_write_array, _writer(item))
        case Object(value=value):
            return functools.partial(_write_object, _writer(value))
        case Nested():
            return encode
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _write_array(write_item: Callable[[Any], Any], value: list[Any]) -> list[Any]:
    return [write_item(item) for item in value]


def _write_object(write_value: Callable[[Any], Any], value: dict[str, Any]) -> dict[str, Any]:
    return {key: write_value(item) for key, item in value.items()}


def unix_seconds(moment: int | datetime | timedelta) -> int:
    """An ``expire_at`` as Unix seconds; a timedelta is counted from now and shortened by up to a tenth.

    :raises AlreadyExpired: if it has passed.
    """
    now = clock.now()
    if isinstance(moment, timedelta):
        length = moment.total_seconds()
        # Never within the current second, which Centrifugo would take for passed.
        spread = 1 - _JITTER * random.random()  # noqa: S311  # no secret
        seconds = max(int(now + length * spread), int(now) + 1) if length > 0 else 0
    else:
        seconds = moment if isinstance(moment, int) else math.floor(moment.timestamp())
    if seconds <= now:
        hint = "; a span from now is a timedelta" if isinstance(moment, int) else ""
        raise AlreadyExpired(f"expire_at={moment!r} has passed{hint}")
    return seconds
