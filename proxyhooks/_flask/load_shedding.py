"""Calls that come too late: their caller has given up, or most likely will have before a hook is done.

Under more load than the threads can take, requests wait: in gunicorn for a thread, in the kernel to be accepted.
Centrifugo gives up after the timeout of its proxy. To run the hooks for these calls all the same would keep the threads
from those that can still be answered in time, so that soon none of them is.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from .._wire.log import logger

# Seconds. Up to the first a call may have waited without there being a queue; one that is there for longer than the
# second stands, and then the third is enough.
_NO_QUEUE: Final = 0.05
_MOMENT: Final = 1.0
_IN_A_QUEUE: Final = 0.2
# Where there is no queue now there is no long one in a moment: to ask the kernel costs as much as to read the message.
_LOOK_EVERY: Final = 0.005

_LOG_EVERY: Final = 1.0
# struct tcp_info, linux/tcp.h: tcpi_state, and tcpi_last_data_recv in milliseconds.
_INFO: Final = struct.Struct("=B51xI")
_ESTABLISHED: Final = 1
# What gunicorn's workers and Flask's own server call the socket of a request.
_SOCKETS: Final = ("gunicorn.socket", "werkzeug.socket")


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


class LoadShedder:
    """How long a call may have waited when its turn comes: half of the timeout. The hook has the other half.

    Where a queue has stood for longer than a moment it is less: all that such a queue does is to make every call later,
    and callers whose timeout is another one than the configured would give up just when their turn comes.
    """

    def __init__(self, timeout: float) -> None:
        self._limit = timeout / 2
        self._lock = threading.Lock()
        # The last call, and the last one before which there was no queue; by time.monotonic.
        self._seen = self._free = 0.0
        self._late = self._gone = 0
        self._next_log = self._next_look = 0.0

    def should_shed(self, environ: Mapping[str, Any]) -> bool:
        """Whether the call comes too late. The log tells how many did, at most once a second."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        time_waited = waited(environ)
        if time_waited < _NO_QUEUE:
            self._next_look = now + _LOOK_EVERY
        if time_waited < _NO_QUEUE or now - self._seen > _MOMENT:
            self._free = now
        self._seen = now
        limit = self._limit if now - self._free <= _MOMENT else min(self._limit, _IN_A_QUEUE)
        if time_waited <= limit:
            return False
        with self._lock:
            if time_waited == float("inf"):
                self._gone += 1
            else:
                self._late += 1
            if now < self._next_log:
                return True
            self._next_log = now + _LOG_EVERY
            late, gone, self._late, self._gone = self._late, self._gone, 0, 0
        text = "more calls than the threads can take: 503 for %d that had waited for %g s, and for %d whose caller had "
        logger.warning(f"{text}hung up", late, limit, gone)
        return True
