"""Load shedding: calls that come too late are refused before a hook runs.

Under more load than the threads can serve, requests wait: in gunicorn for a thread, in the kernel to be accepted.
Centrifugo gives up after the timeout of its proxy. A hook that runs for such a call keeps its thread from calls that
can still be answered in time. Soon no call is answered in time.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from .._dispatch.events import Event
from .._wire.environ_keys import RECEIVED
from .._wire.log import rate_limited
from .call_log import about_event

# All times are in seconds. A call that waited for less did not wait in a queue.
_QUEUED: Final = 0.05
# A queue that lasts for longer is a standing one.
_STANDING: Final = 1.0
_PATIENCE_IN_STANDING_QUEUE: Final = 0.2
# Asking the kernel costs as much as reading the message, so without a queue it is asked at most this often.
_ASK_INTERVAL: Final = 0.005
# struct tcp_info, linux/tcp.h: tcpi_state, and tcpi_last_data_recv in milliseconds. BSD numbers the states in another
# way.
_INFO: Final = struct.Struct("=B51xI")
_ESTABLISHED: Final = 1
# The environ keys under which gunicorn's workers and Flask's own server keep the socket of a request.
_SOCKET_KEYS: Final = ("gunicorn.socket", "werkzeug.socket")


def waiting_time(environ: Mapping[str, Any]) -> float | None:
    """Seconds since the last byte of the request arrived; infinite if the caller hung up, None if nothing tells.

    The worker of this package puts the time into the environ. With other servers the kernel knows it, on Linux with
    TCP: ``TCP_INFO`` of tcp(7).
    """
    received: float | None = environ.get(RECEIVED)
    if received is not None:
        return time.monotonic() - received
    if sys.platform != "linux":
        return None
    for name in _SOCKET_KEYS:
        if (connection := environ.get(name)) is not None:
            try:
                state, last = _INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
            except (AttributeError, OSError, struct.error):
                return None
            return last / 1000 if state == _ESTABLISHED else float("inf")
    return None


class LoadShedder:
    """Decides which calls are too late.

    A call may wait for half of the timeout; the other half is for the hook. In a standing queue a call may wait for
    0.2 s only: a longer queue makes every call later and serves no more of them, and callers with a shorter timeout
    than the configured one would all give up just before their turn.

    :param timeout: seconds that Centrifugo waits for a reply.
    """

    def __init__(self, timeout: float) -> None:
        self._patience = timeout / 2
        # Times of time.monotonic: the last call that was measured, and the last one that found no queue.
        self._last_call = self._last_without_queue = 0.0
        self._next_ask = 0.0

    def should_shed(self, environ: Mapping[str, Any], event: Event) -> bool:
        """Whether the call is too late. If so, a warning says why."""
        now = time.monotonic()
        if now < self._next_ask and RECEIVED not in environ:
            return False
        waited = waiting_time(environ) or 0.0
        if waited < _QUEUED:
            self._next_ask = now + _ASK_INTERVAL
        if waited < _QUEUED or now - self._last_call > _STANDING:  # after a pause the former queue is over
            self._last_without_queue = now
        self._last_call = now
        patience = self._patience
        if now - self._last_without_queue > _STANDING:
            patience = min(patience, _PATIENCE_IN_STANDING_QUEUE)
        if waited <= patience:
            return False
        with about_event(event):  # the message has not been read
            if waited == float("inf"):
                rate_limited.warning("overload: refused with 503: a call whose caller had hung up")
            else:
                rate_limited.warning(
                    "overload: more calls than the threads can serve. Refused with 503: a call that had waited for "
                    "%.3g s, which is more than %g s",
                    waited,
                    patience,
                )
        return True
