"""What time it is: one clock for the package and for the client that tests it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_AHEAD: Final[ContextVar[float]] = ContextVar("proxyhooks.clock.ahead", default=0.0)


def now() -> float:
    """Unix seconds."""
    return time.time() + _AHEAD.get()


@contextmanager
def ahead(seconds: float) -> Iterator[None]:
    """Let the clock be so many seconds ahead, for what runs in the block, and there only."""
    token = _AHEAD.set(seconds)
    try:
        yield
    finally:
        _AHEAD.reset(token)
