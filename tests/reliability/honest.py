"""What other clients see during an attack: calls at full speed, at a fixed rate, and on fresh connections."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field

from tests.reliability.client import Client, Outcomes
from tests.reliability.server import callers_timeout

CALLERS = 8
"""Who call at full speed."""
RATE = 200
"""Calls a second of those whose latency is measured."""
FRESH_RATE = 20
"""Fresh connections a second."""
SILENCE = 0.2
"""Seconds until a fresh connection sends its first request."""


@dataclass
class Honest:
    """The calls of some rounds."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    """All calls."""
    rates: list[float] = field(default_factory=list)
    """Answers a second at full speed, of each round."""
    p99s: list[float] = field(default_factory=list)
    """Seconds: the latency at the 99th percentile at the fixed rate, of each round."""
    told_to_close: int = 0
    """How often a reply had ``Connection: close``."""

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p99(self) -> float:
        return statistics.median(self.p99s)

    async def call_for(self, port: int, full: float, paced: float) -> None:
        """Add a round: some seconds at full speed, and some at the fixed rate with fresh connections.

        :param full: seconds.
        :param paced: seconds.
        """
        fast = Client(port, timeout=callers_timeout())
        end = time.monotonic() + full
        await fast.keep_calling(CALLERS, pause=0, until=lambda: time.monotonic() > end)
        self.rates.append(fast.outcomes.counts["ok"] / full)
        steady, fresh = Client(port, timeout=callers_timeout()), Outcomes()
        await asyncio.gather(steady.flood(RATE, paced, "echo"), _call_freshly(port, paced, fresh))
        # A call that failed counts as one without end.
        steady.outcomes.latencies += [float("inf")] * steady.outcomes.failed
        self.p99s.append(steady.outcomes.percentile(99))
        for client in (fast, steady):
            client.pool.close()
            self.outcomes.counts.update(client.outcomes.counts)
            self.told_to_close += client.pool.told_to_close
        self.outcomes.counts.update(fresh.counts)


async def _call_freshly(port: int, seconds: float, outcomes: Outcomes) -> None:
    async with asyncio.TaskGroup() as calls:
        for _ in range(int(seconds * FRESH_RATE)):
            calls.create_task(_call_once(port, outcomes))
            await asyncio.sleep(1 / FRESH_RATE)


async def _call_once(port: int, outcomes: Outcomes) -> None:
    """Open a connection, and make a call on it after a silence."""
    try:
        async with asyncio.timeout(SILENCE + callers_timeout()):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.sleep(SILENCE)
                writer.write(Client(port).request("echo", 1))
                status = int((await reader.readline()).split()[1])
            finally:
                writer.transport.abort()
        outcomes.counts["ok" if status == 200 else f"fresh, {status}"] += 1
    except TimeoutError:
        outcomes.counts["fresh, timeout"] += 1
    except (OSError, IndexError):
        outcomes.counts["fresh, ended"] += 1
