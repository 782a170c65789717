"""Reads a configuration as Centrifugo does: a file, then environment variables over it."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from .keys import KEYS, KeyTree

Config: TypeAlias = dict[str, Any]
NAME: Final = re.compile("[-a-zA-Z0-9_.]{2,}")
"""A name of a namespace or a proxy that Centrifugo accepts."""
NAME_RULE: Final = "two or more characters of A-Z a-z 0-9 - _ ."
_HEADER_VARIABLE: Final = re.compile(r"\$\{(CENTRIFUGO_VAR_[^}]+)\}")
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# What Go reads as a boolean, except for 1 and 0, which may also be numbers.
_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("f", "F", "FALSE", "false", "False"), False),
}
_LISTS_OF_NAMED: Final = ("channel.namespaces", "rpc.namespaces", "proxies")
"""Lists whose items have a name and, under that name, environment variables of their own."""
_LISTS_OF_STRINGS: Final = ("allowed_origins", "http_headers", "emulated_headers")


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a file (JSON, TOML or YAML, by its suffix) and set the keys that have a ``CENTRIFUGO_...`` variable.

    :raises ValueError: if the file or a variable cannot be read; the message names it.
    """
    config = _read_file(path)
    _apply_environment(config, KEYS, "CENTRIFUGO", environ)
    for list_path in _LISTS_OF_NAMED:
        for _, item in objects_at(config, list_path):
            # The namespace `my-chat` has CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_...
            parts = ["CENTRIFUGO", *list_path.split("."), re.sub("[-.]", "_", str(item.get("name")))]
            _apply_environment(item, value_at(KEYS, list_path)[0], "_".join(parts).upper(), environ)
    return config


def _read_file(path: Path) -> Config:
    text = path.read_text()
    try:
        if path.suffix == ".toml":
            config: Any = tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            config = _load_yaml(text)
        else:
            config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} must contain an object, not {type(config).__name__}")
    return config


def _load_yaml(text: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ValueError("YAML needs PyYAML: pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _apply_environment(config: Config, keys: KeyTree, prefix: str, environ: Mapping[str, str]) -> None:
    """Set each of *keys* that has a variable.

    :raises ValueError: if Centrifugo cannot read a variable, so that it does not start.
    """
    for key, keys_below in keys.items():
        variable = f"{prefix}_{key}".upper()
        if isinstance(keys_below, dict):
            section = config.get(key)
            section = section if isinstance(section, dict) else {}
            _apply_environment(section, keys_below, variable, environ)
            if section:
                config[key] = section
        elif environ.get(variable):
            try:
                config[key] = _parse_variable(key, environ[variable])
            except ValueError as error:
                raise ValueError(f"the variable {variable} cannot be read: {error}") from None


def _parse_variable(key: str, text: str) -> Any:
    if key in ("static_headers", "namespaces", "proxies"):
        return json.loads(text)
    if key in _LISTS_OF_STRINGS:
        return text.split()
    if key.endswith(("enabled", "_meta")) and text in ("1", "0"):
        return text == "1"
    return _BOOLEANS.get(text, text)


def expand_variables(header_value: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The value of a static header as Centrifugo sends it, and the variables in it that are not set.

    Centrifugo replaces variables in static headers and nowhere else.
    """
    unset = [name for name in _HEADER_VARIABLE.findall(header_value) if name not in environ]
    return _HEADER_VARIABLE.sub(lambda match: environ.get(match[1], match[0]), header_value), unset


def parse_duration(duration: object) -> float | None:
    """The seconds of a duration in Go's notation, such as ``1m30s``; ``None`` if it is not one."""
    if not isinstance(duration, str):
        return None
    if duration == "0":
        return 0.0
    parts = _DURATION_PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def value_at(config: Config, path: str) -> Any:
    """The value at a path such as ``client.proxy.connect``, or ``None``."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def objects_at(config: Config, path: str) -> list[tuple[int, Config]]:
    """The objects in the list at a path, each with its index in the list."""
    items = value_at(config, path)
    if not isinstance(items, list):
        return []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def strings_in(value: Any) -> list[str]:
    """The items of a list as strings; an empty list for any other value."""
    return [str(item) for item in value] if isinstance(value, list) else []


def split_url(value: object) -> SplitResult:
    """The parts of a URL; empty parts if it is not one."""
    try:
        return urlsplit(str(value))
    except ValueError:  # such as an IPv6 address without its closing bracket
        return urlsplit("")
