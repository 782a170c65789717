"""The clock of the package, which a test client can set ahead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_AHEAD: Final[ContextVar[float]] = ContextVar("proxyhooks.clock.ahead", default=0.0)


def now() -> float:
    """The current time in Unix seconds."""
    return time.time() + _AHEAD.get()


@contextmanager
def ahead(seconds: float) -> Iterator[None]:
    """Set the clock ahead for the code in the block only."""
    token = _AHEAD.set(seconds)
    try:
        yield
    finally:
        _AHEAD.reset(token)
