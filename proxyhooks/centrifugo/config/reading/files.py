"""Files as Centrifugo reads them: JSON, TOML or YAML, by the suffix of the name."""

from __future__ import annotations

import codecs
import datetime
import math
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from ...go.json import JsonNode, NotJson, Number, decode_utf8, parse
from ...go.yaml import Timestamp, load_yaml
from ..findings import Finding

_SUFFIXES: Final = ("json", "toml", "yaml", "yml")


def read_file(path: Path) -> dict[str, Any]:
    """The values in a file as they are written: their order, the letter case of keys, and their types.

    :raises ValueError: if it cannot be read; the message names it.
    """
    return read_file_with_findings(path)[0]


def read_file_with_findings(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """As :func:`read_file`, with findings about keys that are there twice."""
    try:
        value, findings = _load(path)
    except RecursionError:
        raise ValueError(f"{path} cannot be read: it is nested too deeply") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if value is None:
        return {}, findings
    if not isinstance(value, dict):
        raise ValueError(f"{path} must contain an object, not {type(value).__name__}")
    return value, findings


def _load(path: Path) -> tuple[Any, list[Finding]]:
    suffix = os.fspath(path.name).rpartition(".")[2] if "." in path.name else ""
    if suffix not in _SUFFIXES:
        raise ValueError(f"its name must end in {', '.join(f'.{known}' for known in _SUFFIXES)}, in lower case")
    body = path.read_bytes()
    if suffix == "json":
        findings: list[Finding] = []
        return _from_json(_parse_json(decode_utf8(body)), "", findings), findings
    # YAML may be UTF-16, which Windows' shell writes.
    is_utf_16 = suffix != "toml" and body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = body.decode("utf-16" if is_utf_16 else "utf-8")
    if suffix == "toml":
        return _from_toml(_parse_toml(text)), []
    value, duplicates = load_yaml(text)
    return value, [_twice_in_yaml(line, key) for line, key in duplicates]


def _parse_json(text: str) -> JsonNode:
    try:
        return parse(text)
    except NotJson as error:
        # The parser's message quotes the text, in which secrets may be.
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        problem = "it ends too early" if error.position >= len(text) else "it is not JSON"
        raise ValueError(f"{problem} (at line {line}, column {column})") from None


def _from_json(node: JsonNode, path: str, findings: list[Finding]) -> Any:
    value = node.value
    if isinstance(value, list):
        result: dict[str, Any] = {}
        for key, member in value:
            key_path = f"{path}.{key}" if path else key
            if key in result:
                text = f"{key} is there twice, and Centrifugo ignores the first one"
                findings.append(Finding(id="PH030", path=key_path, text=text, fix="remove one of them"))
            result[key] = _from_json(member, key_path, findings)
        return result
    if isinstance(value, tuple):
        return [_from_json(item, f"{path}[{index}]", findings) for index, item in enumerate(value)]
    return _number(value.text) if isinstance(value, Number) else value


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]}... is too large for a number")
    return int(text) if text.lstrip("-").isdigit() else number


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=_toml_float)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{error}; this command reads TOML 1.0") from None


def _toml_float(text: str) -> float:
    number = float(text)
    if math.isinf(number) and "inf" not in text:
        raise ValueError(f"{text} is too large for a number")
    return number


def _from_toml(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_toml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_toml(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} is too large for a number")
    if isinstance(value, (datetime.date, datetime.time)):
        return Timestamp()
    return value


def _twice_in_yaml(line: int, key: str) -> Finding:
    text = f"line {line}: the key {key} is there twice, so that Centrifugo does not start"
    return Finding(id="PH029", path=key, text=text, fix="remove one of them")
