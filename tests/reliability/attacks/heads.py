"""Attacks with the heads of requests: that are large, slow, repeated, or no heads at all."""

from __future__ import annotations

import asyncio
import random

from tests.reliability.attacks.attack import REQUEST, Peer, attack

FIRST_LINES = b"GET / HTTP/1.1\r\nHost: backend\r\n"
LARGE_FIELD = b"X-Field: " + b"x" * 65_000 + b"\r\n"
"""Nearly as large as the settings of the package allow."""
FIELDS = 190
"""Nearly as many as the settings allow."""

TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00\x00\x99"
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
]
REPEATED = [
    b"Cookie: a=b\r\n" * 150 + b"\r\n",
    b"Host: other\r\n" * 150 + b"\r\n",
    b"Content-Length: 2\r\n" * 150 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n" * 150 + b"\r\n0\r\n\r\n",
    b"Expect: 100-continue\r\n" * 150 + b"\r\n",
]


@attack(peers=16, pause=0.25, at_least={"connections": 16, "bytes": 16 * 128 * 1024})
async def large_heads(peer: Peer) -> None:
    """16 peers with heads as large as the settings allow: 190 fields of 64 KiB."""
    await peer.connect()
    await peer.send(FIRST_LINES)
    for _ in range(FIELDS):
        await peer.send(LARGE_FIELD)
    await peer.request(b"\r\n")


@attack(peers=1, pause=0.25, at_least={"connections": 1, "bytes": 128 * 1024})
async def large_head_of_one(peer: Peer) -> None:
    """12 MB of a head, and then 50 bytes of it a second, from one peer."""
    await peer.connect()
    await peer.send(FIRST_LINES)
    for _ in range(FIELDS):
        await peer.send(LARGE_FIELD)
    while True:
        await peer.send(b"X")
        await asyncio.sleep(0.02)


@attack(peers=50, at_least={"connections": 50, "bytes": 100})
async def dripped_heads(peer: Peer) -> None:
    """50 peers that send the head of a request at a byte a second."""
    await peer.connect()
    for byte in REQUEST:
        await peer.send(bytes([byte]))
        await asyncio.sleep(1)
    await peer.receive()


@attack(peers=5, pause=0, at_least={"requests": 5, "bytes": 500})
async def hasty_bytes(peer: Peer) -> None:
    """5 peers that send their requests in single bytes, with pauses of 1 ms."""
    await peer.connect()
    while True:
        for byte in REQUEST[:-1]:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.001)
        await peer.request(REQUEST[-1:])


@attack(peers=50, at_least={"connections": 100, "bytes": 1000})
async def not_http(peer: Peer) -> None:
    """50 peers that send a TLS ClientHello, the preface of HTTP/2, or random bytes."""
    await peer.connect()
    for rubbish in (TLS_HELLO, HTTP2_PREFACE, random.randbytes(1000), b"\0" * 1000, b"\r\n" * 500):
        await peer.connect()
        await peer.send(rubbish)
        await asyncio.sleep(0.1)


@attack(peers=50, at_least={"connections": 50, "bytes": 1000})
async def upgrades(peer: Peer) -> None:
    """50 peers that ask for HTTP/2 or a WebSocket."""
    for fields in UPGRADES:
        await peer.connect()
        await peer.request(FIRST_LINES + fields)
        await asyncio.sleep(0.1)


@attack(peers=50, at_least={"connections": 100, "bytes": 50_000})
async def repeated_fields(peer: Peer) -> None:
    """50 peers that repeat a field of the head 150 times."""
    for fields in REPEATED:
        await peer.connect()
        await peer.send(FIRST_LINES + fields)
        await asyncio.sleep(0.1)
