"""The socket that gunicorn's response code writes to: it collects a reply and sends it with one system call."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from typing import Any, Final

_SEND_AT: Final = 65_536
"""Bytes of a reply that are collected before they are sent."""
_MAX_UNSENT: Final = 1024 * 1024
"""Bytes of a stream that the client has not taken yet. With more of them, the stream waits for the client."""
_MAX_UNSENT_WITHOUT_WAITING: Final = 16 * 1024 * 1024
"""The same for a stream that may not wait, because too many threads wait for clients already. It ends with more."""


class BufferedSocket:
    """Stands in for the non-blocking socket of a connection while a reply is written.

    gunicorn writes the head and each block of a reply on its own. Here they are collected. What the client does not
    take at once stays in :attr:`unsent`, so that no thread has to wait for a client that does not read.

    :param send_timeout: seconds in which a client must take a good part of what is unsent while a stream waits for it.
    :param permits: has an item for each thread that may wait for a client.
    """

    __slots__ = (
        "_collected",
        "_parts",
        "_permits",
        "_size",
        "raw",
        "send_timeout",
        "shut_down",
        "streams",
        "unsent",
    )

    def __init__(self, raw: socket.socket, send_timeout: float, permits: list[None]) -> None:
        self.raw = raw
        self.send_timeout = send_timeout
        self.streams = True
        """Whether each block of the reply is to be sent at once."""
        self.unsent: bytes | memoryview | bytearray = b""
        self.shut_down = False
        """Whether gunicorn has ended the connection after an error."""
        self._parts: list[bytes] = []
        self._permits = permits
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
            if self.streams and len(self.unsent) > _MAX_UNSENT:
                self._wait_until_less_than(_MAX_UNSENT // 2)

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
            # A bytearray: a stream may consist of many small blocks, and each would copy all that is unsent.
            if not isinstance(self.unsent, bytearray):
                self.unsent = bytearray(self.unsent)
            self.unsent += data
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
        if isinstance(self.unsent, bytearray):
            del self.unsent[:sent]
        else:
            self.unsent = self.unsent[sent:]
        return True

    def _wait_until_less_than(self, size: int) -> None:
        """Wait until the client has taken most of a stream.

        :raises BrokenPipeError: if it does not do so in time.
        """
        try:
            self._permits.pop()
        except IndexError:
            if len(self.unsent) > _MAX_UNSENT_WITHOUT_WAITING:
                raise self._too_slow() from None
            return
        try:
            poll = select.poll()
            poll.register(self.raw, select.POLLOUT)
            deadline = time.monotonic() + self.send_timeout
            while len(self.unsent) >= size:
                if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise self._too_slow()
                self.send_unsent()
        finally:
            self._permits.append(None)

    def _too_slow(self) -> BrokenPipeError:
        self.unsent = b""
        self.shut_down = True
        return BrokenPipeError(errno.EPIPE, "the client does not read the reply")

    @property
    def has_begun(self) -> bool:
        """Whether there is a part of the reply."""
        return self._collected > 0

    def begin(self) -> None:
        """Begin a new reply."""
        self.streams = True
        self._collected = 0

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file.

        :raises OSError: if the connection is broken, or the client does not take the reply.
        """
        self.streams = True
        # Not file.read: gunicorn moves the position of the descriptor, of which a buffered file must not know.
        position, end = offset, sys.maxsize if count is None else offset + count
        while position < end and (block := os.pread(file.fileno(), min(end - position, _SEND_AT), position)):
            self.sendall(block)
            position += len(block)
        return position - offset

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
