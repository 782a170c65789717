"""Attacks with replies: that nobody reads, or that somebody reads slowly."""

from __future__ import annotations

import asyncio

from tests.reliability.attacks.attack import REFUSED_REQUEST, REQUEST, Peer, attack

SMALL_BUFFER = 4096
"""Bytes."""


@attack(at_least={"connections": 50, "bytes": 50 * len(REQUEST) * 10})
async def unread_replies(peer: Peer) -> None:
    """50 peers that send requests all the time and read no reply."""
    await peer.connect(receive_buffer=SMALL_BUFFER)
    while True:
        await peer.send(REQUEST * 20)
        await asyncio.sleep(0.02)


@attack(at_least={"connections": 50, "bytes": 50 * len(REFUSED_REQUEST) * 10})
async def unread_refusals(peer: Peer) -> None:
    """50 peers that send requests without a secret all the time and read no reply."""
    await peer.connect(receive_buffer=SMALL_BUFFER)
    while True:
        await peer.send(REFUSED_REQUEST * 20)
        await asyncio.sleep(0.02)


async def _read_slowly(peer: Peer, path: bytes) -> None:
    await peer.connect(receive_buffer=SMALL_BUFFER)
    await peer.send(b"GET " + path + b" HTTP/1.1\r\nHost: backend\r\n\r\n")
    while True:
        await peer.receive(100)
        await asyncio.sleep(1)


@attack(at_least={"connections": 50})
async def slowly_read(peer: Peer) -> None:
    """50 peers that read a reply of 4 MB at 100 bytes a second."""
    await _read_slowly(peer, b"/large")


@attack(at_least={"connections": 50})
async def slowly_read_stream(peer: Peer) -> None:
    """50 peers that read a streamed reply of 4 MB at 100 bytes a second."""
    await _read_slowly(peer, b"/streamed")
