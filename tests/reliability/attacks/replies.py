"""Attacks with replies: that nobody reads, or that somebody reads slowly."""

from __future__ import annotations

import asyncio

from tests.reliability.attacks.attack import REFUSED_REQUEST, Peer, attack
from tests.reliability.attacks.bodies import CHUNKED_HEAD

LARGE_REQUEST = b"GET /large HTTP/1.1\r\nHost: backend\r\n\r\n"
STREAM_REQUEST = LARGE_REQUEST.replace(b"large", b"streamed")
SMALL_BUFFER = 4096
"""Bytes."""


@attack(at_least={"connections": 50, "bytes": 50 * 20 * len(LARGE_REQUEST)})
async def unread_replies(peer: Peer) -> None:
    """50 peers that send 20 requests at once for replies of 4 MB, and read none of them."""
    await peer.connect(receive_buffer=SMALL_BUFFER)
    await peer.send(LARGE_REQUEST * 20)
    await asyncio.sleep(60)


@attack(peers=200, over=4, at_least={"connections": 200})
async def many_unread_replies(peer: Peer) -> None:
    """200 peers that ask for a reply of 4 MB, and do not read it."""
    await peer.connect(receive_buffer=SMALL_BUFFER)
    await peer.send(LARGE_REQUEST)
    await asyncio.sleep(60)


@attack(at_least={"connections": 50, "bytes": 50 * 20 * len(REFUSED_REQUEST)})
async def unread_refusals(peer: Peer) -> None:
    """50 peers that send 20 requests without a secret each second, and read no reply."""
    await peer.connect(receive_buffer=SMALL_BUFFER)
    while True:
        await peer.send(REFUSED_REQUEST * 20)
        await asyncio.sleep(1)


async def _read_slowly(peer: Peer, request: bytes) -> None:
    await peer.connect(receive_buffer=SMALL_BUFFER)
    await peer.send(request)
    while True:
        await peer.receive(100)
        await asyncio.sleep(1)


@attack(at_least={"connections": 50})
async def slowly_read(peer: Peer) -> None:
    """50 peers that read a reply of 4 MB at 100 bytes a second."""
    await _read_slowly(peer, LARGE_REQUEST)


@attack(at_least={"connections": 50})
async def slowly_read_stream(peer: Peer) -> None:
    """50 peers that read a streamed reply of 4 MB at 100 bytes a second."""
    await _read_slowly(peer, STREAM_REQUEST)


@attack(at_least={"connections": 100})
async def slow_both_ways(peer: Peer) -> None:
    """50 peers that read a stream slowly on one connection and send a body slowly on another."""
    other = peer.another()
    try:
        await other.connect()
        await other.send(CHUNKED_HEAD + b"1000\r\n")
        await _read_slowly(peer, STREAM_REQUEST)
    finally:
        other.close()
