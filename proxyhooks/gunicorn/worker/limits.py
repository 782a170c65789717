"""Closes connections: those that have reached a time limit, the slowest ones for memory, spare ones for new ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from gunicorn import util

from .connection import IDLE, LINGERING, READING, SENDING, Connection
from .connections import MAX_WAITING_BYTES, Connections

_LINGER_TIME: Final = 2.0
"""Seconds until the client must have read its last reply and closed the connection.

An idle connection of a draining worker stays open for as long, since its next request may be under way.
"""
_IDLE_LONG: Final = 10.0
"""Seconds after which an idle connection of a caller that knows a secret may be closed for a new connection."""
_LEFT_AFTER_DROPPING: Final = 3 / 4
"""The share of ``MAX_WAITING_BYTES`` that may stay in use after connections were closed."""

# The server hooks limit how often its lines about callers come.
_logger = logging.getLogger("gunicorn.error")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a connection may wait for its client, in seconds."""

    header: float
    """From the first byte of a request to the end of its head."""
    body: float
    """From the end of the head to the end of the body."""
    send: float
    """Until the client takes more of a reply."""
    keepalive: float
    """Between two requests of a connection."""


def sweep(connections: Connections, limits: TimeLimits, now: float, draining_since: float | None) -> None:
    """Close the connections that have reached a limit.

    :param draining_since: when the worker began to drain; None if it does not.
    """
    waiting = 0
    for connection in connections.not_busy():
        state, age = connection.state, now - connection.since
        if state == READING:
            waiting += len(connection.buffer)
            if age > (limits.body if connection.missing_bytes else limits.header):
                _give_up(connections, connection, now)
        elif state == SENDING:
            waiting += len(connection.sock.unsent)
            if age > limits.send:
                _logger.warning("Socket error processing request from ip=%s: the reply is not read", _ip(connection))
                connections.close(connection)
        elif state == LINGERING:
            if age > _LINGER_TIME:
                connections.close(connection)
        else:
            limit = limits.keepalive
            if not connection.parser.req_count:  # keepalive may be 0, and its first request has to be awaited
                limit = max(limit, limits.header)
            if age > limit or (
                draining_since is not None and now - max(draining_since, connection.since) > _LINGER_TIME
            ):
                connections.close_idle(connection, now)
    connections.waiting_bytes = waiting
    if waiting > MAX_WAITING_BYTES:
        _drop_slowest(connections, waiting - int(MAX_WAITING_BYTES * _LEFT_AFTER_DROPPING))


def make_room(connections: Connections, count: int, now: float) -> bool:
    """Close up to *count* connections that can best be spared; return whether there was one.

    First, those of callers that have sent no accepted secret: the idle and lingering ones, then the active ones, each
    time those first that have waited longest. If there are none, one other connection, if it has been idle for long.
    """
    candidates = sorted(connections.not_busy(), key=lambda connection: (_is_active(connection), connection.since))
    closed = [connection for connection in candidates if not connection.accepted][:count] or [
        connection
        for connection in candidates[:1]
        if not _is_active(connection) and now - connection.since > _IDLE_LONG
    ]
    for connection in closed:
        if connection.state == IDLE:
            connections.close_idle(connection, now)
        else:
            connections.close(connection)
    return bool(closed)


def _is_active(connection: Connection) -> bool:
    """Whether a request is being read or a reply sent."""
    return connection.state in (READING, SENDING)


def _give_up(connections: Connections, connection: Connection, now: float) -> None:
    """Answer a request that has not arrived in time."""
    _logger.warning("Invalid request from ip=%s: it did not arrive in time", _ip(connection))
    try:
        util.write_error(connection.sock, 408, "Request Timeout", "The request did not arrive in time.")
        connection.sock.flush()
    except OSError:
        connections.close(connection)
    else:
        connections.end(connection, now)


def _ip(connection: Connection) -> str:
    """The address of the client, empty for a Unix socket."""
    return str(connection.client[0]) if connection.client else ""


def _drop_slowest(connections: Connections, excess: int) -> None:
    """Close the connections whose requests or replies take longest.

    :param excess: bytes to free.
    """
    slow = [connection for connection in connections.not_busy() if _is_active(connection)]
    # All but the last one: a single reply may be larger than the bound.
    for connection in sorted(slow, key=lambda connection: connection.since)[:-1]:
        if excess <= 0:
            return
        size = len(connection.buffer) + len(connection.sock.unsent)
        excess -= size
        connections.waiting_bytes -= size
        connections.close(connection)
