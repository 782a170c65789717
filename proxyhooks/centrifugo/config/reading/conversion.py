"""The values of a file, converted to the types of their keys as Centrifugo converts them: weakly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...go.duration import Duration, read_duration
from ...go.scalars import format_float, read_bool, read_int, truncate
from ...go.yaml import Timestamp
from ..findings import Finding
from ..keys import Key, Keys
from .unknown import unknown_key
from .unreadable import header_not_a_text, unreadable


def convert_object(value: Mapping[str, Any], keys: Keys, path: str, findings: list[Finding]) -> dict[str, Any]:
    """The typed values of an object; a value that cannot be converted is left out and has a finding."""
    return _Converter(findings).object(value, keys, path)


class _Unconvertible(Exception):
    """Centrifugo does not convert the value to the key's type."""


class _Converter:
    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        self.is_checked = True
        """Whether Centrifugo's strict check looks for unknown keys here."""

    def object(self, value: Mapping[str, Any], keys: Keys, path: str) -> dict[str, Any]:
        typed: dict[str, Any] = {}
        for name, member in value.items():
            member_path = f"{path}.{name}" if path else name
            key = keys.get(name)
            if key is None:
                self.findings += unknown_key(member_path, name, member, keys, is_checked=self.is_checked)
            elif member is not None:
                try:
                    converted = self._value(member, key, member_path)
                    if not key.means_default(converted):
                        typed[name] = converted
                except _Unconvertible:
                    self.findings.append(unreadable(member_path, member, key))
        return typed

    def _value(self, value: Any, key: Key, path: str) -> Any:
        match key.kind:
            case "bool":
                return _bool(value)
            case "int":
                return _int(value, key.bits)
            case "duration":
                return _duration(value)
            case "string":
                return _string(value)
            case "strings":
                items = value if isinstance(value, list) else [] if value == {} else [value]
                return ["" if item is None else _string(item) for item in items]
            case "headers":
                return self._headers(value, path)
            case "object":
                return self._inner_object(value, key, path)
            case "objects":
                return self._objects(value, key, path)

    def _inner_object(self, value: Any, key: Key, path: str) -> dict[str, Any]:
        if isinstance(value, Timestamp) or value is None:
            return {}
        if not isinstance(value, Mapping):
            raise _Unconvertible
        return self.object(value, key.keys, path)

    def _objects(self, value: Any, key: Key, path: str) -> list[dict[str, Any]]:
        is_list, was_checked = isinstance(value, list), self.is_checked
        items = value if is_list else [] if value == {} else [value]
        # One object stands for a list of it. The strict check does not look into it.
        self.is_checked = was_checked and is_list
        typed: list[dict[str, Any]] = []
        try:
            for index, item in enumerate(items):
                item_path = f"{path}[{index}]" if is_list else path
                try:
                    typed.append(self._inner_object(item, key, item_path))
                except _Unconvertible:
                    if not is_list:
                        raise
                    typed.append({})
                    self.findings.append(unreadable(item_path, item, key, is_item=True))
        finally:
            self.is_checked = was_checked
        return typed

    def _headers(self, value: Any, path: str) -> dict[str, str]:
        if isinstance(value, Mapping):
            pairs = [(f"{path}.{name}", name, text) for name, text in value.items()]
        elif isinstance(value, list):
            pairs = []
            for index, item in enumerate(value):
                item_path = f"{path}[{index}]"
                if not isinstance(item, Mapping) or not isinstance(item.get("key"), str):
                    self.findings.append(header_not_a_text(item_path, None))
                else:
                    pairs.append((item_path, item["key"], item.get("value")))
        else:
            raise _Unconvertible
        headers: dict[str, str] = {}
        for item_path, name, text in pairs:
            if not isinstance(text, str):
                self.findings.append(header_not_a_text(item_path, name))
            elif name in headers:
                self.findings.append(header_not_a_text(item_path, name, is_twice=True))
            else:
                headers[name] = text
        return headers


def _bool(value: Any) -> bool:
    if isinstance(value, (bool, int, float)):
        return bool(value)
    read = False if value == "" else read_bool(value) if isinstance(value, str) else None
    if read is None:
        raise _Unconvertible
    return read


def _int(value: Any, bits: int) -> int:
    if isinstance(value, (bool, int, float)):
        return truncate(value, bits)
    read = read_int(value or "0", bits) if isinstance(value, str) else None
    if read is None:
        raise _Unconvertible
    return read


def _duration(value: Any) -> Duration:
    if isinstance(value, (bool, int, float)):
        return Duration(truncate(value, 64))
    read = read_duration(value) if isinstance(value, str) else None
    if read is None:
        raise _Unconvertible
    return read


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int)):
        return str(int(value))
    if not isinstance(value, float):
        raise _Unconvertible
    return format_float(value)
