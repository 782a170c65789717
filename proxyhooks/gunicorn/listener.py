"""A listening socket that hands out a connection once the connection has data to read.

gunicorn's gthread worker waits for the first request of a connection in one of its threads, for up to five seconds.
Go's HTTP client opens connections before it needs them, and port scanners send nothing. A few such connections would
occupy every thread. Here they wait in a selector, where they cost almost nothing.

The socket option ``TCP_DEFER_ACCEPT`` would leave that wait to the kernel. But when the socket is closed, the kernel
drops the connections it holds back and does not tell their clients. After every deployment, the first call on such a
connection would be lost.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import Any, Final

from .._settings.worker_settings import read_worker_settings
from .descriptors import OUT_OF_RESOURCES, max_silent_connections

_ACCEPT_BATCH: Final = 32
"""Connections to accept in one go."""
_PAUSE: Final = 0.1
"""Seconds without accepting, after the system had no resources for a connection."""
# struct tcp_info in linux/tcp.h: the field tcpi_unacked of a listening socket is the length of its backlog.
_UNACKED: Final = struct.Struct("=24xI")


class Listener:
    """Replaces a listening socket in gunicorn's sync and gthread workers.

    :param max_silent: how many connections may be accepted that have sent nothing. One more closes another one.
    :param receive_timeout: seconds that a thread waits for the next byte of a request before the connection ends.
    :param send_timeout: seconds that it waits until the peer takes the next byte of a reply.
    """

    def __init__(self, sock: Any, max_silent: int, receive_timeout: float, send_timeout: float) -> None:
        self._socket = sock
        self._name = sock.getsockname()
        # gunicorn waits for fileno() of this object. That works because epoll and kqueue are themselves selectable.
        self._selector: Any = selectors.DefaultSelector()
        self._silent: dict[str, dict[socket.socket, Any]] = {}
        """The accepted connections that have sent nothing yet, by host, oldest first, with their addresses."""
        self._silent_count = 0
        self._max_silent = max_silent
        self._timeouts = {
            socket.SO_RCVTIMEO: _pack_timeval(receive_timeout),
            socket.SO_SNDTIMEO: _pack_timeval(send_timeout),
        }
        self._lock = threading.Lock()
        self._accepting = True
        self._paused = False
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ)

    def fileno(self) -> int:
        fileno: int = self._selector.fileno()
        return fileno

    def getsockname(self) -> Any:
        return self._name

    def getsockopt(self, level: int, option: int) -> int:
        value: int = self._socket.getsockopt(level, option)
        return value

    def listen(self, backlog: int) -> None:
        self._socket.listen(backlog)

    def setblocking(self, flag: bool) -> None:
        """Do nothing. The socket never blocks: after an event, ``accept`` may have no connection to return."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection that has data to read, and its address.

        :raises BlockingIOError: if there is none.
        """
        with self._lock:
            if any(key.fileobj is self._socket for key, _ in self._selector.select(0)):
                self._accept_batch()
            for key, _ in self._selector.select(0):
                if key.fileobj is not self._socket:
                    connection, address = key.fileobj, self._forget(key.fileobj, key.data)
                    with suppress(OSError):  # the peer may have closed it
                        for option, timeout in self._timeouts.items():
                            connection.setsockopt(socket.SOL_SOCKET, option, timeout)
                    return connection, address
        raise BlockingIOError(errno.EAGAIN, "no connection has data to read")

    def stop_accepting(self, *, drain_backlog: bool) -> None:
        """Accept no more connections. ``accept`` still returns those that are accepted already, once they have data.

        :param drain_backlog: first accept the connections in the kernel's backlog; for a socket that no other process
            accepts from.
        """
        with self._lock:
            if not self._accepting:
                return
            self._accepting = False
            if not self._paused:
                self._selector.unregister(self._socket)
            # The length of the backlog is read directly before the close: a connection in between would be lost.
            while drain_backlog and not self._paused and (self._accept_batch() or backlog_length(self._socket)):
                pass
            self._socket.close()

    def close_silent(self) -> None:
        """Close the connections that have sent nothing."""
        with self._lock:
            while self._silent:
                self._close_one()

    def close(self) -> None:
        self.close_silent()
        with self._lock:
            self._accepting = False
            self._socket.close()
            self._selector.close()

    def _accept_batch(self) -> int:
        """Accept some connections from the kernel, and return how many."""
        for count in range(_ACCEPT_BATCH):
            try:
                connection, address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return count
            except OSError as error:
                if error.errno not in OUT_OF_RESOURCES:
                    raise
                if self._silent:
                    self._close_one()
                    continue
                self._pause()
                return count
            if self._silent_count >= self._max_silent:
                self._close_one()
            host = address[0] if isinstance(address, tuple) else ""  # a Unix socket
            self._selector.register(connection, selectors.EVENT_READ, host)
            self._silent.setdefault(host, {})[connection] = address
            self._silent_count += 1
        return _ACCEPT_BATCH

    def _forget(self, connection: socket.socket, host: str) -> Any:
        """Take a connection out of the silent ones, and return its address."""
        self._selector.unregister(connection)
        address = self._silent[host].pop(connection)
        if not self._silent[host]:
            del self._silent[host]
        self._silent_count -= 1
        return address

    def _close_one(self) -> None:
        """Close the oldest silent connection of the host that has the most, so that a host displaces mainly its own."""
        host = max(self._silent, key=lambda host: len(self._silent[host]))
        connection = next(iter(self._silent[host]))
        self._forget(connection, host)
        connection.close()

    def _pause(self) -> None:
        """Stop accepting for a short time: the socket would stay readable, and gunicorn would try again and again."""
        self._paused = True
        if not self._accepting:
            return
        self._selector.unregister(self._socket)
        timer = threading.Timer(_PAUSE, self._resume)
        timer.daemon = True
        timer.start()

    def _resume(self) -> None:
        with self._lock:
            if self._accepting:
                self._paused = False
                self._selector.register(self._socket, selectors.EVENT_READ)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def wrap_socket(sock: Any) -> Any:
    """Return a :class:`Listener` for the socket; the socket itself if the system's selector is not selectable."""
    if not hasattr(selectors.DefaultSelector, "fileno"):
        return sock
    settings = read_worker_settings()
    receive_timeout = max(settings.client_header_timeout, settings.client_body_timeout)
    return Listener(sock, max_silent_connections(), receive_timeout, settings.send_timeout)


def backlog_length(sock: Any) -> int:
    """Return how many connections wait to be accepted; 0 if the system does not tell."""
    if sys.platform != "linux":  # others have another layout
        return 0
    try:
        length: int = _UNACKED.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size))[0]
    except (AttributeError, OSError, struct.error):
        return 0
    return length


def _pack_timeval(seconds: float) -> bytes:
    """Return the value of a socket option that takes a ``struct timeval``."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
