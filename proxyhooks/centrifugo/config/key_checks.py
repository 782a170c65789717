"""What can be said of a configuration without the hooks it is for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from ..._dispatch.events import EVENTS
from .findings import Finding
from .keys import SHAPE, V5, V5_NAMESPACE
from .reader import Config, at


def check_keys(config: Config) -> Iterator[Finding]:
    """Keys of older versions, and those that Centrifugo does not know."""
    return _keys(config, SHAPE, "")


def _keys(given: Any, shape: Any, path: str) -> Iterator[Finding]:
    if isinstance(shape, list):
        for number, item in enumerate(given if isinstance(given, list) else []):
            yield from _keys(item, shape[0], f"{path}[{number}]")
        return
    if not isinstance(given, dict) or not isinstance(shape, dict):
        return
    for key, inner in given.items():
        where = f"{path}.{key}" if path else str(key)
        old = V5.get(key) if not path else V5_NAMESPACE.get(key) if "namespace" in path else None
        if key in shape:
            yield from _keys(inner, shape[key], where)
        elif old is not None:
            yield Finding(id="PH012", path=where, text=f"{key} is a key of v5; v6 ignores it", fix=f"write {old}")
        else:
            near = difflib.get_close_matches(str(key), shape, 1)
            fix = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(shape)[:8])}, ..."
            yield Finding(id="PH013", path=where, text=f"Centrifugo does not know {key}, and ignores it", fix=fix)


def needs_restart(old: Config, new: Config) -> list[Finding]:
    """What differs from what a server was started with, and is not taken up by a reload."""
    found = []
    paths = [event.proxy for event in EVENTS.values()] + ["proxies"]
    for path in dict.fromkeys(paths):
        if at(old, path) != at(new, path):
            added = at(old, path) is None
            text = f"{path} was added, at whose first event a reloaded server would end" if added else f"{path} differs"
            found.append(Finding(id="PH027", path=path, text=text, fix="restart Centrifugo"))
    return found
