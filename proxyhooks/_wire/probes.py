"""What probes ask about this process: which URLs they have, and whether the process drains.

The Flask side knows the URLs, and gunicorn's side when a worker stops.
"""

from __future__ import annotations

from typing import Final

METHODS: Final = ("GET", "HEAD")
"""The methods of probes. Other requests to their paths belong to the application."""

paths: Final[set[str]] = set()
"""The paths of the probes of all applications in this process. A worker answers them although all threads are busy."""

_drains = False


def start_draining() -> None:
    """Have readiness probes fail: this process stops, and accepts no more connections."""
    global _drains
    _drains = True


def is_draining() -> bool:
    """Whether this process stops."""
    return _drains
