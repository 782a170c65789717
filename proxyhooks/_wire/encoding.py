"""Encode results as the JSON objects that Centrifugo receives."""

from __future__ import annotations

import base64
import functools
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from . import clock
from .by_class import ByClass
from .fields import Array, Bool, Json, Kind, Nested, Null, Object, Timestamp, fields_of
from .validation import check_message

_JITTER: Final = 0.1
"""The part of a timedelta by which it is shortened at most."""

_Encoder = Callable[[Any], Any]


class AlreadyExpired(Exception):
    """An ``expire_at`` has passed."""


def encode(message: Any) -> dict[str, Any]:
    """Encode a result, or a part of one, as a JSON object.

    :raises AlreadyExpired: if an ``expire_at`` has passed.
    :raises TypeError, ValueError: if a list or dict in it was changed, and now has a wrong value.
    """
    check_message(message)
    encoded: dict[str, Any] = _ENCODERS[type(message)](message)
    return encoded


def _generate_encoder(cls: type) -> _Encoder:
    """Generate the source of :func:`encode` for one class, without the check."""
    # Tracebacks tell by the name that the function is a part of this package.
    scope: dict[str, Any] = {"__name__": __name__, "base64_text": _base64_text}
    lines = ["def encode(message):", "encoded = {}"]
    for field in fields_of(cls):
        name = field.name
        scope[f"encode_{name}"] = encode_field = _encoder_for_kind(field.kind)
        value = "value" if encode_field is _unchanged else f"encode_{name}(value)"
        lines.append(f"value = message.{name}")
        lines.append("if value is None" + (" or value is False" if field.kind == Bool() else "") + ": pass")
        if field.base64_name is not None:
            lines.append(f"elif isinstance(value, bytes): encoded[{field.base64_name!r}] = base64_text(value)")
        lines.append(f"else: encoded[{name!r}] = {value}")
    lines.append("return encoded")
    exec("\n    ".join(lines), scope)  # noqa: S102  # the source has only names of this package's own fields
    generated: _Encoder = scope["encode"]
    return generated


_ENCODERS: Final = ByClass(_generate_encoder)


def _base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _encoder_for_kind(kind: Kind) -> _Encoder:
    match kind:
        case Bool(boxed=True):
            return lambda value: {"value": value}
        case Timestamp():
            return unix_seconds
        case Json():
            return lambda value: None if isinstance(value, Null) else value
        case Array(item=item):
            return functools.partial(_encode_array, _encoder_for_kind(item))
        case Object(value=value):
            return functools.partial(_encode_object, _encoder_for_kind(value))
        case Nested():
            return encode
    return _unchanged


def _unchanged(value: Any) -> Any:
    return value


def _encode_array(encode_item: _Encoder, value: list[Any]) -> list[Any]:
    return [encode_item(item) for item in value]


def _encode_object(encode_value: _Encoder, value: dict[str, Any]) -> dict[str, Any]:
    return {key: encode_value(item) for key, item in value.items()}


def unix_seconds(expire_at: int | datetime | timedelta) -> int:
    """An ``expire_at`` in Unix seconds; a timedelta counts from now and is shortened at random by up to a tenth.

    :raises AlreadyExpired: if it has passed.
    """
    now = clock.now()
    if isinstance(expire_at, timedelta):
        span = expire_at.total_seconds()
        shortened = span * (1 - _JITTER * random.random())  # noqa: S311  # no secret
        # At least the next second: Centrifugo takes the current one as passed.
        seconds = max(int(now + shortened), int(now) + 1) if span > 0 else 0
    else:
        seconds = expire_at if isinstance(expire_at, int) else math.floor(expire_at.timestamp())
    if seconds <= now:
        hint = "; for a span from now give a timedelta" if isinstance(expire_at, int) else ""
        raise AlreadyExpired(f"expire_at={expire_at!r} has passed{hint}")
    return seconds
