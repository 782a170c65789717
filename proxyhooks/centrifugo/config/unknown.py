"""Findings about keys and variables that Centrifugo does not know."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

from .findings import Finding
from .keys import Keys, paths_of, root_keys
from .legacy import legacy_findings, variable_fix

_KUBERNETES: Final = re.compile(r"CENTRIFUGO(?:_[A-Z0-9_]+)?_(PORT|SERVICE_)")
"""Variables that Kubernetes sets for a service named ``centrifugo``; Centrifugo leaves them out of its warnings."""
_EVERYWHERE: Final = ("enabled", "name", "type")
"""Keys of so many objects that another place is no hint."""


def unknown_key(path: str, key: str, value: Any, known: Keys, *, is_checked: bool = True) -> list[Finding]:
    """The findings about a key that Centrifugo v6 does not know.

    :param path: the path of the key.
    :param known: the keys of the object that it is in.
    :param is_checked: whether Centrifugo itself reports it when asked for a strict check.
    """
    if findings := legacy_findings(path, key, value):
        return findings
    text = f"Centrifugo does not know the key {key}, and ignores it"
    return [Finding(id="PH013" if is_checked else "PH030", path=path, text=text, fix=_nearest(path, key, known))]


def _nearest(path: str, key: str, known: Keys) -> str:
    below = [] if key in _EVERYWHERE else [name for name, _ in paths_of(known) if name.endswith(f".{key}")]
    parent = path.rpartition(".")[0]
    if len(below) == 1:
        return f"did you mean {parent + '.' if parent else ''}{below[0]}?"
    if near := difflib.get_close_matches(key, known, 1):
        return f"did you mean {near[0]}?"
    if key not in _EVERYWHERE:
        same_name = [name for name, _ in paths_of(root_keys()) if name.rpartition(".")[2] == key]
        if same_name:
            return f"did you mean {max(same_name, key=lambda name: _common_length(name, path))}?"
    words = {word for word in key.split("_") if len(word) > 1}
    if near := [name for name in known if words & set(name.split("_"))]:
        return f"did you mean {' or '.join(near[:3])}?"
    return f"known keys are {', '.join(sorted(known)[:8])}{', ...' if len(known) > 8 else ''}"


def _common_length(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def unknown_variables(names: Iterable[str], known: Iterable[str]) -> list[Finding]:
    """A finding for each variable that Centrifugo does not know, and that is not for something else."""
    known = set(known)
    return [
        Finding(
            id="PH030",
            path=name,
            text=f"Centrifugo does not know the variable {name}, and ignores it",
            fix=_nearest_variable(name, known),
        )
        for name in sorted(names)
        if name.startswith("CENTRIFUGO_")
        and name not in known
        and not name.startswith("CENTRIFUGO_VAR_")
        and not _KUBERNETES.match(name)
    ]


def _nearest_variable(name: str, known: set[str]) -> str:
    if (fix := variable_fix(name)) is not None:
        return fix
    near = difflib.get_close_matches(name, sorted(known), 1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else "remove it"
