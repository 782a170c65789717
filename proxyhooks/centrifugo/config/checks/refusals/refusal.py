"""The finding about an option that Centrifugo refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...findings import Finding
from ..options import ZERO, Options

SECOND: Final = 1_000_000_000
"""Nanoseconds."""


def refusal(options: Options, key: str, text: str, fix: str) -> Finding:
    return Finding(id="PH031", path=options.path_of(key), text=f"{text}: Centrifugo does not start", fix=fix)


def whole_seconds(options: Options, key: str) -> Iterator[Finding]:
    duration = options.duration(key)
    if duration > ZERO and duration.nanoseconds % SECOND:
        yield refusal(options, key, f"{duration} is no whole number of seconds", f'"{key.rpartition(".")[2]}": "60s"')
