"""Leaves out findings that only follow from others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..findings import Finding
from ..reading.legacy import place_in_v6

_IDS_OF_CONSEQUENCES: Final = ("PH003", "PH004", "PH015", "PH018")
_SWITCH: Final = re.compile(r"(channel|rpc)\.(?:namespaces\[\d+\]|without_namespace)\.(?:(\w+)_)?proxy_enabled")
_NAMESPACE: Final = re.compile(r"(channel|rpc)\.(?:namespaces(?:\[\d+\])?|without_namespace)")


def without_consequences(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out findings about something missing that an old key has: with ``allowed_origins`` no origin is missing.

    An old variable leaves out nothing: it is a warning, since the variable may be one of the application.
    """
    findings = list(findings)
    old_keys = [finding.path.lower() for finding in findings if finding.id == "PH012"]
    places = [place for key in old_keys if (place := place_in_v6(key)) is not None]
    return [
        finding
        for finding in findings
        if finding.id not in _IDS_OF_CONSEQUENCES or not any(_explains(place, finding.path) for place in places)
    ]


def _explains(place: str, missing: str) -> bool:
    """Whether the old key that moved to *place* has what is missing at the other path."""
    if switch := _SWITCH.fullmatch(missing):
        # The proxy is missing.
        missing = ".".join(filter(None, (switch[1], "proxy", switch[2])))
    if namespace := _NAMESPACE.fullmatch(missing):
        # A namespace, a switch or a proxy of the section is missing.
        section = namespace[1]
        return place == f"{section}.namespaces" or (place.startswith(f"{section}.") and "proxy" in place)
    return place == missing or place.startswith(f"{missing}.")
