"""Reads a reply as Centrifugo does, by Go's rules, with code and a table of types that are not the package's.

A wrong type of one field makes the whole reply unreadable. Keys match in any case, unknown keys are ignored, and null
leaves a field unset.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.paths import DATA

_TABLE: dict[str, Any] = json.loads((DATA / "messages.json").read_text())
_RANGES = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1), "uint32": (0, 2**32 - 1)}


class Unreadable(Exception):
    """Centrifugo cannot read the reply, and sends the client error 100, temporary."""


def _refuse_constant(name: str) -> Any:
    raise Unreadable(f"{name} is no JSON")


class _Float(float):
    """A number with a fraction or an exponent, which Go does not read as an integer."""


def read_reply(event: str, body: bytes) -> dict[str, Any]:
    """The reply as Centrifugo understands it."""
    try:
        text = body.decode()
        if text.startswith("\ufeff"):
            raise Unreadable("a byte order mark")
        reply = json.loads(text, parse_constant=_refuse_constant, parse_float=_Float)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    if not isinstance(reply, dict):
        raise Unreadable("no object")
    types = {"result": _TABLE["events"][event]["result"], "error": "Error", "disconnect": "Disconnect"}
    return _read_fields(types, reply)


def _read_fields(types: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    folded = {name.casefold(): name for name in types}
    read: dict[str, Any] = {}
    for key, value in given.items():
        name = folded.get(key.casefold())
        if name is not None:
            read[name] = _read(types[name], value, name)
    return read


def _read(kind: str, value: Any, name: str) -> Any:
    if kind == "json":
        return value
    if value is None:
        return None
    if kind.startswith("array of "):
        if not isinstance(value, list):
            raise Unreadable(f"{name} is no array")
        return [_read(kind.removeprefix("array of "), item, name) for item in value]
    if kind.startswith("object of "):
        if not isinstance(value, dict):
            raise Unreadable(f"{name} is no object")
        return {key: _read(kind.removeprefix("object of "), item, name) for key, item in value.items()}
    if kind == "string":
        if not isinstance(value, str):
            raise Unreadable(f"{name} is no string")
        if name.startswith("b64"):
            try:
                base64.b64decode(value, validate=True)
            except ValueError as error:
                raise Unreadable(f"{name} is no base64: {error}") from None
        return value
    if kind == "bool":
        if not isinstance(value, bool):
            raise Unreadable(f"{name} is no bool")
        return value
    if kind in _RANGES:
        low, high = _RANGES[kind]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Unreadable(f"{name} is no {kind}")
        return value
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is no object")
    return _read_fields(_TABLE["messages"][kind], value)
