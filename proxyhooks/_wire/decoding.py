"""Decode JSON values into messages.

A wrong value is refused without a reason: ``schemas`` explains it, so that decoding stays fast.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .by_class import ByClass
from .fields import Array, Bool, Integer, Json, Kind, Nested, Object, String, fields_of
from .json import Malformed

_T = TypeVar("_T")
Decoder = Callable[[Any], Any]
"""Returns the value that a JSON value stands for; raises :class:`.json.Malformed` if its type is wrong."""


def decode(cls: type[_T], value: Any) -> _T:
    """Decode a JSON value into a message of this class.

    :raises Malformed: if the value is not an object, or a field has the wrong type.
    """
    decoded: _T = decoder_for(cls)(value)
    return decoded


def decoder_for(cls: type) -> Decoder:
    """Return :func:`decode` for one message class."""
    return _DECODERS[cls]


def _generate_decoder(cls: type) -> Decoder:
    """Generate the source of :func:`decode` for one class, as ``dataclasses`` generates ``__init__``.

    Calling the class would take longer than all the rest, and the messages are frozen. So the function makes an
    instance of a subclass that is not frozen, sets its fields, and lets it become an instance of the class itself.
    """
    not_frozen = {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    scope: dict[str, Any] = {
        "new": object.__new__,
        "unfrozen": type(cls.__name__, (cls,), not_frozen),
        "cls": cls,
        "decode_base64_field": _decode_base64_field,
        "refuse_non_object": _refuse_non_object,
        "absent": _ABSENT,
    }
    lines = [
        "def decode(value):",
        "if type(value) is not dict: refuse_non_object()",
        "get = value.get",
        "message = new(unfrozen)",
    ]
    for field, declared in zip(fields_of(cls), dataclasses.fields(cls), strict=True):
        name, factory, decode_field = field.name, declared.default_factory, _decoder_for_kind(field.kind)
        scope |= {f"default_{name}": declared.default, f"factory_{name}": factory, f"decode_{name}": decode_field}
        if factory is not dataclasses.MISSING:
            lines.append(f"item = get({name!r}, absent)")
            lines.append(f"item = factory_{name}() if item is absent else decode_{name}(item)")
        else:
            lines.append(f"item = get({name!r}, default_{name})")
            if exact_type := {String: "str", Bool: "bool"}.get(type(field.kind)):
                lines.append(f"if type(item) is not {exact_type}: item = decode_{name}(item)")
            elif decode_field is not _unchanged:
                lines.append(f"item = decode_{name}(item)")
        if (base64_name := field.base64_name) is not None:
            lines.append(f"if {base64_name!r} in value: item = decode_base64_field(value, {name!r}, {base64_name!r})")
        lines.append(f"message.{name} = item")
    lines += ["message.__class__ = cls", "return message"]
    exec("\n    ".join(lines), scope)  # noqa: S102  # the source has only names of this package's own fields
    generated: Decoder = scope["decode"]
    return generated


_DECODERS: Final = ByClass(_generate_decoder)


_ABSENT: Final = object()


def _refuse_non_object() -> None:
    raise Malformed("not an object")


def _decode_base64_field(value: dict[str, Any], name: str, base64_name: str) -> bytes:
    if name in value:
        raise Malformed(f"{name} comes twice, as JSON and as base64")
    return _decode_base64(value[base64_name])


def _decoder_for_kind(kind: Kind) -> Decoder:
    match kind:
        case String():  # the choices are not checked: a newer Centrifugo may send others
            return functools.partial(_decode_exactly, str)
        case Bool():
            return functools.partial(_decode_exactly, bool)
        case Integer(low=low, high=high):
            return functools.partial(_decode_integer, low, high)
        case Json():
            return _unchanged
        case Array(item=item):
            return functools.partial(_decode_array, _decoder_for_kind(item))
        case Object(value=value):
            return functools.partial(_decode_object, _decoder_for_kind(value))
        case Nested(cls=cls):
            return functools.partial(decode, cls)
    raise AssertionError(kind)


def _unchanged(value: Any) -> Any:
    return value


def _decode_exactly(expected_type: type, value: Any) -> Any:
    if type(value) is not expected_type:
        raise Malformed
    return value


def _decode_integer(low: int, high: int, value: Any) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Malformed
    return value


def _decode_base64(value: Any) -> bytes:
    if type(value) is not str:
        raise Malformed
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed from None


def _decode_array(decode_item: Decoder, value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed
    return [decode_item(item) for item in value]


def _decode_object(decode_value: Decoder, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Malformed
    return {key: decode_value(item) for key, item in value.items()}
