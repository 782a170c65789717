"""Checks the values of old keys as if the keys were in their places in v6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ..findings import Finding
from ..keys import root_keys
from .conversion import convert_object
from .legacy import place_of_value
from .nesting import nest
from .placeholders import check_placeholders

_IDS: Final = ("PH013", "PH017", "PH025", "PH029")
"""Findings that remain when a key is in its place. The old keys in a value have theirs with the value itself."""


def check_moved_values(values: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the values of old keys, at the paths that they have now.

    :param values: the values of a file, with keys in lower case.
    """
    for key, value in values.items():
        place = place_of_value(key, value)
        if place is None:
            continue
        findings: list[Finding] = []
        config = convert_object(nest({place: value}, findings), root_keys(), "", findings)
        findings += check_placeholders(config, environ)
        for finding in findings:
            if finding.id in _IDS and finding.path.startswith(place):
                yield replace(finding, path=key + finding.path.removeprefix(place))
