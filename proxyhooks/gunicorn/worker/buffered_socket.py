"""The socket that gunicorn's response code writes to: it collects a reply and sends it with one system call."""

from __future__ import annotations

import errno
import select
import socket
from typing import Any, Final

_SEND_AT: Final = 65_536
"""Bytes of a reply that are collected before they are sent."""
_MAX_UNSENT: Final = 1024 * 1024
"""Bytes that the client has not taken yet. With more of them, the thread that writes the reply waits for the client."""


class BufferedSocket:
    """Stands in for the non-blocking socket of a connection while a reply is written.

    gunicorn writes the head and each block of a reply on its own. Here they are collected. What the client does not
    take at once stays in :attr:`unsent`, so that no thread has to wait for a client that does not read.

    :param send_timeout: seconds that a thread waits until the client takes some of a large reply.
    """

    __slots__ = ("_collected", "_parts", "_size", "connection", "raw", "send_timeout", "shut_down", "streams", "unsent")

    def __init__(self, raw: socket.socket, connection: Any, send_timeout: float) -> None:
        self.raw = raw
        self.connection = connection
        self.send_timeout = send_timeout
        self.streams = False
        """Whether each block of the reply is to be sent at once."""
        self.unsent: bytes | memoryview = b""
        self.shut_down = False
        """Whether gunicorn has ended the connection after an error."""
        self._parts: list[bytes] = []
        self._size = 0
        self._collected = 0

    def sendall(self, data: bytes) -> None:
        """Collect data, and send it once it is time.

        :raises OSError: if the connection is broken, or the client does not take the reply.
        """
        parts = self._parts
        parts.append(data)
        self._size += len(data)
        self._collected += 1
        # The first part of a reply is its head. It goes out with the first block of the body.
        if self._size > _SEND_AT or (self.streams and self._collected > 1):
            self.flush()
            if len(self.unsent) > _MAX_UNSENT:
                self._wait_until_sent()

    def send(self, data: bytes) -> int:
        """Send data at once."""
        self.sendall(data)
        self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what is collected, as far as the client takes it.

        :raises OSError: if the connection is broken.
        """
        parts = self._parts
        if not parts:
            return
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self._size = 0
        if self.unsent:
            self.unsent = bytes(self.unsent) + data
            return
        try:
            sent = self.raw.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.unsent = memoryview(data)[sent:]

    def send_unsent(self) -> bool:
        """Send more of what is left; return whether the client took some of it.

        :raises OSError: if the connection is broken.
        """
        try:
            sent = self.raw.send(self.unsent)
        except BlockingIOError:
            return False
        self.unsent = self.unsent[sent:]
        return True

    def _wait_until_sent(self) -> None:
        poll = select.poll()
        poll.register(self.raw, select.POLLOUT)
        while self.unsent:
            if not poll.poll(self.send_timeout * 1000):
                raise BrokenPipeError(errno.EPIPE, "the client does not read the reply")
            self.send_unsent()

    def begin(self) -> None:
        """Begin a new reply."""
        self.streams = False
        self._collected = 0

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file as :meth:`socket.socket.sendfile` does.

        :raises OSError: if the connection is broken, or the client does not take the reply.
        """
        self.flush()
        self._wait_until_sent()
        self.raw.settimeout(self.send_timeout)
        try:
            return self.raw.sendfile(file, offset, count)
        finally:
            self.raw.setblocking(False)

    def shutdown(self, how: int) -> None:
        """Note that gunicorn ends the connection after an error; the worker does it once the reply is sent."""
        self.shut_down = True

    def recv(self, size: int) -> bytes:
        return b""

    def close(self) -> None:
        self.shut_down = True

    def setblocking(self, flag: bool) -> None:
        """Do nothing. The socket never blocks."""

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing. The socket never blocks."""

    def gettimeout(self) -> float:
        return 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)
