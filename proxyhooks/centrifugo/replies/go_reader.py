"""Replies as Go reads them into their messages.

The fields and their kinds are those of ``_fields``; how Go reads a kind is written down here and nowhere else, so that
one mistake cannot hide in both.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ..._dispatch.events import Event
from ..._wire.fields import INT64, Array, Bool, Integer, Json, Kind, Nested, Object, String, Timestamp, fields_of
from .go_json import Node, Number, shown

_SHOWN: Final = 60
_BASE64: Final = re.compile("(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_UNREAD: Final = "stream_data"
"""What the free edition takes in a reply and never looks at; so base64 in it may be none."""


@dataclass(slots=True)
class Raw:
    """A payload, carried as it was written."""

    text: str

    def loads(self) -> Any:
        """The value; the text itself where Python could not hold it."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


Shape = dict[str, Kind]


@dataclass(frozen=True, slots=True, eq=False)
class _Struct(Kind):
    """An object that is no message of its own."""

    shape: Shape


_BOX: Final[Shape] = {"value": Bool()}
_CODE: Final = Integer(0, 2**32 - 1)
_ERROR: Final = _Struct({"code": _CODE, "message": String(), "temporary": Bool()})
_DISCONNECT: Final = _Struct({"code": _CODE, "reason": String()})


def envelope_of(event: Event) -> Shape:
    """What a reply may carry; the rest is unknown to Centrifugo and ignored."""
    shape: Shape = {"result": Nested(event.result)}
    if event.carries_error:
        shape["error"] = _ERROR
    if event.carries_disconnect:
        shape["disconnect"] = _DISCONNECT
    return shape


@functools.cache
def _shape_of(message: Any) -> Shape:
    """The fields of a message and the kinds in which they travel."""
    shape: Shape = {}
    for one in fields_of(message):
        shape[one.name] = one.kind
        if one.base64_name is not None:
            shape[one.base64_name] = String()
    return shape


@dataclass(slots=True)
class Reader:
    """Reads values into messages, which are dicts of the fields that are set.

    Go goes on after a value of the wrong type and fails at the end, so all of them are found.
    """

    text: str
    wrong: list[str] = field(default_factory=list)
    """What makes the reply unusable, in sentences."""
    unknown: list[str] = field(default_factory=list)
    """Keys that no field has; Go ignores them."""

    def struct(self, shape: Shape, node: Node, path: str, into: dict[str, Any]) -> dict[str, Any]:
        """What the object sets, on top of what an earlier one of the same key has set."""
        if not isinstance(node.value, list):
            self._mismatch(node, path, "an object")
            return into
        for key, item in node.value:
            name = key if key in shape else _folded(shape, key)
            if name is None:
                self.unknown.append(f"{path}.{key}" if path else key)
            else:
                self.field(shape[name], item, f"{path}.{name}" if path else name, into, name)
        return into

    def field(self, kind: Kind, node: Node, path: str, into: dict[str, Any], name: str) -> None:
        if node.value is None and not isinstance(kind, Json):
            # Sets what can be nil, and leaves a text or number as it was.
            if not isinstance(kind, (String, Integer, Timestamp)) and kind != Bool():
                into.pop(name, None)
            return
        read = self.value(kind, node, path, into.get(name))
        if read is not None:
            into[name] = read

    def value(self, kind: Kind, node: Node, path: str, before: Any) -> Any:
        match kind:
            case Json():
                return Raw(self.text[node.start : node.end])
            case String():
                return self._exactly(str, node, path, "a string")
            case Bool(boxed=True):
                return self.struct(_BOX, node, path, before if before is not None else {})
            case Bool():
                return self._exactly(bool, node, path, "true or false")
            case Integer():
                return self._integer(kind, node, path)
            case Timestamp():
                return self._integer(INT64, node, path)
            case Array(item=item):
                return self._array(item, node, path, before or [])
            case Object(value=inner):
                return self._object(inner, node, path, before if before is not None else {})
            case _Struct(shape=shape):
                return self.struct(shape, node, path, before if before is not None else {})
            case Nested(message=message):
                return self.struct(_shape_of(message), node, path, before if before is not None else {})
        raise AssertionError(kind)

    def _exactly(self, wanted: type, node: Node, path: str, what: str) -> Any:
        if type(node.value) is wanted:
            return node.value
        return self._mismatch(node, path, what)

    def _integer(self, kind: Integer, node: Node, path: str) -> int | None:
        what = "an integer of 64 bits" if kind == INT64 else f"an integer from {kind.low} to {kind.high}"
        if not isinstance(node.value, Number):
            self._mismatch(node, path, what)
            return None
        text = node.value.text
        # "-0" is no unsigned number; more digits than this are none of 64 bits.
        digits = text.removeprefix("-") if kind.low < 0 else text
        if digits.isdecimal() and len(digits) < 30 and kind.low <= int(text) <= kind.high:
            return int(text)
        self._mismatch(node, path, what)
        return None

    def _array(self, item: Kind, node: Node, path: str, before: list[Any]) -> list[Any] | None:
        if not isinstance(node.value, tuple):
            self._mismatch(node, path, "an array")
            return None
        read: list[Any] = []
        for index, inner in enumerate(node.value):
            # An earlier array of the same key leaves its elements behind, to be written over field by field.
            old = before[index] if index < len(before) else None
            if inner.value is None:
                read.append(None if isinstance(item, Nested) else (old or ""))
            else:
                read.append(self.value(item, inner, f"{path}[{index}]", old))
        return read

    def _object(self, kind: Kind, node: Node, path: str, into: dict[str, Any]) -> dict[str, Any] | None:
        if not isinstance(node.value, list):
            self._mismatch(node, path, "an object")
            return None
        for key, inner in node.value:
            if inner.value is None:
                into[key] = None if isinstance(kind, Nested) else ""
            else:
                into[key] = self.value(kind, inner, f"{path}[{key!r}]", None)
        return into

    def _mismatch(self, node: Node, path: str, wanted: str) -> None:
        written = self.text[node.start : node.end]
        written = written if len(written) < _SHOWN and written.isprintable() else shown(written)
        is_a = {str: "a string", bool: "a boolean", Number: "a number", list: "an object", tuple: "an array"}
        found = is_a.get(type(node.value), "null")
        what = f"`{path}`" if path else "the reply"
        self.wrong.append(f"{what}: {written} is {found}, Centrifugo reads {wanted}")


def _folded(shape: Shape, key: str) -> str | None:
    """The field that a key means without regard to case, as Unicode folds single letters."""
    folded = key.replace("\u017f", "s").replace("\u212a", "k").lower() if len(key) < 64 else key
    return folded if folded in shape and len(folded) == len(key) else None


def crashing_null(result: dict[str, Any]) -> str | None:
    """A null where Centrifugo takes a message for granted."""
    subs = (f"result.subs[{name!r}]" for name, sub in result.get("subs", {}).items() if sub is None)
    items = (f"result.items[{index}]" for index, item in enumerate(result.get("items", [])) if item is None)
    return next(itertools.chain(subs, items), None)


def chosen(given: dict[str, Any], json_first: bool, path: str) -> dict[str, Any]:
    """The fields with the payloads that count, where both twins are given.

    :raises ValueError: if base64 is none.
    """
    counting: dict[str, Any] = {}
    for name, value in given.items():
        plain = name.removeprefix("b64")
        if name != plain:
            if value and not (json_first and plain in given) and plain != _UNREAD:
                counting[plain] = _bytes(value, f"{path}.{name}")
        elif isinstance(value, Raw):
            if json_first or not given.get(f"b64{name}"):
                counting[name] = value.loads()
        elif name == "subs":
            subs = value.items()
            counting[name] = {key: chosen(sub, json_first, f"{path}.subs[{key!r}]") for key, sub in subs}
        elif name == "items":
            counting[name] = [chosen(item, json_first, f"{path}.items") for item in value]
        else:
            counting[name] = value
    return counting


def _bytes(text: str, path: str) -> bytes:
    plain = text.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(plain):
        raise ValueError(f"`{path}`: {text[:60]!r} is no base64, or without its padding")
    return base64.b64decode(plain)
