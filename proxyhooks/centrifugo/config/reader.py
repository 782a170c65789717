"""Reads a configuration as Centrifugo does: a file, then environment variables over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from .duration import parse_duration
from .files import read_file_with_findings
from .findings import Finding, once_per_kind
from .keys import root_keys
from .moved import check_moved_values
from .nesting import nest
from .placeholders import check_placeholders, expand_variables
from .values import convert_object
from .variables import apply_variables

__all__ = [
    "NAME",
    "NAME_RULE",
    "Config",
    "Reading",
    "expand_variables",
    "objects_at",
    "parse_duration",
    "read_config",
    "read_tree",
    "split_url",
    "strings_in",
    "value_at",
]

Config: TypeAlias = dict[str, Any]
"""Settings by their keys, which are in lower case and nested. In a :class:`Reading` their values have the types of
the keys, and only what is set is there."""
NAME: Final = re.compile("[-a-zA-Z0-9_.]{2,}")
"""A name of a namespace or a proxy that Centrifugo accepts."""
NAME_RULE: Final = "two or more characters of A-Z a-z 0-9 - _ ."


@dataclass(frozen=True, slots=True)
class Reading:
    """What Centrifugo reads from a file and its environment."""

    config: Config
    findings: tuple[Finding, ...]
    """What reading alone tells: values that cannot be read, and what is not known or has no effect."""


def read_config(path: Path, environ: Mapping[str, str]) -> Reading:
    """Read a file (JSON, TOML or YAML, by its suffix) and set the keys that have a ``CENTRIFUGO_...`` variable.

    :raises ValueError: if the file cannot be read; the message names it.
    """
    values, findings = read_file_with_findings(path)
    reading = read_tree(values, environ)
    return Reading(reading.config, (*findings, *reading.findings))


def read_tree(values: Mapping[str, Any], environ: Mapping[str, str]) -> Reading:
    """Read values as :func:`read_config` reads those of a file."""
    findings: list[Finding] = []
    nested = nest(values, findings)
    config = convert_object(nested, root_keys(), "", findings)
    findings += check_moved_values(nested, environ)
    apply_variables(config, environ, findings)
    findings += check_placeholders(config, environ)
    return Reading(config, tuple(once_per_kind(findings)))


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
