"""A connection of the worker, and what it is doing."""

from __future__ import annotations

import socket
from typing import Any, Final

from .buffered_socket import BufferedSocket

# What a connection is doing. Numbers: they are compared several times in each request.
IDLE: Final = 0
"""Waiting for the first byte of a request."""
READING: Final = 1
"""A part of a request has been read."""
SENDING: Final = 2
"""A part of the reply is unsent: the client has to take what it was sent first."""
LINGERING: Final = 3
"""The worker has ended its side, and waits until the client has read the reply and closes the connection."""
CLOSED: Final = 4
"""The socket is closed."""


class Connection:
    """A client's connection. It has the attributes that gunicorn's code expects of its own class ``TConn``."""

    __slots__ = (
        "accepted",
        "buffer",
        "busy",
        "client",
        "deferred_events",
        "environ",
        "expires",
        "fd",
        "foreign",
        "keep",
        "linger_bytes",
        "missed_events",
        "missing_bytes",
        "needs_thread",
        "parse_at",
        "parser",
        "pending",
        "raw",
        "received",
        "searched",
        "server",
        "since",
        "size",
        "sock",
        "state",
        "thread_connection",
    )

    # gunicorn's handle() reads these two.
    initialized: Final = True
    is_http2: Final = False

    def __init__(
        self, raw: socket.socket, client: Any, server: Any, now: float, send_timeout: float, permits: list[None]
    ) -> None:
        self.raw = raw
        self.fd = raw.fileno()
        self.client = client
        self.server = server
        self.state = IDLE
        self.since = now
        """When the connection entered its state, made progress in sending, or had the head of a request complete.

        As all times here, in seconds of ``time.monotonic``.
        """
        self.busy = False
        """Whether a request waits for a thread or is being served. The leader then leaves the connection alone."""
        self.missed_events = 0
        """The epoll events that came while the connection was busy."""
        self.deferred_events = 0
        """The epoll events that came while its state was ``SENDING``."""
        self.sock: Any = BufferedSocket(raw, send_timeout, permits)
        """What gunicorn's code takes for the socket."""
        self.parser: Any = None
        """A :class:`.request_reader.BufferedParser`."""

        self.buffer: bytes | bytearray = b""
        """What has been read and does not belong to a complete request."""
        self.searched = 0
        """Bytes of the buffer in which no end of a head begins."""
        self.parse_at = 0
        """Bytes of an unfinished head at which gunicorn's parser next checks whether it can still become valid."""
        self.size = 0
        """Bytes of the body."""
        self.missing_bytes = 0
        """Bytes of the body that have not arrived yet."""
        self.linger_bytes = 0
        """Bytes that the client may still send in the state ``LINGERING``."""

        self.foreign = False
        """Whether only gunicorn's gthread code may read from the connection, as with TLS."""
        self.needs_thread = False
        """Whether gunicorn's gthread code reads the rest of the request and serves it. It may block its thread."""
        self.pending = False
        """Whether gthread's code has read more of a foreign connection than it has served."""
        self.thread_connection: Any = None
        """The ``TConn`` with which gthread's code serves a foreign connection, or one request of another connection."""
        self.environ: dict[str, Any] | None = None
        """The environ of the request, if it was made without gunicorn's ``Request``."""
        self.received = 0.0
        """When the last byte of the request was read; -inf if the caller hung up while it waited for a thread."""
        self.accepted = False
        """Whether the application has accepted the secret of a request. Other connections are closed first."""
        self.expires = 0.0
        """When the connection reaches its maximum age; 0 before the first request."""
        self.keep = True
        """Whether the connection stays open after the reply."""

    def next_request(self) -> None:
        """Forget the request that was served."""
        self.buffer = b""
        self.searched = self.parse_at = self.missing_bytes = self.size = 0
        self.environ = None
        self.needs_thread = False
        self.parser.mesg = None  # frees the body

    def init(self) -> None:
        """Do nothing. gunicorn's handle() calls this."""

    def fileno(self) -> int:
        return self.raw.fileno()
