"""The connections of a worker: reading requests and sending replies, without a thread for each.

A connection that is not busy belongs to the leader. A busy one belongs to the thread that serves its request, until
:meth:`Connections.release` gives it back. The methods that return a bool return True if the connection does not belong
to the leader any more: it has been closed, or has another complete request.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .connection import CLOSED, IDLE, LINGERING, READING, SENDING, Connection
from .request_reader import RequestReader

_EVENTS: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The events of a client that has closed its side, or of a broken connection."""
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Bytes of unfinished requests and unsent replies. Beyond it, the slowest connections are closed."""
_READ_SIZE: Final = 65_536
_LINGER_BYTES: Final = 65_536
"""Bytes that a client may still send after its last reply."""


class Connections:
    """The open connections, by file descriptor.

    :param epoll: reports their events, each of them once (``EPOLLET``).
    :param reader: makes requests of the bytes that are read.
    :param on_request: called with a connection that has a complete request.
    """

    def __init__(self, epoll: select.epoll, reader: RequestReader, on_request: Callable[[Connection], None]) -> None:
        self.by_fd: dict[int, Connection] = {}
        self.waiting_bytes = 0
        """An estimate of the bytes of unfinished requests and unsent replies. Each sweep of the limits corrects it."""
        self._epoll = epoll
        self._reader = reader
        self._on_request = on_request
        self._lock = threading.Lock()
        """Held while a thread gives a connection back, and while the leader notes an event of a busy one."""

    def __len__(self) -> int:
        return len(self.by_fd)

    def add(self, connection: Connection) -> None:
        """Take a new connection."""
        with self._lock:
            self._epoll.register(connection.fd, _EVENTS)
            self.by_fd[connection.fd] = connection

    def not_busy(self) -> list[Connection]:
        """The connections that belong to the leader."""
        return [connection for connection in list(self.by_fd.values()) if not connection.busy]

    def on_event(self, connection: Connection, event: int, now: float) -> None:
        """Act on an event. Only the leader calls this."""
        if connection.busy:
            with self._lock:
                if connection.busy:
                    connection.missed_events |= event
                    return
        self._act(connection, event, now)

    def _act(self, connection: Connection, event: int, now: float) -> bool:
        """Read or send."""
        if connection.state == SENDING:
            # The next request is not read before the reply is sent.
            connection.deferred_events |= event & ~select.EPOLLOUT
            if self._send(connection, now):
                return True
            if connection.state == SENDING:
                return False
            event, connection.deferred_events = connection.deferred_events, 0
        if event & ~select.EPOLLOUT:
            return self._read(connection, event & ENDED, now)
        return False

    def _read(self, connection: Connection, ended: int, now: float) -> bool:
        """Read until a request is complete, or the kernel has no more data, which is then reported by a new event.

        :param ended: events that say that the client has closed its side, or that the connection is broken; or 0.
        """
        if connection.foreign:
            return self._read_foreign(connection, now)
        while True:
            try:
                data = connection.raw.recv(_READ_SIZE)
            except BlockingIOError:
                return False
            except OSError:
                return self.close(connection)
            if not data:
                if connection.state == READING and self._reader.end(connection):
                    return self._hand_over(connection, select.EPOLLRDHUP, now)
                return self.close(connection)
            drained = len(data) < _READ_SIZE  # the kernel has no more data
            if connection.state == LINGERING:
                connection.linger_bytes -= len(data)
                if connection.linger_bytes < 0:
                    return self.close(connection)
            elif self._feed(connection, data, now):
                return self._hand_over(connection, ended if drained else ended | select.EPOLLIN, now)
            if drained and not ended:
                return False

    def _read_foreign(self, connection: Connection, now: float) -> bool:
        """Have gthread's code read, if there is something to read. Otherwise it would block a thread."""
        try:
            if not (connection.pending or socket.socket.recv(connection.raw, 1, socket.MSG_PEEK)):
                return self.close(connection)
        except BlockingIOError:
            return False
        except OSError:
            return self.close(connection)
        connection.pending = False
        # gthread's code may leave something in the kernel, of which no event would tell again.
        return self._hand_over(connection, select.EPOLLIN, now)

    def _feed(self, connection: Connection, data: bytes, now: float) -> bool:
        """Give data to the reader; return whether the request is complete."""
        if connection.state == IDLE:
            connection.state = READING
            connection.since = now
        elif connection.missing_bytes:
            self.waiting_bytes += len(data)
            return self._reader.feed(connection, data)
        if self._reader.feed(connection, data):
            return True
        if connection.missing_bytes:
            connection.since = now  # the time limit of the body begins
        self.waiting_bytes += len(data)
        return False

    def _hand_over(self, connection: Connection, missed_events: int, now: float) -> bool:
        """Have the request served.

        :param missed_events: events that are still to be acted on.
        """
        connection.received = now
        with self._lock:
            connection.busy = True
            connection.missed_events |= missed_events | connection.deferred_events
            connection.deferred_events = 0
        self._on_request(connection)
        return True

    def release(self, connection: Connection, keep: bool) -> None:
        """Take back a connection whose request has been served. Any thread may call this.

        :param keep: whether further requests may come.
        """
        now = time.monotonic()
        sock = connection.sock
        try:
            sock.flush()
        except OSError:
            self.close(connection)
            return
        connection.keep = keep and not sock.shut_down
        connection.since = now
        if sock.unsent:
            connection.state = SENDING
            self.waiting_bytes += len(sock.unsent)
            if self.waiting_bytes > 2 * MAX_WAITING_BYTES:  # faster than the leader can drop others
                self.close(connection)
                return
        elif self._after_reply(connection, now):
            return
        while True:
            with self._lock:
                event = connection.missed_events
                if not event:
                    connection.busy = False
                    return
                connection.missed_events = 0
            if self._act(connection, event, now):
                return

    def _send(self, connection: Connection, now: float) -> bool:
        """Send more of a reply."""
        sock = connection.sock
        try:
            while sock.unsent:
                if not sock.send_unsent():
                    return False
                connection.since = now
        except OSError:
            return self.close(connection)
        return self._after_reply(connection, now)

    def _after_reply(self, connection: Connection, now: float) -> bool:
        """Go on with the next request of the connection, or end it."""
        if not connection.keep:
            return self.end(connection, now)
        if connection.foreign:
            connection.state = IDLE
            return connection.pending and self._read_foreign(connection, now)
        data = connection.buffer or connection.parser.unreader.take_buffered()
        connection.next_request()
        connection.state = IDLE
        if data and self._feed(connection, bytes(data), now):
            return self._hand_over(connection, 0, now)
        return False

    def end(self, connection: Connection, now: float) -> bool:
        """End this side, and read on for a while: otherwise the kernel may drop the end of the reply."""
        try:
            connection.raw.shutdown(socket.SHUT_WR)
        except OSError:
            return self.close(connection)
        connection.state = LINGERING
        connection.foreign = False
        connection.linger_bytes = _LINGER_BYTES
        connection.since = now
        connection.buffer = b""
        return self._read(connection, ENDED, now)

    def close_idle(self, connection: Connection, now: float) -> None:
        """Close an idle connection, unless its next request has come."""
        if not self._read(connection, 0, now) and connection.state == IDLE:
            self.close(connection)

    def close(self, connection: Connection) -> bool:
        """Close a connection that no thread has."""
        if connection.state != CLOSED:
            connection.state = CLOSED
            with self._lock, suppress(OSError, ValueError):
                # gunicorn's code may have closed the socket. Then its descriptor may be that of another connection.
                if self.by_fd.get(connection.fd) is connection:
                    del self.by_fd[connection.fd]
                    self._epoll.unregister(connection.fd)
            with suppress(OSError):
                connection.raw.close()
            connection.buffer = connection.sock.unsent = b""
        return True
