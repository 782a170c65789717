"""A JSON parser that accepts what Go accepts and keeps what Python's ``json`` drops.

Every duplicate of a key stays, in its order, and every value has its position in the text. Source: the package
``encoding/json`` of Go, which Centrifugo uses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

_MAX_DEPTH: Final = 10_000
_WHITESPACE: Final = re.compile(r"[ \t\n\r]*+")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_LITERAL: Final = re.compile("true|false|null")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LITERALS: Final[dict[str, object]] = {"true": True, "false": False, "null": None}
_EXCERPT_LENGTH: Final = 60


class NotJson(ValueError):
    """The text is not JSON by Go's rules."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position
        """Where the text stops being JSON."""


@dataclass(slots=True)
class Number:
    """A number as it is written: ``1``, ``1.0`` and ``1e0`` differ for Go."""

    text: str


@dataclass(slots=True)
class JsonNode:
    """A parsed value with its position in the text."""

    value: Any
    """A str, a :class:`Number`, a bool or ``None``; a tuple of nodes for an array; for an object a list of pairs of a
    key and a node, with every duplicate of a key."""
    start: int
    end: int = 0


def decode_utf8(body: bytes) -> str:
    """Decode as Go does: each byte that is not UTF-8 becomes a replacement character."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "surrogateescape").translate({0xDC00 + byte: "\ufffd" for byte in range(128, 256)})


def parse(text: str) -> JsonNode:
    """Parse a JSON text, without recursion.

    :raises NotJson: if it is not JSON; the message names the position.
    """
    # The objects and arrays that are open, each with its members so far. Until it closes, its value is its bracket.
    parents: list[tuple[JsonNode, list[Any]]] = []
    # The keys whose values are not read yet.
    keys: list[str] = []
    position = _skip_whitespace(text, 0)
    while True:
        node, is_complete = JsonNode(None, position), True
        bracket = text[position : position + 1]
        if bracket in ("{", "["):
            if len(parents) >= _MAX_DEPTH:
                raise NotJson("it is nested more than 10,000 levels deep", position)
            position = _skip_whitespace(text, position + 1)
            if text[position : position + 1] == ("}" if bracket == "{" else "]"):
                node.value, position = ([] if bracket == "{" else ()), position + 1
            else:
                parents.append((node, []))
                node.value, is_complete = bracket, False
                if bracket == "{":
                    position = _read_key(text, position, keys)
        else:
            node.value, position = _read_scalar(text, position)
        while is_complete:
            node.end = position
            position = _skip_whitespace(text, position)
            if not parents:
                if position < len(text):
                    raise NotJson(f"{excerpt(text[position:])} follows the value", position)
                return node
            parent, members = parents[-1]
            is_object = parent.value == "{"
            members.append((keys.pop(), node) if is_object else node)
            separator = text[position : position + 1]
            if separator == ("}" if is_object else "]"):
                parents.pop()
                parent.value = members if is_object else tuple(members)
                node, position = parent, position + 1
                continue
            if separator != ",":
                raise NotJson(_unexpected(text, position), position)
            position = _skip_whitespace(text, position + 1)
            if is_object:
                position = _read_key(text, position, keys)
            break


def excerpt(text: str) -> str:
    """Quote the beginning of a text."""
    return repr(text[:_EXCERPT_LENGTH]) + "..." * (len(text) > _EXCERPT_LENGTH)


def _skip_whitespace(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position


def _read_key(text: str, position: int, keys: list[str]) -> int:
    """Append the key and return the position of its value."""
    match = _STRING.match(text, position)
    if match is None:
        raise NotJson(_unexpected(text, position), position)
    keys.append(_unquote(match[0]))
    position = _skip_whitespace(text, match.end())
    if text[position : position + 1] != ":":
        raise NotJson(_unexpected(text, position), position)
    return _skip_whitespace(text, position + 1)


def _read_scalar(text: str, position: int) -> tuple[object, int]:
    if match := _STRING.match(text, position):
        return _unquote(match[0]), match.end()
    if match := _NUMBER.match(text, position):
        return Number(match[0]), match.end()
    if match := _LITERAL.match(text, position):
        return _LITERALS[match[0]], match.end()
    raise NotJson(_unexpected(text, position), position)


def _unquote(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    return _LONE_SURROGATE.sub("\ufffd", json.loads(quoted))


def _unexpected(text: str, position: int) -> str:
    if position < len(text):
        return f"unexpected {excerpt(text[position:])} at character {position}"
    return "it ends too early"
