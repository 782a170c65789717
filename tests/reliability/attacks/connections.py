"""Attacks with connections: that are kept, that are silent, that end slowly."""

from __future__ import annotations

import asyncio
from collections import deque

from tests.reliability.attacks.attack import REFUSED_REQUEST, REQUEST, Peer, attack

CLOSING_REQUEST = b"GET / HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n"
HOLD = 3.0
"""Seconds, which is longer than gunicorn waits for the end of a connection that it has ended."""


async def _leave_open(peer: Peer) -> None:
    await peer.connect()
    await peer.request(CLOSING_REQUEST)
    await asyncio.sleep(HOLD)


@attack(peers=3, pause=0, over=HOLD, at_least={"requests": 2})
async def one_left_open(peer: Peer) -> None:
    """One request with `Connection: close` a second, whose connection the peer leaves open."""
    await _leave_open(peer)


@attack(peers=60, pause=0, over=HOLD, at_least={"requests": 20})
async def twenty_left_open(peer: Peer) -> None:
    """20 requests with `Connection: close` a second, whose connections the peers leave open."""
    await _leave_open(peer)


@attack(peers=50, at_least={"requests": 50, "ended": 50}, environ={"PROXYHOOKS_KEEPALIVE_TIME": "0.5"})
async def slow_to_close(peer: Peer) -> None:
    """50 peers whose connections reach their maximum age, and who close them 200 ms later than the server."""
    await peer.connect()
    try:
        while True:
            await peer.request(REQUEST)
            await asyncio.sleep(0.1)
    finally:
        await asyncio.sleep(0.2)


@attack(peers=200, pause=5, at_least={"connections": 200})
async def silent(peer: Peer) -> None:
    """200 silent connections."""
    await peer.connect()
    await peer.stay()


@attack(peers=24, pause=0, over=0.01, at_least={"connections": 2400})
async def silent_flood(peer: Peer) -> None:
    """2,400 new silent connections a second; the last 3,600 are kept."""
    others: deque[Peer] = deque()
    loop = asyncio.get_running_loop()
    next_time = loop.time()
    while True:
        other = peer.another()
        others.append(other)
        try:
            await other.connect()
        except OSError:
            peer.note("failures")
        if len(others) > 150:
            others.popleft().close()
        next_time += 0.01
        await asyncio.sleep(max(0, next_time - loop.time()))


@attack(peers=2000, pause=5, over=1, at_least={"connections": 2000, "requests": 2000})
async def kept_idle(peer: Peer) -> None:
    """2,000 connections that are kept after a request."""
    await peer.connect()
    await peer.request(REQUEST)
    await peer.stay()


@attack(peers=2200, pause=5, over=2, at_least={"requests": 2200}, environ={"PROXYHOOKS_KEEPALIVE_TIME": "3600"})
async def refused_and_kept(peer: Peer) -> None:
    """2,200 connections of peers whose requests are refused with 403."""
    await peer.connect()
    while True:
        await peer.request(REFUSED_REQUEST)
        await asyncio.sleep(5)


@attack(peers=300, pause=1, over=1, at_least={"connections": 600}, environ={"OPEN_FILES": "256"})
async def open_files(peer: Peer) -> None:
    """300 silent and 300 kept connections, where the server may open 256 files."""
    other = peer.another()
    try:
        await other.connect()
        await peer.connect()
        await peer.request(REQUEST)
        await peer.stay()
    finally:
        other.close()


@attack(peers=10, pause=0.02, at_least={"connections": 100})
async def reset_at_once(peer: Peer) -> None:
    """500 connections a second that the peer resets at once."""
    await peer.connect()
    peer.close()


@attack(peers=50, pause=0.1, at_least={"answered": 50})
async def half_closed(peer: Peer) -> None:
    """50 peers that shut down their side after the request, and read the reply."""
    await peer.connect()
    await peer.send(REQUEST)
    peer.shut_down()
    reply = b""
    try:
        while True:
            reply += await peer.receive()
    finally:
        peer.note("answered" if reply.startswith(b"HTTP/1.1 404 ") and reply.endswith(b"</p>\n") else "unanswered")
