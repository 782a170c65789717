"""The maximum age of a connection.

Centrifugo never closes a connection, so a backend that is added later would get no calls. A server that closes a
connection without notice may do so while a request is being written, and that request is lost. So gunicorn announces
the close in a reply (``Connection: close``), and no request is lost.
"""

from __future__ import annotations

import random
import time
import weakref
from typing import Any

from .._settings.worker_settings import KEEPALIVE_TIME


class MaxConnectionAge:
    """Decides with which request a connection of a worker of gunicorn's own ends.

    :param seconds: the maximum age, 0 for no limit.
    """

    def __init__(self, seconds: float = KEEPALIVE_TIME.default) -> None:
        self.seconds = seconds
        # Keys are gunicorn's unreaders, of which each connection has one. Values are times of the monotonic clock.
        self._expiry: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def exceeded(self, req: Any) -> bool:
        """Whether the connection of gunicorn's request *req* has exceeded its maximum age.

        The age counts from the first call for the connection.
        """
        # A request of HTTP/2 has no unreader.
        unreader = getattr(req, "unreader", None)
        if unreader is None or not self.seconds:
            return False
        expiry = self._expiry.get(unreader)
        if expiry is None:
            self._expiry[unreader] = expiry_from_now(self.seconds)
            return False
        return time.monotonic() > expiry


def expiry_from_now(max_age: float) -> float:
    """Return when a connection that begins now ends: after between half of *max_age* and all of it.

    :param max_age: seconds.
    :return: a time of ``time.monotonic``.
    """
    # Jitter, so that connections do not expire together.
    return time.monotonic() + max_age * random.uniform(0.5, 1)  # noqa: S311  # no secret
