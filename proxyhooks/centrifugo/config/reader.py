"""A configuration of Centrifugo as Centrifugo reads it: a file, and the environment over it."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from .keys import SHAPE

Config = dict[str, Any]
NAME: Final = re.compile("[-a-zA-Z0-9_.]{2,}")
"""Of a namespace or a proxy, as Centrifugo accepts it."""
_VARIABLE: Final = re.compile(r"\$\{(CENTRIFUGO_VAR_[^}]+)\}")
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# As Go reads them; 1 and 0 too, where it is no number that is read.
_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("f", "F", "FALSE", "false", "False"), False),
}
_NAMED: Final = ("channel.namespaces", "rpc.namespaces", "proxies")
"""Lists whose items have variables of their own."""
_LISTS: Final = ("allowed_origins", "http_headers", "emulated_headers")


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration of a file (JSON, TOML or YAML, by its ending), with ``CENTRIFUGO_...`` variables over it.

    :raises ValueError: if it cannot be read; the text says where.
    """
    text = path.read_text()
    try:
        if path.suffix == ".toml":
            config: Any = tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            config = _yaml(text)
        else:
            config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} has no object in it")
    _over(config, SHAPE, "CENTRIFUGO", environ)
    for listed in _NAMED:
        for _, item in objects(config, listed):
            # A namespace `my-chat` is CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_...
            words = ["CENTRIFUGO", *listed.split("."), re.sub("[-.]", "_", str(item.get("name")))]
            _over(item, at(SHAPE, listed)[0], "_".join(words).upper(), environ)
    return config


def _yaml(text: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ValueError("YAML needs PyYAML: pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _over(config: Config, shape: Config, prefix: str, environ: Mapping[str, str]) -> None:
    """Set what variables set.

    :raises ValueError: if one is not what Centrifugo reads; it would not start.
    """
    for key, inner in shape.items():
        name = f"{prefix}_{key}".upper()
        if isinstance(inner, dict):
            below = config.get(key)
            below = below if isinstance(below, dict) else {}
            _over(below, inner, name, environ)
            if below:
                config[key] = below
        elif environ.get(name):
            try:
                config[key] = _value(key, environ[name])
            except ValueError as error:
                raise ValueError(f"the variable {name} cannot be read: {error}") from None


def _value(key: str, text: str) -> Any:
    if key == "static_headers" or key in ("namespaces", "proxies"):
        return json.loads(text)
    if key in _LISTS:
        return text.split()
    if key.endswith(("enabled", "_meta")) and text in ("1", "0"):
        return text == "1"
    return _BOOLEANS.get(text, text)


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """A static header's value as it is sent, and the variables in it that are not set.

    Centrifugo replaces them there and nowhere else.
    """
    missing = [name for name in _VARIABLE.findall(text) if name not in environ]
    return _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), text), missing


def seconds(duration: object) -> float | None:
    """A duration in seconds as Go reads it; ``None`` if it has no unit."""
    if not isinstance(duration, str):
        return None
    if duration == "0":
        return 0.0
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def at(config: Config, path: str) -> Any:
    """What is at a path such as ``client.proxy.connect``; ``None`` if nothing is."""
    found: Any = config
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def objects(config: Config, path: str) -> list[tuple[int, Config]]:
    """The objects of a list, and where they stand; what is something else is not read."""
    found = at(config, path)
    return [(n, one) for n, one in enumerate(found) if isinstance(one, dict)] if isinstance(found, list) else []


def texts(given: Any) -> list[str]:
    """The texts of a list."""
    return [str(item) for item in given] if isinstance(given, list) else []


def url_of(given: object) -> SplitResult:
    """The parts of a URL; none of them where it is none."""
    try:
        return urlsplit(str(given))
    except ValueError:  # half of an IPv6 address
        return urlsplit("")
