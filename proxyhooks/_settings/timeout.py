"""The timeout of Centrifugo's proxies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..exceptions import SetupError

TIMEOUT: Final = "PROXYHOOKS_TIMEOUT"
DEFAULT_TIMEOUT: Final = 3.0
"""Seconds; what ``flask centrifugo config`` writes."""


def read_timeout(config: Mapping[str, Any]) -> float:
    """Seconds that Centrifugo waits for a reply, by ``PROXYHOOKS_TIMEOUT``.

    :raises SetupError: if it is no positive number.
    """
    seconds = config.get(TIMEOUT, DEFAULT_TIMEOUT)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise SetupError(f"{TIMEOUT} must be the seconds of the proxies' timeout, such as 3 or 0.5, not {seconds!r}")
    return float(seconds)
