"""Findings about keys and variables that Centrifugo does not know."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..findings import Finding
from ..keys import NAMED, VARIABLE_PREFIX, Keys, key_at, paths_of, root_keys, variable_of, variables
from .legacy import legacy_findings, variable_fix

_KUBERNETES: Final = re.compile("_PORT|_SERVICE_")
"""What Kubernetes puts into the names of its variables about a service, such as one named ``centrifugo``. Centrifugo
leaves them out of its warnings."""
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
    parent = path.rpartition(".")[0]
    below = [] if key in _EVERYWHERE else [name for name, _ in paths_of(known) if name.endswith(f".{key}")]
    if len(below) == 1:
        return f"did you mean {parent + '.' if parent else ''}{below[0]}?"
    near = difflib.get_close_matches(key, known, 1)
    if near and _is_very_close(key, near[0]):
        return f"did you mean {near[0]}?"
    if elsewhere := _same_words_elsewhere(key):
        return f"did you mean {max(elsewhere, key=lambda name: _common_length(name, path))}?"
    words = {word for word in key.split("_") if len(word) > 1}
    if near := near or [name for name in known if words & set(name.split("_"))]:
        return f"did you mean {' or '.join(near[:3])}?"
    return f"known keys are {', '.join(sorted(known)[:8])}{', ...' if len(known) > 8 else ''}"


def _is_very_close(key: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, key, other).ratio() >= 0.8


def _same_words_elsewhere(key: str) -> list[str]:
    """The paths that end in the words of the key: ``client.proxy.connect`` for ``connect_proxy``."""
    if key in _EVERYWHERE:
        return []
    words, found = sorted(key.split("_")), []
    for path, _ in paths_of(root_keys()):
        names = path.replace("[]", "").split(".")
        ends = ("_".join(names[start:]) for start in range(len(names)))
        if any(sorted(end.split("_")) == words for end in ends):
            found.append(path)
    return found


def _common_length(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def unknown_variables(environ: Mapping[str, str], known: Iterable[str]) -> list[Finding]:
    """A finding for each variable that Centrifugo does not know, and that is not for something else."""
    known = set(known)
    return [
        _unknown_variable(name, known)
        for name, value in sorted(environ.items())
        if name not in known and not name.startswith("CENTRIFUGO_VAR_") and not _is_of_kubernetes(name, value)
    ]


def _is_of_kubernetes(name: str, value: str) -> bool:
    # CENTRIFUGO_PORT was an option too: Kubernetes sets tcp://10.0.0.1:8000, and people set 8000.
    return _KUBERNETES.search(name) is not None and (variable_fix(name) is None or "://" in value)


def _unknown_variable(name: str, known: set[str]) -> Finding:
    if fix := variable_fix(name):
        text = f"{name} is a variable of Centrifugo v5 or older, and v6 ignores it"
    else:
        text, fix = f"Centrifugo does not know the variable {name}, and ignores it", _nearest_variable(name, known)
    return Finding(id="PH030", path=name, text=text, fix=fix)


def _nearest_variable(name: str, known: set[str]) -> str:
    for list_path in NAMED:
        key = key_at(list_path)
        prefix = f"{variable_of(list_path)}_"
        if key and name.startswith(prefix) and any(name.endswith(end) for end, *_ in variables(key.keys, "_")):
            return f"define an item of {list_path} with this name, or remove the variable"
    if below := [variable for variable in sorted(known) if variable.startswith(f"{name}_")]:
        return (
            f"set the variables of its keys, such as {min(below, key=lambda v: (not v.endswith('_ENABLED'), len(v)))}"
        )
    # The common beginning would make all names alike.
    ends = [variable.removeprefix(VARIABLE_PREFIX) for variable in sorted(known)]
    near = difflib.get_close_matches(name.removeprefix(VARIABLE_PREFIX), ends, 1, cutoff=0.8)
    return f"did you mean {VARIABLE_PREFIX}{near[0]}?" if near else "remove it, unless the application reads it"
