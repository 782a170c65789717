"""The life of a connection.

Centrifugo never closes one, so a backend that is added later would get no call. A server that closes a connection on
its own may do so while a request is being written, which then is lost; after a reply that announces it nothing is.
"""

from __future__ import annotations

import os
import random
import time
import weakref
from typing import Any, Final

_VARIABLE: Final = "PROXYHOOKS_KEEPALIVE_TIME"
_DEFAULT: Final = 30.0


class Lives:
    """When connections end; seconds of the monotonic clock, by what gunicorn reads their requests from."""

    def __init__(self) -> None:
        self._seconds = _DEFAULT
        self._ends: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def set(self) -> None:
        """Take the number of seconds from ``PROXYHOOKS_KEEPALIVE_TIME``; 0 is without an end.

        :raises ValueError: if it is no such number.
        """
        text = os.environ.get(_VARIABLE) or str(_DEFAULT)
        try:
            self._seconds = float(text)
        except ValueError:
            self._seconds = -1
        if not 0 <= self._seconds < float("inf"):
            raise ValueError(f"{_VARIABLE} is a number of seconds such as 30, or 0 for no limit, not {text!r}")

    def is_over(self, req: Any) -> bool:
        """Whether the life of the request's connection is over; it begins with its first request."""
        source = getattr(req, "unreader", None)
        if source is None or not self._seconds:
            return False
        end = self._ends.get(source)
        if end is None:
            # Not all at once those that were opened at once.
            self._ends[source] = time.monotonic() + self._seconds * random.uniform(0.5, 1)  # noqa: S311  # no secret
            return False
        return time.monotonic() > end
