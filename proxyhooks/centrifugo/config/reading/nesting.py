"""Letter case and dotted keys, as viper reads them, the library of Centrifugo that holds the file's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Finding


def nest(values: Mapping[str, Any], findings: list[Finding]) -> dict[str, Any]:
    """The values with keys in lower case, and each key with dots as nested objects.

    Objects without a value and nulls are left out, as they are unset. The items of lists keep both, and their dots.
    """
    lowered = _lower(values, "", findings)
    nested: dict[str, Any] = {}
    for path in dict.fromkeys(_paths(lowered, "")):
        names = path.split(".")
        value = _find(lowered, names)
        if value is None:
            continue
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
        target[names[-1]] = value
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


def _find(source: Any, names: list[str]) -> Any:
    """The value at a path; a key that joins more of its names with dots comes before one that joins fewer."""
    if not isinstance(source, Mapping):
        return None
    for count in range(len(names), 0, -1):
        value = source.get(".".join(names[:count]))
        if count < len(names):
            value = _find(value, names[count:])
        if value is not None:
            return value
    return None
