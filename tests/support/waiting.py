"""Waiting with a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DEFAULT_TIMEOUT = 60.0
"""Seconds; longer than a loaded machine takes for anything that a test waits for."""
_INTERVAL = 0.02
"""Seconds."""


def wait_until(condition: Callable[[], object], what: str, timeout: float = DEFAULT_TIMEOUT) -> None:
    """Return as soon as the condition is true.

    :param what: what the test waits for, for the message of the failure.
    :param timeout: seconds.
    :raises AssertionError: if the condition is still false after the timeout.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        _check_deadline(deadline, what, timeout)
        time.sleep(_INTERVAL)


async def wait_until_async(condition: Callable[[], object], what: str, timeout: float = DEFAULT_TIMEOUT) -> None:
    """:func:`wait_until` for coroutines: other coroutines run while this one waits."""
    deadline = time.monotonic() + timeout
    while not condition():
        _check_deadline(deadline, what, timeout)
        await asyncio.sleep(_INTERVAL)


def _check_deadline(deadline: float, what: str, timeout: float) -> None:
    assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
