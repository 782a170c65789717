"""The connections of a worker: accepting, reading, time limits and making room. Only the leader runs this code."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from gunicorn import util

from .connection import CLOSED, IDLE, LINGERING, READING, SENDING, Connection
from .request_reader import RequestReader

_EVENTS: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_READ_SIZE: Final = 65_536
_MAX_EVENTS: Final = 64
_ACCEPT_BATCH: Final = 8
"""Connections accepted in one go. The rest is left to other workers, and to the time after the requests at hand."""
_SWEEP_INTERVAL: Final = 1.0
_PAUSE: Final = 0.05
"""Seconds without accepting when there is no room."""
_LINGER_TIME: Final = 2.0
_LINGER_BYTES: Final = 65_536
_MAX_UNFINISHED_BYTES: Final = 64 * 1024 * 1024
"""Memory for requests and replies that wait for their clients. Beyond it the slowest ones are dropped."""
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """All in seconds."""

    header: float
    """From the first byte of a request to the end of its head."""
    body: float
    """From the end of the head to the end of the body."""
    send: float
    """Without the client taking any of a reply."""
    keepalive: float
    """Between two requests of a connection."""


class EventLoop:
    """Connections, and the events that the kernel reports for them.

    :param sockets: gunicorn's listening sockets.
    :param capacity: the most connections.
    :param on_request: called with a connection that has a complete request.
    :param is_foreign: whether gunicorn's own code reads the connections of a client, as with TLS.
    :param threads: half of them may wait for clients that read slowly.
    """

    def __init__(
        self,
        sockets: list[Any],
        reader: RequestReader,
        limits: TimeLimits,
        capacity: int,
        on_request: Callable[[Connection], None],
        is_foreign: Callable[[Any], bool],
        threads: int,
    ) -> None:
        self.connections: dict[int, Connection] = {}
        """By file descriptor."""
        self.draining = False
        """Whether idle connections are to be closed."""
        self.last_turn = time.monotonic()
        """When the leader last looked at the clock."""
        self.unfinished_bytes = 0
        """An upper estimate of the memory that requests and replies take which wait for their clients."""
        self._send_permits = [None] * max(1, threads // 2)
        self._reader = reader
        self._limits = limits
        self._capacity = capacity
        self._on_request = on_request
        self._is_foreign = is_foreign
        self._lock = threading.Lock()
        """Held while a connection comes back from a thread, and while the leader notes an event for one that is busy."""
        self._epoll = select.epoll()
        self._listeners = {sock.fileno(): sock for sock in sockets}
        self._accepting = False
        self._resume_at = 0.0
        self._wake_fd = -1
        self._on_wake: Callable[[], None] = lambda: None
        self._next_sweep = 0.0
        for sock in sockets:
            sock.setblocking(False)
        self._accept_from_listeners(True)

    # Waiting

    def watch_pipe(self, fd: int, on_wake: Callable[[], None]) -> None:
        """Call *on_wake* when the pipe can be read."""
        self._wake_fd, self._on_wake = fd, on_wake
        self._epoll.register(fd, select.EPOLLIN)

    def wait(self, block: bool) -> None:
        """Act on events.

        :param block: whether to wait until there is one.
        """
        timeout = 0.0
        if block:
            until = min(self._next_sweep, self._resume_at) if self._resume_at else self._next_sweep
            timeout = max(0.0, until - time.monotonic())
        events = self._epoll.poll(timeout, _MAX_EVENTS)
        self.last_turn = now = time.monotonic()
        connections = self.connections
        for fd, event in events:
            connection = connections.get(fd)
            if connection is not None:
                self._on_event(connection, event, now)
            elif fd in self._listeners:
                self._accept(self._listeners[fd], now)
            elif fd == self._wake_fd:
                self._on_wake()
        if self._resume_at and now >= self._resume_at:
            self._accept_from_listeners(True)
        if now >= self._next_sweep or self.unfinished_bytes > _MAX_UNFINISHED_BYTES:
            self._next_sweep = now + (_SWEEP_INTERVAL if not self.draining else 0.1)
            self._sweep(now)

    def _on_event(self, connection: Connection, event: int, now: float) -> None:
        if connection.busy:
            with self._lock:
                if connection.busy:
                    connection.missed |= event
                    return
        self._act(connection, event, now)

    # Accepting

    def _accept_from_listeners(self, accepting: bool) -> None:
        if accepting != self._accepting:
            self._accepting = accepting
            self._resume_at = 0.0
            for fd in self._listeners:
                if accepting:
                    self._epoll.register(fd, select.EPOLLIN)
                else:
                    self._epoll.unregister(fd)

    def _pause_accepting(self, now: float) -> None:
        self._accept_from_listeners(False)
        self._resume_at = now + _PAUSE

    def _accept(self, listener: Any, now: float) -> int:
        """Accept some connections, and return how many."""
        for count in range(_ACCEPT_BATCH):
            if len(self.connections) >= self._capacity and not self._make_room(now):
                self._pause_accepting(now)
                return count
            try:
                sock, client = listener.accept()
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    # Pause in any case: the descriptors may belong to somebody else.
                    self._make_room(now)
                    self._pause_accepting(now)
                elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
                    raise
                return count
            sock.setblocking(False)
            connection = Connection(sock, client, listener.getsockname(), now, self._limits.send, self._send_permits)
            connection.parser = self._reader.new_parser(client)
            connection.foreign = self._is_foreign(client)
            with self._lock:
                self.connections[connection.fd] = connection
                self._epoll.register(connection.fd, _EVENTS)
        return _ACCEPT_BATCH

    def stop_accepting(self, *, drain_backlog: bool) -> None:
        """Accept no more connections.

        :param drain_backlog: first accept those in the kernel's backlog; for sockets that no other process accepts from.
        """
        self._accept_from_listeners(False)
        for listener in self._listeners.values():
            while drain_backlog and self._accept(listener, time.monotonic()):
                pass
            listener.close()
        self._accept_from_listeners(False)
        self._resume_at = 0.0
        self._listeners.clear()

    def close_silent(self) -> None:
        """Close the connections that have sent nothing."""
        for connection in list(self.connections.values()):
            if connection.state == IDLE and not connection.parser.req_count:
                self.close(connection)

    # Reading and sending. Only the leader does this, or a thread that has just served a request of the connection.

    def _act(self, connection: Connection, event: int, now: float) -> bool:
        """Read or send; return whether the connection has been closed, or has another request."""
        if connection.state == SENDING:
            return self._send(connection, now)
        if event & ~select.EPOLLOUT:
            return self._read(connection, event & _ENDED, now)
        return False

    def _read(self, connection: Connection, ended: int, now: float) -> bool:
        """Read until a request is complete or the kernel has no more data.

        :param ended: the event that says that the client has closed its side, or 0.
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
            drained = len(data) < _READ_SIZE
            if connection.state == LINGERING:
                connection.missing -= len(data)
                if connection.missing < 0:
                    return self.close(connection)
            elif self._feed(connection, data, now):
                return self._hand_over(connection, ended if drained else ended | select.EPOLLIN, now)
            if drained and not ended:
                return False

    def _read_foreign(self, connection: Connection, now: float) -> bool:
        """Have gthread's code read, if there is something to read."""
        try:
            if not (connection.pending or socket.socket.recv(connection.raw, 1, socket.MSG_PEEK)):
                return self.close(connection)
        except BlockingIOError:
            return False
        except OSError:
            return self.close(connection)
        connection.pending = False
        return self._hand_over(connection, 0, now)

    def _feed(self, connection: Connection, data: bytes, now: float) -> bool:
        """Give data to the reader; return whether the request is complete."""
        if connection.state == IDLE:
            connection.state = READING
            connection.since = now
        elif connection.missing:
            self.unfinished_bytes += len(data)
            return self._reader.feed(connection, data)
        if self._reader.feed(connection, data):
            return True
        if connection.missing:
            connection.since = now  # the time limit of the body begins
        self.unfinished_bytes += len(data)
        return False

    def _hand_over(self, connection: Connection, missed: int, now: float) -> bool:
        """Have the request served.

        :param missed: events that are still to be acted on.
        """
        connection.received = now
        with self._lock:
            connection.busy = True
            connection.missed |= missed
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
            self.unfinished_bytes += len(sock.unsent)
        elif self._after_reply(connection, now):
            return
        while True:
            with self._lock:
                event = connection.missed
                if not event:
                    connection.busy = False
                    return
                connection.missed = 0
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
            return self._end(connection, now)
        if connection.foreign:
            connection.state = IDLE
            return connection.pending and self._read_foreign(connection, now)
        data = connection.buffer or connection.parser.unreader.take_buffered()
        connection.next_request()
        connection.state = IDLE
        if data and self._feed(connection, bytes(data), now):
            return self._hand_over(connection, 0, now)
        return False

    def _end(self, connection: Connection, now: float) -> bool:
        """End this side. What the client still sends is read for a while, or the kernel drops the end of the reply."""
        try:
            connection.raw.shutdown(socket.SHUT_WR)
        except OSError:
            return self.close(connection)
        connection.state = LINGERING
        connection.foreign = False
        connection.missing = _LINGER_BYTES
        return self._read(connection, _ENDED, now)

    def close(self, connection: Connection) -> bool:
        """Close a connection that no thread has."""
        if connection.state != CLOSED:
            connection.state = CLOSED
            with self._lock, suppress(OSError, ValueError):
                # gunicorn's code may have closed the socket. Then its descriptor may be that of another connection.
                if self.connections.get(connection.fd) is connection:
                    del self.connections[connection.fd]
                    self._epoll.unregister(connection.fd)
            with suppress(OSError):
                connection.raw.close()
        return True

    # Time limits and making room

    def _sweep(self, now: float) -> None:
        """Close the connections that have reached a time limit."""
        limits = self._limits
        idle = min(limits.keepalive, _LINGER_TIME) if self.draining else limits.keepalive
        unfinished = 0
        for connection in list(self.connections.values()):
            if connection.busy:
                continue
            state, age = connection.state, now - connection.since
            if state == READING:
                unfinished += len(connection.buffer)
                if age > (limits.body if connection.missing else limits.header):
                    self._give_up(connection, now)
            elif state == SENDING:
                unfinished += len(connection.sock.unsent)
                if age > limits.send:
                    self.close(connection)
            elif age > (idle if state == IDLE else _LINGER_TIME):
                self.close(connection)
        self.unfinished_bytes = unfinished
        if unfinished > _MAX_UNFINISHED_BYTES:
            self._drop_slowest(unfinished - _MAX_UNFINISHED_BYTES)

    def _give_up(self, connection: Connection, now: float) -> None:
        """Answer a request that has not arrived in time."""
        try:
            util.write_error(connection.sock, 408, "Request Timeout", "The request did not arrive in time.")
            connection.sock.flush()
        except OSError:
            self.close(connection)
        else:
            self._end(connection, now)

    def _drop_slowest(self, excess: int) -> None:
        """Close the connections whose requests or replies take longest, until so many bytes are free."""
        slow = [c for c in list(self.connections.values()) if c.state in (READING, SENDING) and not c.busy]
        for connection in sorted(slow, key=lambda connection: connection.since):
            if excess <= 0:
                return
            size = len(connection.buffer) + len(connection.sock.unsent)
            excess -= size
            self.unfinished_bytes -= size
            self.close(connection)

    def _make_room(self, now: float) -> bool:
        """Close some connections that nobody needs; return whether there was one.

        Strangers go first: those that linger or are idle, then those that are slow. Last are connections on which calls
        were accepted.
        """

        def rank(connection: Connection) -> tuple[int, float]:
            busy = connection.state in (READING, SENDING)
            return (2 * connection.accepted + busy, connection.since)

        candidates = sorted((c for c in list(self.connections.values()) if not c.busy), key=rank)
        strangers = [connection for connection in candidates if not connection.accepted]
        for connection in (strangers or candidates)[: max(1, self._capacity // 16 if strangers else 1)]:
            self.close(connection)
        return bool(candidates)

    def close_all(self) -> None:
        for connection in list(self.connections.values()):
            self.close(connection)
        for listener in self._listeners.values():
            listener.close()
        self._epoll.close()
