"""Checks of the keys alone, which need no application."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from ...._dispatch.events import EVENTS
from ..findings import Finding
from ..keys import KEYS, V5_KEYS, V5_NAMESPACE_KEYS
from ..reader import Config, value_at


def check_keys(config: Config) -> Iterator[Finding]:
    """Yield a finding for each key that Centrifugo v6 ignores."""
    return _check_below(config, KEYS, "")


def _check_below(value: Any, keys: Any, path: str) -> Iterator[Finding]:
    if isinstance(keys, list):
        for index, item in enumerate(value if isinstance(value, list) else []):
            yield from _check_below(item, keys[0], f"{path}[{index}]")
    elif isinstance(value, dict) and isinstance(keys, dict):
        for key, member in value.items():
            key_path = f"{path}.{key}" if path else str(key)
            if key in keys:
                yield from _check_below(member, keys[key], key_path)
            elif (v6_key := _v6_key(key, path)) is not None:
                yield _v5_finding(key, key_path, v6_key)
            else:
                yield _unknown_finding(key, key_path, keys)


def _v6_key(key: Any, path: str) -> str | None:
    if not path:
        return V5_KEYS.get(key)
    return V5_NAMESPACE_KEYS.get(key) if "namespace" in path else None


def _v5_finding(key: Any, path: str, v6_key: str) -> Finding:
    text = f"{key} is a key of Centrifugo v5, and v6 ignores it"
    return Finding(id="PH012", path=path, text=text, fix=f"write {v6_key}")


def _unknown_finding(key: Any, path: str, known: Any) -> Finding:
    near = difflib.get_close_matches(str(key), known, 1)
    fix = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(sorted(known)[:8])}, ..."
    return Finding(id="PH013", path=path, text=f"Centrifugo does not know the key {key}, and ignores it", fix=fix)


def needs_restart(old: Config, new: Config) -> list[Finding]:
    """Return a finding for each change that a reload of Centrifugo does not apply.

    :param old: the configuration with which Centrifugo was started.
    """
    findings = []
    paths = [event.proxy for event in EVENTS.values()] + ["proxies"]
    for path in dict.fromkeys(paths):
        before, after = value_at(old, path), value_at(new, path)
        if before == after:
            continue
        if before is None:
            text = f"{path} was added: after a reload Centrifugo crashes at the first call of it"
        else:
            text = f"{path} was changed: a reload does not apply it"
        findings.append(Finding(id="PH027", path=path, text=text, fix="restart Centrifugo"))
    return findings
