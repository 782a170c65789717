"""Letter case and dotted keys, as viper reads them, the library of Centrifugo that holds the file's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from ..findings import Finding
from ..tree import Config

Keys: TypeAlias = tuple[str, ...]
"""The keys of a path."""


def nest(values: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
    """The values with keys in lower case, and each key with dots as nested objects.

    Objects without a value and nulls are left out, as they are unset. The items of lists keep both, and their dots.
    """
    lowered = _lower(values, "", findings)
    nested: dict[str, Any] = {}
    for path in dict.fromkeys(_paths(lowered, "")):
        names = tuple(path.split("."))
        found = find_key(lowered, names)
        if found is None:
            continue
        container, key = found
        target = nested
        for depth, name in enumerate(names[:-1], 1):
            below = target.get(name)
            if not isinstance(below, dict):
                if below is not None:
                    findings.append(_value_and_object(".".join(names[:depth])))
                below = target[name] = {}
            target = below
        if names[-1] in target:
            findings.append(_value_and_object(path))
        target[names[-1]] = container[key]
    return nested


def _value_and_object(path: str) -> Finding:
    text = f"{path} has a value and keys below it: Centrifugo takes one of the two by chance, and may not start"
    return Finding(id="PH029", path=path, text=text, fix="remove one of them")


def _twice(path: str) -> Finding:
    text = f"{path} is there twice, in other letter case, and Centrifugo ignores one of them"
    return Finding(id="PH030", path=path, text=text, fix="remove one of them")


def _lower(value: Any, path: str, findings: list[Finding]) -> Any:
    if isinstance(value, list):
        return [_lower(item, f"{path}[{index}]", findings) for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    lowered: dict[str, Any] = {}
    # A key with capital letters replaces the same key without them.
    for key in sorted(value, key=lambda key: key != key.lower()):
        name = key.lower()
        key_path = f"{path}.{name}" if path else name
        if name in lowered:
            findings.append(_twice(key_path))
        lowered[name] = _lower(value[key], key_path, findings)
    # The order of the file, in which findings are listed.
    return {key.lower(): lowered[key.lower()] for key in value}


def _paths(value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, member in value.items():
        if isinstance(member, Mapping):
            yield from _paths(member, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def find_key(values: Config, keys: Keys, *, dotted: bool = True) -> tuple[Config, str] | None:
    """The object that has the value at these keys, and the key in it; ``None`` if there is none.

    Centrifugo looks first for the key that joins the most of them with dots.

    :param dotted: whether keys may be joined with dots, as they may outside of lists.
    """
    for first, rest in joined_keys(values, keys, dotted=dotted):
        value = values.get(first)
        if value is not None and not rest:
            return values, first
        if isinstance(value, dict) and (found := find_key(value, rest, dotted=dotted)):
            return found
    return None


def joined_keys(values: Config, keys: Keys, *, dotted: bool) -> Iterator[tuple[str, Keys]]:
    """The ways to read keys as one key of the object, in its spelling there, and the keys below it."""
    for length in range(len(keys) if dotted else min(len(keys), 1), 0, -1):
        yield spelling_of(values, ".".join(keys[:length])), keys[length:]


def spelling_of(values: Config, key: str) -> str:
    """The key as it is written, or as it is given if it is not there."""
    return next(iter(spellings(values, key)), key)


def spellings(values: Config, key: str) -> list[str]:
    """The ways in which a key is written; Centrifugo uses the first."""
    key = key.lower()
    return sorted((written for written in values if written.lower() == key), key=str.islower)
