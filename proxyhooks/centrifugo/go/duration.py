"""Durations as Go reads and writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LIMIT: Final = 2**63


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A duration; Go counts nanoseconds in 64 bits. One of zero is false."""

    nanoseconds: int

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1_000_000_000

    def __bool__(self) -> bool:
        return self.nanoseconds != 0

    def __str__(self) -> str:
        """Go's notation, such as ``1m30s``."""
        total = abs(self.nanoseconds)
        sign = "-" if self.nanoseconds < 0 else ""
        if total < 1_000_000_000:
            for unit in ("ms", "\u00b5s", "ns"):
                if total >= _NANOSECONDS[unit]:
                    return f"{sign}{_decimal(total, _NANOSECONDS[unit])}{unit}"
            return "0s"
        minutes, rest = divmod(total, _NANOSECONDS["m"])
        hours, minutes = divmod(minutes, 60)
        seconds = f"{_decimal(rest, _NANOSECONDS['s'])}s"
        return sign + (f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds)


def _decimal(count: int, unit: int) -> str:
    whole, fraction = divmod(count, unit)
    digits = str(fraction).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def read_duration(text: str) -> Duration | None:
    """The duration in Go's notation, such as ``1m30s``; ``None`` if it is not one."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return Duration(0)
    total = position = 0
    while position < len(unsigned):
        match = _PART.match(unsigned, position)
        if match is None or not (match[1] or match[2]):
            return None
        unit = _NANOSECONDS[match[3]]
        total += int(match[1] or 0) * unit
        if match[2]:
            total += int(match[2]) * unit // 10 ** len(match[2])
        position = match.end()
    if not unsigned or total > _LIMIT or (total == _LIMIT and text[0] != "-"):
        return None
    return Duration(-total if text[0] == "-" else total)


def parse_duration(duration: object) -> float | None:
    """The seconds of a duration, or of a text in Go's notation; ``None`` if it is neither."""
    if isinstance(duration, str):
        duration = read_duration(duration)
    return duration.seconds if isinstance(duration, Duration) else None
