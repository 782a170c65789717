"""The event loop of a worker: events, new connections, limits. Only the leader runs it."""

from __future__ import annotations

import errno
import logging
import select
import time
from collections.abc import Callable
from typing import Any, Final

from ..descriptors import OUT_OF_RESOURCES
from ..listener import backlog_length
from .connection import IDLE, Connection
from .connections import MAX_WAITING_BYTES, Connections
from .limits import TimeLimits, make_room, sweep
from .request_reader import RequestReader

_MAX_EVENTS: Final = 64
_ACCEPT_BATCH: Final = 8
"""Connections accepted in one go. The rest is left to other workers, and to the time after the requests at hand."""
_FEW: Final = 64
"""A worker with fewer connections accepts one at a time, so that the workers get about as many each."""
_PAUSE: Final = 0.05
"""Seconds without accepting when there is no room."""

_logger = logging.getLogger("gunicorn.error")


class EventLoop:
    """Waits for events, accepts connections, and closes those that have reached a limit.

    :param sockets: gunicorn's listening sockets.
    :param reader: makes requests of the bytes that are read.
    :param limits: time limits of connections.
    :param capacity: the most connections.
    :param permits: has an item for each thread that may wait for a client.
    :param on_request: called with a connection that has a complete request.
    :param is_foreign: whether gunicorn's own code reads the connections of a client, as with TLS.
    """

    def __init__(
        self,
        sockets: list[Any],
        reader: RequestReader,
        limits: TimeLimits,
        *,
        capacity: int,
        permits: list[None],
        on_request: Callable[[Connection], None],
        is_foreign: Callable[[Any], bool],
    ) -> None:
        self._epoll = select.epoll()
        self.connections = Connections(self._epoll, reader, on_request)
        self.draining_since: float | None = None
        """When the worker began to drain; None before."""
        self.last_turn = time.monotonic()
        """When the leader last asked for events."""
        self._reader = reader
        self._limits = limits
        self._capacity = capacity
        self._permits = permits
        self._is_foreign = is_foreign
        self._listeners = {sock.fileno(): sock for sock in sockets}
        self._accepting = False
        self._resume_at = 0.0
        """When to accept again; 0 if accepting is not paused."""
        self._next_sweep = 0.0
        self._wake_fd = -1
        self._on_wake: Callable[[], None] = lambda: None
        for sock in sockets:
            sock.setblocking(False)
        self._set_accepting(True)

    def watch_pipe(self, fd: int, on_wake: Callable[[], None]) -> None:
        """Call *on_wake* when the pipe can be read."""
        self._wake_fd, self._on_wake = fd, on_wake
        self._epoll.register(fd, select.EPOLLIN)

    def wait(self, block: bool) -> None:
        """Act on the events that there are, and on the limits once a second.

        :param block: whether to wait until there is an event or a limit has to be looked at.
        """
        timeout = 0.0
        if block:
            until = min(self._next_sweep, self._resume_at) if self._resume_at else self._next_sweep
            timeout = max(0.0, until - time.monotonic())
        events = self._epoll.poll(timeout, _MAX_EVENTS)
        self.last_turn = now = time.monotonic()
        connections = self.connections
        for fd, event in events:
            connection = connections.by_fd.get(fd)
            if connection is not None:
                try:
                    connections.on_event(connection, event, now)
                except Exception:
                    # The loop goes on: the events of the other connections are not reported again.
                    _logger.exception("Error in a connection, which is closed")
                    connections.close(connection)
            elif fd in self._listeners:
                self._accept(self._listeners[fd], now)
            elif fd == self._wake_fd:
                self._on_wake()
        if self._resume_at and now >= self._resume_at:
            self._set_accepting(True)
        if now >= self._next_sweep or connections.waiting_bytes > MAX_WAITING_BYTES:
            self._next_sweep = now + (1.0 if self.draining_since is None else 0.1)
            sweep(connections, self._limits, now, self.draining_since)

    def _set_accepting(self, accepting: bool) -> None:
        self._resume_at = 0.0
        if accepting != self._accepting:
            self._accepting = accepting
            for fd in self._listeners:
                if accepting:
                    self._epoll.register(fd, select.EPOLLIN)
                else:
                    self._epoll.unregister(fd)

    def _accept(self, listener: Any, now: float) -> int:
        """Accept some connections, and return how many."""
        batch = _ACCEPT_BATCH if len(self.connections) >= _FEW else 1
        for count in range(batch):
            if len(self.connections) >= self._capacity and not self._make_room(now):
                self._pause_accepting(now)
                return count
            try:
                sock, client = listener.accept()
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    # Pause in any case: the descriptor that becomes free may go to the application or another process.
                    self._make_room(now)
                    self._pause_accepting(now)
                elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
                    raise
                return count
            sock.setblocking(False)
            connection = Connection(sock, client, listener.getsockname(), now, self._limits.send, self._permits)
            connection.parser = self._reader.new_parser(client)
            connection.foreign = self._is_foreign(client)
            self.connections.add(connection)
        return batch

    def _make_room(self, now: float) -> bool:
        # Several at once, since make_room sorts all connections.
        return make_room(self.connections, max(1, self._capacity // 16), now)

    def _pause_accepting(self, now: float) -> None:
        self._set_accepting(False)
        self._resume_at = now + _PAUSE

    def stop_accepting(self, *, drain_backlog: bool) -> None:
        """Accept no more connections.

        :param drain_backlog: first accept those in the kernel's backlog; for sockets that no other process
            accepts from.
        """
        for listener in self._listeners.values():
            # The length of the backlog is read directly before the close: a connection in between would be lost.
            while drain_backlog and (self._accept(listener, time.monotonic()) or backlog_length(listener)):
                if self._resume_at:  # there is no room
                    break
        self._set_accepting(False)
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    def close_silent(self) -> None:
        """Close the connections that have sent nothing."""
        now = time.monotonic()
        for connection in self.connections.not_busy():
            if connection.state == IDLE and not connection.parser.req_count:
                self.connections.close_idle(connection, now)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self.connections.by_fd.values()):
            self.connections.close(connection)
        for listener in self._listeners.values():
            listener.close()
        self._epoll.close()
