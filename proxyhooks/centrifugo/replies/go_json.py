"""JSON text as Go parses it: with the order and every duplicate of its keys, and where each value stands.

Source: the package ``encoding/json`` of Go, which Centrifugo uses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

_MAX_DEPTH: Final = 10_000
_SPACE: Final = re.compile(r"[ \t\n\r]*+")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD: Final = re.compile("true|false|null")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORDS: Final[dict[str, object]] = {"true": True, "false": False, "null": None}
_SHOWN: Final = 60


class NotJson(ValueError):
    """The text is no JSON, as Go sees it."""


@dataclass(slots=True)
class Number:
    text: str


@dataclass(slots=True)
class Node:
    """A value, and where it stands in the text."""

    value: Any
    start: int
    end: int = 0


Pairs = list[tuple[str, Node]]
"""An object: its keys in their order, each as often as it comes. An array is a tuple when it is complete."""


def text_of(body: bytes) -> str:
    """Bytes as Go sees them: each that is no UTF-8 is a replacement character."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "surrogateescape").translate({0xDC00 + byte: "\ufffd" for byte in range(128, 256)})


def parse(text: str) -> Node:
    """The JSON value that a text is, without recursion.

    :raises NotJson: if it is none; the text says where.
    """
    stack: list[tuple[Node, list[Any]]] = []
    keys: list[str] = []
    position = _skip(text, 0)
    while True:
        node, closed = Node(None, position), True
        first = text[position : position + 1]
        if first in ("{", "["):
            if len(stack) >= _MAX_DEPTH:
                raise NotJson("it is nested more than 10,000 levels deep")
            position = _skip(text, position + 1)
            if text[position : position + 1] == ("}" if first == "{" else "]"):
                node.value, position = ([] if first == "{" else ()), position + 1
            else:
                stack.append((node, []))
                node.value, closed = first, False
                if first == "{":
                    position = _read_key(text, position, keys)
        else:
            node.value, position = _read_scalar(text, position)
        while closed:
            node.end = position
            position = _skip(text, position)
            if not stack:
                if position < len(text):
                    raise NotJson(f"{shown(text[position:])} follows the value")
                return node
            parent, members = stack[-1]
            is_object = parent.value == "{"
            members.append((keys.pop(), node) if is_object else node)
            separator = text[position : position + 1]
            if separator == ("}" if is_object else "]"):
                stack.pop()
                parent.value = members if is_object else tuple(members)
                node, position = parent, position + 1
                continue
            if separator != ",":
                raise NotJson(_unexpected(text, position))
            position = _skip(text, position + 1)
            if is_object:
                position = _read_key(text, position, keys)
            break


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _read_key(text: str, position: int, keys: list[str]) -> int:
    found = _STRING.match(text, position)
    if found is None:
        raise NotJson(_unexpected(text, position))
    keys.append(_unquote(found[0]))
    position = _skip(text, found.end())
    if text[position : position + 1] != ":":
        raise NotJson(_unexpected(text, position))
    return _skip(text, position + 1)


def _read_scalar(text: str, position: int) -> tuple[object, int]:
    if found := _STRING.match(text, position):
        return _unquote(found[0]), found.end()
    if found := _NUMBER.match(text, position):
        return Number(found[0]), found.end()
    if found := _WORD.match(text, position):
        return _WORDS[found[0]], found.end()
    raise NotJson(_unexpected(text, position))


def _unquote(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    return _SURROGATE.sub("\ufffd", json.loads(quoted))


def _unexpected(text: str, position: int) -> str:
    return f"at character {position} stands {shown(text[position:])}" if position < len(text) else "it ends too early"


def shown(text: str) -> str:
    return repr(text[:_SHOWN]) + "..." * (len(text) > _SHOWN)
