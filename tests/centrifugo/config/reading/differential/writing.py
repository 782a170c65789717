"""Writes values as JSON, YAML or TOML."""

from __future__ import annotations

import json
from typing import Any

from tests.centrifugo.config.reading.differential.values import Raw


def write(values: dict[str, Any], file_format: str) -> str:
    if file_format == "toml":
        return "".join(f"{_quote(key)} = {_toml(value)}\n" for key, value in values.items() if value is not None)
    if file_format == "yaml":
        return _yaml(values, 0) + "\n"
    return _json(values)


def _quote(text: object) -> str:
    return json.dumps(text, ensure_ascii=False)


def _is_number(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (int, float)) and abs(json.loads(text)) < 2**63
    except ValueError:
        return False


def _json(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text if _is_number(value.text) else _quote(value.text)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quote(key)}: {_json(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return _quote(value)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        members = (f"{_quote(key)} = {_toml(member)}" for key, member in value.items() if member is not None)
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value if item is not None) + "]"
    return _json(value)


def _yaml(value: Any, depth: int) -> str:
    indent = "  " * depth
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict) and value and depth < 3:
        lines = (f"{indent}{_quote(key)}:{_yaml_member(member, depth)}" for key, member in value.items())
        return "\n".join(lines)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quote(key)}: {_yaml(member, 9)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(item, 9) for item in value) + "]"
    return _quote(value)


def _yaml_member(value: Any, depth: int) -> str:
    is_block = isinstance(value, dict) and value and depth + 1 < 3
    return f"\n{_yaml(value, depth + 1)}" if is_block else f" {_yaml(value, depth + 1)}"
