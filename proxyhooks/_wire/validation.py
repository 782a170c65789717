"""Check the values of a result, from the description of its fields."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from .by_class import ByClass
from .fields import INT64, Array, Bool, Integer, Json, Kind, Nested, Object, String, Timestamp, fields_of


def check_message(message: Any) -> None:
    """Check every field that is set, except JSON, which is checked when it is written.

    :raises TypeError: if a value has the wrong type; the text names the field.
    :raises ValueError: if a value is out of range.
    """
    _CHECKS[type(message)](message)


_Check: TypeAlias = Callable[[Any, str], None]
"""Takes the value, and its path for the error text."""


def _generate_check(cls: type) -> Callable[[Any], None]:
    """Generate the source of :func:`check_message` for one class."""
    # Tracebacks tell by the name that the function is a part of this package.
    scope: dict[str, Any] = {"__name__": __name__, "refuse_none": _refuse_none}
    lines = ["def check(message):", "pass"]
    for field in fields_of(cls):
        if field.kind == Json(base64=True):  # it is not walked through twice: writing it finds what is wrong
            continue
        name, path = field.name, f"{cls.__name__}.{field.name}"
        scope[f"check_{name}"] = _check_for_kind(field.kind)
        lines.append(f"value = message.{name}")
        lines.append(f"if value is not None: check_{name}(value, {path!r})")
        if field.required:
            lines.append(f"else: refuse_none({path!r})")
    exec("\n    ".join(lines), scope)  # noqa: S102  # the source has only names of this package's own fields
    generated: Callable[[Any], None] = scope["check"]
    return generated


_CHECKS: Final = ByClass(_generate_check)


def _refuse_none(path: str) -> None:
    raise TypeError(f"{path} is required, and must not be None")


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
