"""What an attack is: what each of its peers does, and how many peers there are.

The peers know no secret. They run in a process of their own, so that the calls of others can be measured meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ADDRESS: Final = "127.0.0.2"
"""From where the peers connect. gunicorn trusts 127.0.0.1, and the ports of the honest callers belong to that one."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: a connection that is closed leaves nothing behind, so that no port is used up."""

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: backend\r\n\r\n"
"""The application answers it with 404, and keeps the connection."""
REFUSED_REQUEST: Final = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: backend\r\nContent-Length: 2\r\n\r\n{}"
"""It has no secret, so it is answered with 403."""


class Gone(OSError):
    """The server has ended the connection."""


class Peer:
    """An attacker, who has one connection at a time.

    :param counts: of all peers; what the peer does is added to it.
    """

    def __init__(self, port: int, counts: Counter[str]) -> None:
        self._port = port
        self._counts = counts
        self._socket = socket.socket()

    async def connect(self, *, receive_buffer: int = 0) -> None:
        """Open a connection; the one before is closed.

        :param receive_buffer: bytes that the peer's system takes from the server before the peer reads; 0 is usual.
        """
        self.close()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.bind((ADDRESS, 0))
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._port))
        self._counts["connections"] += 1

    async def send(self, data: bytes) -> None:
        while data:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                await _writable(self._socket)
                continue
            self._counts["bytes"] += sent
            data = data[sent:]

    async def request(self, data: bytes) -> bytes:
        """Send a request, and return what has come when the head of the reply is complete."""
        await self.send(data)
        self._counts["requests"] += 1
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += await self.receive()
        return reply

    async def receive(self, limit: int = 65536) -> bytes:
        """:raises Gone: at the end of the connection."""
        data = await asyncio.get_running_loop().sock_recv(self._socket, limit)
        if not data:
            self._counts["ended"] += 1
            raise Gone
        return data

    async def stay(self) -> None:
        """Keep the connection until the server ends it, and read what comes."""
        while True:
            await self.receive()

    def shut_down(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def note(self, event: str) -> None:
        self._counts[event] += 1

    def another(self) -> Peer:
        return Peer(self._port, self._counts)

    def close(self) -> None:
        self._socket.close()


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(sock)


Behaviour = Callable[[Peer], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class Attack:
    behaviour: Behaviour
    """What each peer does. When it is done, or when the server has ended its connection, it does that again."""
    peers: int
    pause: float
    """Seconds that a peer waits until it begins again."""
    over: float
    """Seconds over which the beginnings of the peers are spread."""
    at_least: Mapping[str, int]
    """What the peers must have done, or it was no attack."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Of the server."""

    @property
    def meaning(self) -> str:
        """What the peers do, for tables."""
        return (self.behaviour.__doc__ or "").split("\n")[0].rstrip(".")

    def has_happened(self, counts: Counter[str]) -> bool:
        return all(counts[event] >= least for event, least in self.at_least.items())

    async def carry_out(self, port: int, counts: Counter[str]) -> None:
        """Attack until this task is cancelled."""
        await asyncio.gather(*(self._repeat(number, Peer(port, counts)) for number in range(self.peers)))

    async def _repeat(self, number: int, peer: Peer) -> None:
        await asyncio.sleep(self.over * number / self.peers)
        while True:
            try:
                await self.behaviour(peer)
            except OSError:
                peer.note("failures")
            await asyncio.sleep(self.pause)


ATTACKS: Final[dict[str, Attack]] = {}
"""By name."""


def attack(
    *,
    at_least: Mapping[str, int],
    peers: int = 50,
    pause: float = 0.1,
    over: float = 0.5,
    environ: Mapping[str, str] | None = None,
) -> Callable[[Behaviour], Behaviour]:
    """Register a function as the behaviour of the peers of an attack; the arguments are those of :class:`Attack`."""

    def register(behaviour: Behaviour) -> Behaviour:
        ATTACKS[behaviour.__name__] = Attack(
            behaviour=behaviour, peers=peers, pause=pause, over=over, at_least=at_least, environ=environ or {}
        )
        return behaviour

    return register
