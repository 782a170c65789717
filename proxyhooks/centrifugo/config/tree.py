"""The typed tree of a configuration: the settings by their keys, which are in lower case and nested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Config: TypeAlias = dict[str, Any]
"""Settings by their keys. In a typed tree the values have the types of the keys, and only what is set is there."""
_INDEX: Final = re.compile(r"\[\d+\]")


def value_at(config: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as ``client.proxy.connect``, or ``None``."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def set_value(config: Config, path: str, value: Any) -> None:
    """Set the value at a path; merge it into an object that is there."""
    *parents, key = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    if isinstance(value, dict) and isinstance(config.get(key), dict):
        config[key] |= value
    else:
        config[key] = value


def objects_at(config: Mapping[str, Any], path: str) -> list[tuple[int, Config]]:
    """The objects in the list at a path, each with its index in the list."""
    items = value_at(config, path)
    if not isinstance(items, list):
        return []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def without_indexes(path: str) -> str:
    """The path that is the same for all items of a list: ``proxies[].name`` for ``proxies[2].name``."""
    return _INDEX.sub("[]", path)
