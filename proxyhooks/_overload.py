"""Calls that come too late: their caller has given up, or most likely will have before a hook is done.

Under more load than the threads can take, requests wait: in gunicorn for a thread, in the kernel to be accepted.
Centrifugo gives up after the timeout of its proxy. To run the hooks for these calls all the same would keep the threads
from those that can still be answered in time, so that soon none of them is.
"""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from .exceptions import SetupError

TIMEOUT: Final = "PROXYHOOKS_TIMEOUT"
DEFAULT_TIMEOUT: Final = 3.0
"""Seconds; what ``flask centrifugo config`` writes."""

_LOG_EVERY: Final = 1.0
# struct tcp_info, linux/tcp.h: tcpi_state, and tcpi_last_data_recv in milliseconds.
_INFO: Final = struct.Struct("=B51xI")
_ESTABLISHED: Final = 1
# What gunicorn's workers and Flask's own server call the socket of a request.
_SOCKETS: Final = ("gunicorn.socket", "werkzeug.socket")
_logger = logging.getLogger("proxyhooks")


def timeout_of(config: Mapping[str, Any]) -> float:
    """Seconds that Centrifugo waits for a reply, by ``PROXYHOOKS_TIMEOUT``.

    :raises SetupError: if it is no positive number.
    """
    seconds = config.get(TIMEOUT, DEFAULT_TIMEOUT)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise SetupError(f"{TIMEOUT} must be the seconds of the proxies' timeout, such as 3 or 0.5, not {seconds!r}")
    return float(seconds)


def waited(environ: Mapping[str, Any]) -> float:
    """Seconds since the request has arrived, as the kernel knows it; infinite where the caller has hung up.

    It counts from the last byte, whoever has kept it waiting since: the kernel, gunicorn, other requests. 0 where
    nobody can tell: other systems than Linux, sockets that are not TCP, other servers.
    """
    for name in _SOCKETS:
        if (connection := environ.get(name)) is not None:
            try:
                state, last = _INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
            except (AttributeError, OSError, struct.error):
                return 0.0
            return last / 1000 if state == _ESTABLISHED else float("inf")
    return 0.0


class Patience:
    """How long a call may have waited when its turn comes: half of the timeout. The hook has the other half."""

    def __init__(self, timeout: float) -> None:
        self._limit = timeout / 2
        self._lock = threading.Lock()
        self._late = self._gone = 0
        self._next_log = 0.0

    def is_over(self, environ: Mapping[str, Any]) -> bool:
        """Whether the call comes too late. The log tells how many did, at most once a second."""
        if (time_waited := waited(environ)) <= self._limit:
            return False
        with self._lock:
            if time_waited == float("inf"):
                self._gone += 1
            else:
                self._late += 1
            now = time.monotonic()
            if now < self._next_log:
                return True
            self._next_log = now + _LOG_EVERY
            late, gone, self._late, self._gone = self._late, self._gone, 0, 0
        text = (
            "more calls than the threads can take: 503 for %d that had waited for %g s, half of %s, and for %d whose "
        )
        _logger.warning(f"{text}caller had hung up", late, self._limit, TIMEOUT, gone)
        return True
