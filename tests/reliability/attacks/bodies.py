"""Attacks with the bodies of requests: that are slow, large, or never sent."""

from __future__ import annotations

import asyncio

from tests.reliability.attacks.attack import Peer, attack
from tests.reliability.attacks.heads import FIELDS, LARGE_FIELD

FIRST_LINES = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: backend\r\nContent-Type: application/json\r\n"
CHUNKED_HEAD = FIRST_LINES + b"Transfer-Encoding: chunked\r\n\r\n"


async def _drip(peer: Peer, beginning: bytes) -> None:
    """Send the beginning of a request, and a byte each second, until the server ends the connection."""
    await peer.connect()
    await peer.send(beginning)
    while True:
        await peer.send(b"x")
        await asyncio.sleep(1)


@attack(at_least={"connections": 50, "bytes": 5000})
async def dripped_bodies(peer: Peer) -> None:
    """50 peers that send a body at a byte a second."""
    await _drip(peer, FIRST_LINES + b"Content-Length: 1000\r\n\r\n")


@attack(at_least={"connections": 50, "bytes": 5000})
async def dripped_chunks(peer: Peer) -> None:
    """50 peers that send a chunked body at a byte a second."""
    await _drip(peer, CHUNKED_HEAD + b"1000\r\n")


@attack(at_least={"connections": 50, "bytes": 5000})
async def dripped_large_bodies(peer: Peer) -> None:
    """50 peers that send a body of 2 MiB at a byte a second."""
    await _drip(peer, FIRST_LINES + b"Content-Length: 2097152\r\n\r\n")


@attack(peers=200, over=1, at_least={"connections": 200, "bytes": 200 * 900_000})
async def dripped_after_much(peer: Peer) -> None:
    """200 peers that send 1 MB of a body at once, and the rest at a byte a second."""
    await _drip(peer, FIRST_LINES + b"Content-Length: 1048576\r\n\r\n" + b"x" * 1_000_000)


@attack(at_least={"connections": 50, "bytes": 5000})
async def unsent_bodies(peer: Peer) -> None:
    """50 peers that are refused with 403 and never send the body that they announce."""
    await peer.connect()
    await peer.request(FIRST_LINES + b"Content-Length: 1000000\r\n\r\n")
    await peer.stay()


@attack(at_least={"connections": 50, "bytes": 5000})
async def unsent_bodies_announced(peer: Peer) -> None:
    """50 peers that do the same with `Expect: 100-continue`."""
    await peer.connect()
    await peer.request(FIRST_LINES + b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
    await peer.stay()


@attack(peers=16, pause=0.25, at_least={"connections": 16, "bytes": 16 * 64 * 1024})
async def large_trailers(peer: Peer) -> None:
    """16 peers with 12 MB of fields after a chunked body."""
    await peer.connect()
    await peer.send(CHUNKED_HEAD + b"0\r\n")
    for _ in range(FIELDS):
        await peer.send(LARGE_FIELD)
    await peer.request(b"\r\n")
    await peer.stay()


@attack(peers=2400, pause=5, over=1, at_least={"connections": 2400})
async def many_chunked(peer: Peer) -> None:
    """2,400 peers that begin a chunked body and send no more."""
    await peer.connect()
    await peer.send(CHUNKED_HEAD + b"1000\r\n")
    await peer.stay()
