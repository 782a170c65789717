"""Findings about values that Centrifugo cannot read, so that it does not start."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ...go.yaml import Timestamp
from ..findings import Finding
from ..keys import Key, Kind
from ..secrecy import names_secret

_WORD: Final = re.compile("[a-z_]+", re.IGNORECASE)
_SHOWN: Final[tuple[Kind, ...]] = ("bool", "int", "duration", "object")
"""What is written for a key of these kinds is hardly ever a secret."""
_LONGEST: Final = 16
"""A longer text is no mistaken switch, number or duration, and may be a secret; so may its beginning."""
_WANTED: Final[dict[Kind, tuple[str, str]]] = {
    "bool": ("a boolean", "write true or false"),
    "int": ("a whole number", "write a whole number"),
    "string": ("a text", "write a text"),
    "duration": ("a duration", 'write a number with its unit, such as "5s"'),
    "strings": ("a list of texts", "write a list of texts"),
    "headers": ("names with texts", 'write an object of texts, or a list of {"key": "...", "value": "..."}'),
    "object": ("an object", "write an object"),
    "objects": ("a list of objects", "write a list of objects"),
}


def unreadable(path: str, value: Any, key: Key, *, is_item: bool = False) -> Finding:
    """A value of a type that Centrifugo does not convert to the key's.

    :param is_item: the value is an item of a list of objects.
    """
    wanted, fix = _WANTED["object" if is_item else key.kind]
    text = f"{path} is {describe(path, value, key)}, and Centrifugo reads {wanted} there, so that it does not start"
    if key.kind == "object":
        name = path.rpartition(".")[2]
        fix = f'"{name}": {_object_for(value, key)}'
    elif key.kind == "int" and isinstance(value, str):
        fix = f"{fix} of {abs(key.bits)} bits"
    return Finding(id="PH029", path=path, text=text, fix=fix)


def _object_for(value: Any, key: Key) -> str:
    """An object of the key's type that means the same as the value."""
    known = key.keys
    members: dict[str, Any] = {}
    if isinstance(value, bool):
        members = {"enabled": value} if "enabled" in known else {"disabled": not value} if "disabled" in known else {}
    elif isinstance(value, str) and _WORD.fullmatch(value):
        name = next((name for name in ("type", "level") if name in known), None)
        members = ({"enabled": True} if name == "type" and "enabled" in known else {}) | ({name: value} if name else {})
    if members:
        return json.dumps(members, ensure_ascii=False)
    return "{" + ", ".join(f'"{name}": ...' for name in list(known)[:3]) + ", ...}"


def describe(path: str, value: Any, key: Key) -> str:
    """A value for a message; only its type where it may be a secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Timestamp):
        return "a date"
    is_text = isinstance(value, str)
    if names_secret(path) or key.kind not in _SHOWN or (is_text and not _is_harmless(value, key)):
        return "a text" if is_text else "a number"
    if is_text:
        return repr(value)
    return "null" if value is None else str(value)


def _is_harmless(text: str, key: Key) -> bool:
    # In place of an object people write its type, or else its only value, as a key of the API.
    has_word = key.kind != "object" or not {"type", "level"}.isdisjoint(key.keys)
    return len(text) <= _LONGEST and "://" not in text and has_word


def header_not_a_text(path: str, name: str | None, *, is_twice: bool = False) -> Finding:
    """A header whose name or value Centrifugo does not take; without a name if there is none."""
    if is_twice:
        text, fix = f"the header {name} is there twice, so that Centrifugo does not start", "remove one of them"
    elif name is None:
        text = "an item has no text as its key, so that Centrifugo does not start"
        fix = 'write {"key": "...", "value": "..."}'
    else:
        text, fix = f"the value of {name} is not a string, so that Centrifugo does not start", "write a text, in quotes"
    return Finding(id="PH017", path=path, text=text, fix=fix)


def wanted(key: Key) -> str:
    """What Centrifugo reads for a key."""
    return _WANTED[key.kind][0]


def unreadable_variable(variable: str, text: str, key: Key, reason: str) -> Finding:
    """A variable whose text Centrifugo does not convert to its key's type."""
    about = f"{variable} is {describe(variable, text, key)}, and Centrifugo reads {wanted(key)} there"
    if reason:
        about = f"{variable} cannot be read: {reason}"
    fix = _WANTED[key.kind][1]
    if key.kind in ("headers", "objects"):
        fix = "write it as JSON"
    return Finding(id="PH029", path=variable, text=f"{about}, so that it does not start", fix=fix)
