"""More calls than the threads can take, and a backend that answers 503 to everything."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.client import Client, Outcomes
from tests.reliability.server import callers_timeout, gunicorn

THREADS, WORKERS = 4, 2


@dataclass
class Flooded:
    outcomes: Outcomes
    hooks_begun: int
    capacity: float
    """How many calls the threads could have answered during the flood."""
    recovery: float
    """Seconds from the last call of the flood to the first of ten successive calls with a normal latency."""


async def flood(here: Path, seconds: float, *, work: float = 0.1, times: float = 10) -> Flooded:
    """Send *times* as many calls as the threads can answer.

    :param work: seconds that a call takes.
    """
    capacity = THREADS * WORKERS / work  # calls a second
    options = ("--threads", str(THREADS), "--workers", str(WORKERS))
    with gunicorn(here, *options, WORK_SECONDS=str(work)) as server:
        await server.ready()
        client = Client(server.port, timeout=callers_timeout())
        await client.call("work", 0)
        client.outcomes = Outcomes()
        for path in here.glob("begun.*"):
            path.unlink()
        calls = asyncio.create_task(client.flood(capacity * times, seconds, "work"))
        await asyncio.sleep(seconds)
        recovery = await _recovery(server.port, work)
        await calls
        client.pool.close()
        hooks_begun = sum(len(path.read_text()) for path in here.glob("begun.*"))
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    return Flooded(client.outcomes, hooks_begun, capacity * seconds, recovery)


async def _recovery(port: int, normal: float) -> float:
    began = first = time.monotonic()
    client, in_a_row = Client(port), 0
    while in_a_row < 10 and time.monotonic() - began < 30:
        sent = time.monotonic()
        outcome = await client.call("echo", 1)
        if outcome == "ok" and time.monotonic() - sent < normal:
            first = sent if not in_a_row else first
            in_a_row += 1
        else:
            in_a_row = 0
            await asyncio.sleep(0.02)
    client.pool.close()
    return first - began if in_a_row == 10 else float("inf")
