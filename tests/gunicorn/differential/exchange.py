"""Sends the bytes of a case over a connection of its own, and returns what comes back."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Literal

from tests.gunicorn.differential.generator import Case

LIMIT = 12.0
"""Seconds without a byte from the server after which it counts as silent. gthread waits up to 5 s for a body."""

Address = tuple[str, int] | str
"""Of a TCP socket or of a Unix socket."""
_DATE = re.compile(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")


@dataclass(frozen=True)
class Times:
    """How long a client waits, in seconds."""

    pause: float
    """Between two segments, so that the server receives them one by one."""
    quiet: float
    """Without a byte from the server, until the server has nothing more to say."""


@dataclass(frozen=True)
class Received:
    """What a client gets."""

    reply: bytes
    """All replies of the connection, without their dates."""
    stays_open: bool | None
    """Whether the connection was open when the server had nothing more to say; None if the case does not tell."""
    end: Literal["closed", "silent"]
    """How the server reacted to the end of the client's bytes."""


class _Connection:
    """A socket that never blocks for longer than ``LIMIT``."""

    def __init__(self, address: Address, client: str, tls: ssl.SSLContext | None) -> None:
        self.received = bytearray()
        self.closed = False
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket()
            self.sock.bind((client, 0))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(LIMIT)
        self.sock.connect(address)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock)
        self.sock.setblocking(False)

    def send(self, data: bytes) -> None:
        """Send all bytes, and receive what comes in between."""
        view = memoryview(data)
        while view and not self.closed:
            readable, writable, _ = select.select([self.sock], [self.sock], [], LIMIT)
            if readable:
                self._receive()
            if writable and not self.closed:
                try:
                    view = view[self.sock.send(view[:65_536]) :]
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                except OSError:
                    self.closed = True
            if not (readable or writable):
                return

    def receive(self, quiet: float) -> None:
        """Receive until the server closes the connection, or sends nothing for some seconds."""
        while not self.closed and select.select([self.sock], [], [], quiet)[0]:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self.sock.recv(262_144)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self.received += data
        self.closed = not data

    def half_close(self) -> None:
        try:
            # Not SSLSocket's own, which would end the decryption of what is still to come.
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            self.closed = True


def exchange(address: Address, client: str, case: Case, times: Times, tls: ssl.SSLContext | None = None) -> Received:
    """Send a case and return what the server sent.

    :param client: the client's address, 127.x.y.z; of no use for a Unix socket.
    """
    connection = _Connection(address, client, tls)
    try:
        for number, segment in enumerate(case.segments):
            if number:
                time.sleep(times.pause)
            connection.send(segment)
        if case.hold:
            connection.receive(times.quiet)
        stays_open = not connection.closed if case.hold else None
        connection.half_close()
        connection.receive(LIMIT)
        reply = _DATE.sub(b"\r\nDate: <date>\r\n", bytes(connection.received))
        return Received(reply, stays_open, "closed" if connection.closed else "silent")
    finally:
        connection.sock.close()
