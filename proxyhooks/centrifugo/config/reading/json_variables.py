"""JSON in variables, read as strictly as Go reads it into its types."""

from __future__ import annotations

from typing import Any

from ...go.duration import Duration, read_duration
from ...go.json import JsonNode, Number
from ...go.scalars import fits
from ..findings import Finding
from ..keys import Key, Keys
from .placeholders import LiteralHeaders
from .unknown import unknown_key
from .unreadable import wanted


def read_headers(node: JsonNode) -> dict[str, str]:
    """An object of texts.

    :raises ValueError: if it is something else.
    """
    if node.value is None:
        return {}
    if not isinstance(node.value, list):
        raise ValueError("it must be an object")
    headers = {}
    for name, member in node.value:
        if not isinstance(member.value, str) and member.value is not None:
            raise ValueError(f"the value of {name} is not a text")
        headers[name] = member.value or ""
    return headers


def read_objects(
    node: JsonNode, key: Key, current: list[dict[str, Any]], path: str, findings: list[Finding]
) -> list[dict[str, Any]]:
    """A list of objects; each keeps the members of the one at its place in *current* that the JSON leaves out.

    :raises ValueError: if a value has another type than its key.
    """
    if node.value is None:
        return []
    if not isinstance(node.value, tuple):
        raise ValueError(f"{path} must be a list of objects")
    objects = []
    for index, item in enumerate(node.value):
        before = dict(current[index]) if index < len(current) else {}
        objects.append(_read_object(item, key.keys, before, f"{path}[{index}]", findings))
    return objects


def _read_object(
    node: JsonNode, keys: Keys, target: dict[str, Any], path: str, findings: list[Finding]
) -> dict[str, Any]:
    if node.value is None:
        return target
    if not isinstance(node.value, list):
        raise ValueError(f"{path} must be an object")
    for name, member in node.value:
        member_path = f"{path}.{name}"
        key = keys.get(name) or keys.get(name.lower())
        if key is None:
            # Centrifugo's strict check does not look into variables.
            findings += unknown_key(member_path, name, None, keys, is_checked=False)
        else:
            _set(target, name if name in keys else name.lower(), member, key, member_path, findings)
    return target


def _set(target: dict[str, Any], name: str, node: JsonNode, key: Key, path: str, findings: list[Finding]) -> None:
    if key.kind == "object":
        target[name] = _read_object(node, key.keys, dict(target.get(name, {})), path, findings)
    elif key.kind == "objects":
        target[name] = read_objects(node, key, target.get(name, []), path, findings)
    elif key.kind == "headers":
        before = {} if node.value is None else target.get(name, {})
        target[name] = LiteralHeaders(before | read_headers(node))
    elif key.kind == "strings":
        target[name] = _read_strings(node, path)
    elif node.value is not None:
        target[name] = _read_scalar(node.value, key, path)
        if key.means_default(target[name]):
            del target[name]
    elif key.type in ("Duration", "PEMData"):
        # Go resets these, and leaves the others as they are.
        target.pop(name, None)


def _read_strings(node: JsonNode, path: str) -> list[str]:
    items = () if node.value is None else node.value
    if not isinstance(items, tuple) or not all(isinstance(item.value, (str, type(None))) for item in items):
        raise ValueError(f"{path} must be a list of texts")
    return [item.value or "" for item in items]


def _read_scalar(value: Any, key: Key, path: str) -> Any:
    if key.kind == "bool" and isinstance(value, bool):
        return value
    if key.kind == "string" and isinstance(value, str):
        return value
    if key.kind == "duration" and isinstance(value, str):
        value = read_duration(value)
        if value is not None:
            return value
    if isinstance(value, Number) and key.kind in ("int", "duration") and value.text.lstrip("-").isdigit():
        number = int(value.text)
        if fits(number, key.bits):
            return number if key.kind == "int" else Duration(number)
    raise ValueError(f"{path} must be {wanted(key)}")
