"""Reads a reply into its fields as Go's ``encoding/json`` does, and collects every mistake.

The names and kinds of the fields come from :mod:`proxyhooks._wire.fields`. How Go reads each kind is written here a
second time on purpose: a mistake in the package's own encoder does not repeat itself in the judge.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ..._dispatch.events import Event
from ..._wire.fields import INT64, Array, Bool, Integer, Json, Kind, Nested, Object, String, Timestamp, fields_of
from ..go.json import JsonNode, Number, excerpt

_EXCERPT_LENGTH: Final = 60
_BASE64: Final = re.compile("(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NEVER_DECODED: Final = "stream_data"
"""The free edition accepts this payload and never reads it, so broken base64 in it does no harm."""

Kinds: TypeAlias = dict[str, Kind]
"""The kind of each field of an object, by the field's name."""


@dataclass(slots=True)
class RawJson:
    """A payload in JSON, which Centrifugo passes on as it is written."""

    text: str

    def loads(self) -> Any:
        """Parse the payload; return its text if Python cannot hold the value."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


@dataclass(slots=True)
class Base64Text:
    """A payload in base64, with the path of its field."""

    text: str
    path: str

    def decode(self) -> bytes:
        """Decode as Go does.

        :raises ValueError: if the text is not base64, or has no padding.
        """
        text = self.text.replace("\r", "").replace("\n", "")
        if not _BASE64.fullmatch(text):
            raise ValueError(f"`{self.path}`: {self.text[:_EXCERPT_LENGTH]!r} is not base64 with padding")
        return base64.b64decode(text)


@dataclass(frozen=True, slots=True)
class _Base64(Kind):
    """The ``b64`` twin of a payload."""


@dataclass(frozen=True, slots=True, eq=False)
class _Struct(Kind):
    """An object that is not a message class."""

    kinds: Kinds


_BOXED_BOOL: Final[Kinds] = {"value": Bool()}
_CODE: Final = Integer(0, 2**32 - 1)
_ERROR: Final = _Struct({"code": _CODE, "message": String(), "temporary": Bool()})
_DISCONNECT: Final = _Struct({"code": _CODE, "reason": String()})


def envelope_kinds(event: Event) -> Kinds:
    """The fields of a reply to this event."""
    kinds: Kinds = {"result": Nested(event.result)}
    if event.carries_error:
        kinds["error"] = _ERROR
    if event.carries_disconnect:
        kinds["disconnect"] = _DISCONNECT
    return kinds


@functools.cache
def _message_kinds(message: Any) -> Kinds:
    """The fields of a message class, with the ``b64`` twins of its payloads."""
    kinds: Kinds = {}
    for message_field in fields_of(message):
        kinds[message_field.name] = message_field.kind
        if message_field.base64_name is not None:
            kinds[message_field.base64_name] = _Base64()
    return kinds


@dataclass(slots=True)
class GoReader:
    """Reads objects into dicts that have only the fields that are set.

    Go reads on after a value of a wrong type and fails at the end, so the reader collects all mistakes.
    """

    text: str
    """The whole reply."""
    mistakes: list[str] = field(default_factory=list)
    """Sentences. A single one makes the reply unusable."""
    unknown_keys: list[str] = field(default_factory=list)
    """The paths of keys that are not fields. Go ignores them."""

    def read_object(self, kinds: Kinds, node: JsonNode, path: str, into: dict[str, Any]) -> dict[str, Any]:
        """Set the object's fields in *into*, which may have fields of an earlier object under the same key."""
        if not isinstance(node.value, list):
            self._add_mistake(node, path, "an object")
            return into
        for key, value_node in node.value:
            name = key if key in kinds else _field_ignoring_case(kinds, key)
            if name is None:
                self.unknown_keys.append(f"{path}.{key}" if path else key)
            else:
                self._read_field(kinds[name], value_node, f"{path}.{name}" if path else name, into, name)
        return into

    def _read_field(self, kind: Kind, node: JsonNode, path: str, into: dict[str, Any], name: str) -> None:
        if node.value is None and not isinstance(kind, Json):
            # For Go null clears a pointer, a slice or a map, and leaves a string, a number or a boolean as it is.
            if not isinstance(kind, (String, Integer, Timestamp, _Base64)) and kind != Bool():
                into.pop(name, None)
            return
        value = self._read_value(kind, node, path, into.get(name))
        if value is not None:
            into[name] = value

    def _read_value(self, kind: Kind, node: JsonNode, path: str, previous: Any) -> Any:
        """Return the value, or ``None`` after a mistake.

        :param previous: the value of an earlier duplicate of the key; Go writes objects and arrays over it.
        """
        match kind:
            case Json():
                return RawJson(self.text[node.start : node.end])
            case _Base64():
                text = self._read_scalar(str, node, path, "a string")
                return None if text is None else Base64Text(text, path)
            case String():
                return self._read_scalar(str, node, path, "a string")
            case Bool(boxed=True):
                return self.read_object(_BOXED_BOOL, node, path, previous if previous is not None else {})
            case Bool():
                return self._read_scalar(bool, node, path, "true or false")
            case Integer():
                return self._read_integer(kind, node, path)
            case Timestamp():
                return self._read_integer(INT64, node, path)
            case Array(item=item_kind):
                return self._read_array(item_kind, node, path, previous or [])
            case Object(value=value_kind):
                return self._read_map(value_kind, node, path, previous if previous is not None else {})
            case _Struct(kinds=kinds):
                return self.read_object(kinds, node, path, previous if previous is not None else {})
            case Nested(cls=message):
                return self.read_object(_message_kinds(message), node, path, previous if previous is not None else {})
        raise AssertionError(kind)

    def _read_scalar(self, expected_type: type, node: JsonNode, path: str, expected: str) -> Any:
        if type(node.value) is expected_type:
            return node.value
        return self._add_mistake(node, path, expected)

    def _read_integer(self, kind: Integer, node: JsonNode, path: str) -> int | None:
        expected = "an integer of 64 bits" if kind == INT64 else f"an integer from {kind.low} to {kind.high}"
        if not isinstance(node.value, Number):
            self._add_mistake(node, path, expected)
            return None
        text = node.value.text
        # Go refuses "-0" for an unsigned integer. The limit of digits keeps int() cheap; 64 bits need at most 20.
        digits = text.removeprefix("-") if kind.low < 0 else text
        if digits.isdecimal() and len(digits) < 30 and kind.low <= int(text) <= kind.high:
            return int(text)
        self._add_mistake(node, path, expected)
        return None

    def _read_array(self, item_kind: Kind, node: JsonNode, path: str, previous: list[Any]) -> list[Any] | None:
        if not isinstance(node.value, tuple):
            self._add_mistake(node, path, "an array")
            return None
        items: list[Any] = []
        for index, item_node in enumerate(node.value):
            # Go reuses the slice of an earlier duplicate of the key: each item is written over the one at its index.
            previous_item = previous[index] if index < len(previous) else None
            if item_node.value is None:
                items.append(None if isinstance(item_kind, Nested) else (previous_item or ""))
            else:
                items.append(self._read_value(item_kind, item_node, f"{path}[{index}]", previous_item))
        return items

    def _read_map(self, value_kind: Kind, node: JsonNode, path: str, into: dict[str, Any]) -> dict[str, Any] | None:
        if not isinstance(node.value, list):
            self._add_mistake(node, path, "an object")
            return None
        for key, value_node in node.value:
            if value_node.value is None:
                into[key] = None if isinstance(value_kind, Nested) else ""
            else:
                into[key] = self._read_value(value_kind, value_node, f"{path}[{key!r}]", None)
        return into

    def _add_mistake(self, node: JsonNode, path: str, expected: str) -> None:
        written = self.text[node.start : node.end]
        written = written if len(written) < _EXCERPT_LENGTH and written.isprintable() else excerpt(written)
        type_names = {str: "a string", bool: "a boolean", Number: "a number", list: "an object", tuple: "an array"}
        actual = type_names.get(type(node.value), "null")
        where = f"`{path}`" if path else "the reply"
        self.mistakes.append(f"{where}: {written} is {actual}, Centrifugo expects {expected}")


def _field_ignoring_case(kinds: Kinds, key: str) -> str | None:
    """The field that Go takes a key for: without regard to case, by Unicode's simple folding."""
    # The only other letters that fold to ASCII are the long s and the Kelvin sign.
    folded = key.replace("\u017f", "s").replace("\u212a", "k").lower() if len(key) < 64 else key
    return folded if folded in kinds and len(folded) == len(key) else None


def find_crashing_null(result: dict[str, Any]) -> str | None:
    """The path of a null in place of a nested message, which crashes Centrifugo v6.9.1; ``None`` if there is none."""
    for name, value in result.items():
        if isinstance(value, dict):
            members: Any = value.items()
        elif isinstance(value, list):
            members = enumerate(value)
        else:
            continue
        for key, member in members:
            if member is None:
                return f"result.{name}[{key!r}]"
    return None


def decode_payloads(value: Any, prefers_json: bool) -> Any:
    """Replace each payload in a result by its value, a ``b64`` twin by bytes under the plain name.

    :param prefers_json: whether the payload counts, and not its ``b64`` twin, where both are set.
    :raises ValueError: if a payload that counts is not base64.
    """
    if isinstance(value, list):
        return [decode_payloads(item, prefers_json) for item in value]
    if not isinstance(value, dict):
        return value
    decoded: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, Base64Text):
            plain_name = name.removeprefix("b64")
            if member.text and not (prefers_json and plain_name in value) and plain_name != _NEVER_DECODED:
                decoded[plain_name] = member.decode()
        elif isinstance(member, RawJson):
            twin = value.get(f"b64{name}")
            if prefers_json or twin is None or not twin.text:
                decoded[name] = member.loads()
        else:
            decoded[name] = decode_payloads(member, prefers_json)
    return decoded
