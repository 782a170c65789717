"""Peers that send nothing, that send slowly, and that do not read."""

from __future__ import annotations

import asyncio
import socket
import statistics
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.client import Client, Outcomes
from tests.reliability.server import gunicorn

Peers = Callable[[int], AbstractAsyncContextManager[None]]


@dataclass
class Compared:
    quiet: Outcomes
    """The calls of the rounds without these peers."""
    noisy: Outcomes
    """The calls of the rounds with them."""
    ratio: float
    """The latency at the 99th percentile with these peers, divided by the one without; the median of the rounds."""


def _connect(port: int, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]


@asynccontextmanager
async def silent(port: int, count: int = 200) -> AsyncIterator[None]:
    """Peers that send nothing."""
    connections = _connect(port, count)
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        for connection in connections:
            connection.close()


@asynccontextmanager
async def dripping(port: int, count: int = 50) -> AsyncIterator[None]:
    """Peers that send a request at a byte a second."""
    request = Client(port).request("echo", "x" * 1000)

    async def drip(connections: list[socket.socket]) -> None:
        for byte in request:
            for connection in connections:
                with suppress(OSError):  # the server may close the connection
                    connection.send(bytes([byte]))
            await asyncio.sleep(1)

    async with _sending(port, count, drip):
        yield


@asynccontextmanager
async def deaf(port: int, count: int = 50) -> AsyncIterator[None]:
    """Peers that send requests all the time and read no reply."""
    request = Client(port).request("echo", "x" * 10_000)

    async def shout(connections: list[socket.socket]) -> None:
        unsent = dict.fromkeys(connections, b"")
        while True:
            for connection in connections:
                with suppress(OSError):  # full, or closed by the server
                    rest = unsent[connection] or request
                    unsent[connection] = rest[connection.send(rest) :]
            await asyncio.sleep(0.01)

    async with _sending(port, count, shout):
        yield


@asynccontextmanager
async def _sending(
    port: int, count: int, send: Callable[[list[socket.socket]], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    connections = _connect(port, count)
    for connection in connections:
        connection.setblocking(False)
    task = asyncio.create_task(send(connections))
    await asyncio.sleep(2)
    try:
        yield
    finally:
        task.cancel()
        for connection in connections:
            connection.close()


async def compare(here: Path, peers: Peers, rounds: int, calls: int, *options: str) -> Compared:
    """Measure the calls of other clients in rounds without and with these peers, in turn."""
    quiet, noisy, ratios = Outcomes(), Outcomes(), []
    with gunicorn(here, *options) as server:
        await server.ready()
        for _ in range(rounds):
            before = await _round(server.port, calls)
            async with peers(server.port):
                during = await _round(server.port, calls)
            for total, outcomes in ((quiet, before), (noisy, during)):
                total.counts.update(outcomes.counts)
                total.latencies += outcomes.latencies
            if during.latencies:
                ratios.append(during.percentile(99) / before.percentile(99))
        server.stop()
    return Compared(quiet, noisy, statistics.median(ratios) if ratios else float("inf"))


async def _round(port: int, calls: int) -> Outcomes:
    client = Client(port)
    await client.keep_calling(8, pause=0.01, until=lambda: client.outcomes.total >= calls)
    client.pool.close()
    await asyncio.sleep(0.1)
    return client.outcomes
