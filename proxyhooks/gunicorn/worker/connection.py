"""A connection of the worker, and what it is doing."""

from __future__ import annotations

import socket
from typing import Any, Final

from .buffered_socket import BufferedSocket

# What a connection is doing. Numbers: they are compared several times in each request.
IDLE: Final = 0
"""It waits for the first byte of a request."""
READING: Final = 1
"""It has a part of a request."""
SENDING: Final = 2
"""Its reply waits until the client takes more of it."""
LINGERING: Final = 3
"""The worker has ended its side, and waits until the client has read the reply and closes."""
CLOSED: Final = 4


class Connection:
    """A client's connection. gunicorn's code for requests takes it for one of its own ``TConn``."""

    __slots__ = (
        "accepted",
        "buffer",
        "busy",
        "client",
        "deferred",
        "environ",
        "expires",
        "fd",
        "foreign",
        "keep",
        "missed",
        "missing",
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

    # What gunicorn's handle() looks at.
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
        """When the connection entered its state."""
        self.busy = False
        """Whether a request waits for a thread, or a thread serves it. Then nobody else may touch the connection."""
        self.missed = 0
        """The events that came while it was busy."""
        self.deferred = 0
        """The events that came while a reply was sent."""
        self.sock: Any = BufferedSocket(raw, send_timeout, permits)
        self.parser: Any = None

        self.buffer: bytes | bytearray = b""
        """What was read of the next request."""
        self.searched = 0
        """The end of the head was searched up to here."""
        self.parse_at = 0
        """The length of an unfinished head at which gunicorn's parser looks whether it can be valid at all."""
        self.size = 0
        """Bytes of the body."""
        self.missing = 0
        """Bytes of the body that have not arrived yet."""

        self.foreign = False
        """Whether only gunicorn's gthread code may read from the connection, as with TLS."""
        self.needs_thread = False
        """Whether gunicorn's gthread code serves the request, which it also reads on, in a thread."""
        self.pending = False
        """Whether gthread's code has read more of a foreign connection than it has served."""
        self.thread_connection: Any = None
        """gunicorn's ``TConn`` of a foreign connection."""
        self.environ: dict[str, Any] | None = None
        """The environ of the request, if it was made without gunicorn's ``Request``."""
        self.received = 0.0
        """When the last byte of the request was read."""
        self.accepted = False
        """Whether a hook's URL has accepted the secret of a request. Strangers make room first."""
        self.expires = 0.0
        """When the connection reaches its maximum age; 0 before the first request."""
        self.keep = True
        """Whether further requests may come after the reply."""

    def next_request(self) -> None:
        """Forget the request that was served."""
        self.buffer = b""
        self.searched = self.parse_at = self.missing = self.size = 0
        self.environ = None
        self.needs_thread = False
        self.parser.mesg = None  # has the body

    def init(self) -> None:
        """Do nothing: gunicorn's handle() calls it."""

    def fileno(self) -> int:
        return self.raw.fileno()
