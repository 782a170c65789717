"""Attacks with what is logged."""

from __future__ import annotations

from tests.reliability.attacks.attack import REFUSED_REQUEST, Peer, attack

LONG_PATH = b"GET /centrifugo" + b"/" * 4000 + b"rpc HTTP/1.1\r\nHost: backend\r\n\r\n"
TOO_LARGE = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: backend\r\nContent-Length: 99999999\r\n\r\n"
MALFORMED = [
    b"GET / HTTP/9.9\r\n\r\n",
    b"G<>T / HTTP/1.1\r\nHost: backend\r\n\r\n",
    b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: backend\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\nHost: c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost backend\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: rubbish\r\n\r\n",
    b"\x00" * 100 + b"\r\n\r\n",
]


async def _ask(peer: Peer, request: bytes) -> None:
    """Send the request until the server ends the connection."""
    await peer.connect()
    while True:
        await peer.request(request)


@attack(peers=4, pause=0, at_least={"requests": 300})
async def refused_flood(peer: Peer) -> None:
    """4 peers that send requests without a secret as fast as they are answered."""
    await _ask(peer, REFUSED_REQUEST)


@attack(peers=4, pause=0, at_least={"requests": 300})
async def long_paths(peer: Peer) -> None:
    """4 peers that ask for a hook with 4,000 slashes too many, as fast as they are answered."""
    await _ask(peer, LONG_PATH)


@attack(peers=4, pause=0, at_least={"requests": 50})
async def too_large_flood(peer: Peer) -> None:
    """4 peers that announce a body of 100 MB as fast as they are answered."""
    await peer.connect()
    await peer.request(TOO_LARGE)


@attack(peers=4, pause=0, at_least={"requests": 300})
async def malformed_flood(peer: Peer) -> None:
    """4 peers that send malformed requests as fast as they are answered."""
    for request in MALFORMED:
        await peer.connect()
        await peer.request(request)
