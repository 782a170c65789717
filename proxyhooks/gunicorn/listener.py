"""A listening socket that hands out connections when there is something to read.

gunicorn's thread workers wait for the first request of a connection in one of their threads, for up to five seconds.
Go's HTTP client opens spare connections, and a port scanner says nothing either: with a few of them no thread is left.
Here they wait in the selector, where they cost nothing.

``TCP_DEFER_ACCEPT`` would let the kernel do that; but what it keeps back is forgotten, without a word to the other
side, when the socket is closed, and the first call on such a spare connection would be lost after every deployment.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import threading
from typing import Any, Final

_MAX_SILENT: Final = 256
"""Connections that say nothing; the one that has done so for longest makes room. Go keeps up to 255 idle ones."""
_AT_ONCE: Final = 32
# struct tcp_info, linux/tcp.h: tcpi_unacked, which for a listening socket is what waits to be accepted.
_UNACKED: Final = struct.Struct("=24xI")


class Listener:
    """Stands in for a listening socket of a gunicorn worker (sync, gthread)."""

    def __init__(self, listening: Any) -> None:
        self._listening = listening
        self._name = listening.getsockname()
        # epoll and kqueue can themselves be waited for; gunicorn does that with what fileno() says.
        self._selector: Any = selectors.DefaultSelector()
        self._silent: dict[socket.socket, Any] = {}
        """Accepted and not heard of yet, the oldest first; the value is the address."""
        self._lock = threading.Lock()
        self._accepts = True
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)

    def fileno(self) -> int:
        fileno: int = self._selector.fileno()
        return fileno

    def getsockname(self) -> Any:
        return self._name

    def setblocking(self, flag: bool) -> None:
        """It never blocks: ``accept`` may find nobody although there was an event."""

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection that can be read from.

        :raises BlockingIOError: if there is none.
        """
        with self._lock:
            if any(key.fileobj is self._listening for key, _ in self._selector.select(0)):
                self._take(_AT_ONCE)
            for key, _ in self._selector.select(0):
                if key.fileobj is not self._listening:
                    self._selector.unregister(key.fileobj)
                    return key.fileobj, self._silent.pop(key.fileobj)
        raise BlockingIOError(errno.EAGAIN, "nobody has said anything")

    def stop_accepting(self, *, last: bool) -> None:
        """Take no new connection. Those that are silent so far are still handed out once they speak.

        :param last: no other process will: take what the kernel has before it refuses whoever connects.
        """
        with self._lock:
            if not self._accepts:
                return
            self._accepts = False
            self._selector.unregister(self._listening)
            # getsockopt and close, in this order, leave other threads no time in between.
            while last and (self._take(_AT_ONCE) or _backlog(self._listening)):
                pass
            self._listening.close()

    def close_silent(self) -> None:
        """Close the connections that have said nothing."""
        with self._lock:
            for connection in self._silent:
                self._selector.unregister(connection)
                connection.close()
            self._silent.clear()

    def close(self) -> None:
        self.close_silent()
        with self._lock:
            self._accepts = False
            self._listening.close()
            self._selector.close()

    def _take(self, at_most: int) -> int:
        for taken in range(at_most):
            try:
                connection, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return taken
            if len(self._silent) >= _MAX_SILENT:
                oldest = next(iter(self._silent))
                self._selector.unregister(oldest)
                del self._silent[oldest]
                oldest.close()
            self._selector.register(connection, selectors.EVENT_READ)
            self._silent[connection] = address
        return at_most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


def listen(listening: Any) -> Any:
    """The socket as a :class:`Listener`, where the system has what it takes."""
    if not hasattr(selectors.DefaultSelector, "fileno"):
        return listening
    return Listener(listening)


def _backlog(listening: Any) -> int:
    """How many connections wait to be accepted; 0 where the system does not say."""
    try:
        waiting: int = _UNACKED.unpack(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size))[0]
    except (AttributeError, OSError, struct.error):
        return 0
    return waiting
