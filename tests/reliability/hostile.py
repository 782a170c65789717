"""Attacks by peers who know no secret, and what the calls of others become meanwhile.

``python -m tests.reliability.hostile WORKER_CLASS ...`` prints the table of tests/README.md, and the details as errors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.attacks.all_attacks import ATTACKS
from tests.reliability.client import Client
from tests.reliability.honest import Honest
from tests.reliability.reload import reload, under_load
from tests.reliability.server import WAIT_LIMIT, Gunicorn, gunicorn
from tests.support.paths import ROOT

BEGIN_LIMIT = 10.0
"""Seconds that the attack has for its beginning. A server that does not answer may keep it from that."""
LOG_LINES, LOG_BYTES = 200, 64 * 1024
"""The most that is logged during an attack of a few seconds."""


@dataclass
class Attacked:
    """What was seen in rounds without and with an attack, in turn."""

    quiet: Honest = field(default_factory=Honest)
    noisy: Honest = field(default_factory=Honest)
    counts: Counter[str] = field(default_factory=Counter)
    """What the peers did in all rounds."""
    logged: bytes = b""
    """What was logged while they did."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of CPU that the workers take in a second of the attack alone, of each round."""
    same_workers: bool = True
    memory: int = 0
    """MiB that the largest worker has had."""

    @property
    def rates(self) -> float:
        return self.noisy.rate / self.quiet.rate

    @property
    def latencies(self) -> float:
        """The latency at the 99th percentile with the attack, divided by the one without."""
        return self.noisy.p99 / self.quiet.p99

    def __str__(self) -> str:
        lines, cpu = self.logged.count(b"\n"), statistics.median(self.cpu)
        return (
            f"{self.quiet.rate:.0f} → {self.noisy.rate:.0f} answers a second; {self.noisy.outcomes}; "
            f"p99 {self.quiet.p99 * 1000:.1f} → {self.noisy.p99 * 1000:.1f} ms, {self.latencies:.1f} times; "
            f"{self.noisy.told_to_close} told to close (quiet {self.quiet.told_to_close}); "
            f"log {lines} lines, {len(self.logged)} bytes; CPU of the attack alone {cpu:.2f}; {self.memory} MiB; "
            f"{'same' if self.same_workers else 'OTHER'} workers; the peers: {dict(self.counts)}"
        )


async def attack(here: Path, name: str, *options: str, rounds: int, full: float, paced: float) -> Attacked:
    """Measure the calls of others without and with the attack.

    :param options: of gunicorn's command line.
    :param full: seconds in each round at full speed.
    :param paced: seconds in each round at a fixed rate.
    """
    with gunicorn(here, *options, port=None, **ATTACKS[name].environ) as server:
        await server.ready()
        return await attack_server(server, name, rounds=rounds, full=full, paced=paced)


async def attack_server(server: Gunicorn, name: str, *, rounds: int, full: float, paced: float) -> Attacked:
    """As :func:`attack`, with a server that runs."""
    seen, workers = Attacked(), server.workers()
    for _ in range(rounds):
        await seen.quiet.call_for(server.port, full, paced)
        log_start = server.log.stat().st_size
        async with _attacking(name, server.port, seen.counts):
            before = sum(map(cpu_seconds, workers))
            await asyncio.sleep(full)
            seen.cpu.append((sum(map(cpu_seconds, workers)) - before) / full)
            await seen.noisy.call_for(server.port, full, paced)
        seen.logged += server.log.read_bytes()[log_start:]
    seen.same_workers = server.process.poll() is None and server.workers() == workers
    if seen.same_workers:
        seen.memory = max(most_memory(pid) for pid in workers)
    return seen


@asynccontextmanager
async def _attacking(name: str, port: int, counts: Counter[str]) -> AsyncIterator[None]:
    """The attack in a process of its own, from its beginning on; what it did is added to the counts."""
    command = [sys.executable, "-m", "tests.reliability.attacks", name, str(port)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    assert process.stdout is not None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_LIMIT):
                await process.stdout.readline()
        yield
        async with asyncio.timeout(WAIT_LIMIT):
            output, _ = await process.communicate(b"")  # also ends its input
        counts.update(json.loads(output.splitlines()[-1]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def cpu_seconds(pid: int) -> float:
    """What the process has taken; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> int:
    """MiB that the process has had at most."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) // 1024


async def check(name: str, here: Path, long: bool) -> str:
    """The scenario of an attack: the calls of others succeed, and in the long form they are not much slower."""
    if not long:
        with gunicorn(here, port=None, **ATTACKS[name].environ) as server:
            await server.ready()
            return await check_shortly(server, name)
    seen = await attack(here, name, rounds=5, full=1, paced=3)
    _check_harmless(name, seen)
    # Peers that send bad requests as fast as they are answered take their share of the processors.
    assert seen.rates >= 0.4, seen
    assert seen.latencies <= 4, seen
    return str(seen)


async def check_shortly(server: Gunicorn, name: str) -> str:
    """The short form of the scenario, with a server that runs."""
    seen = await attack_server(server, name, rounds=1, full=0.2, paced=0.5)
    _check_harmless(name, seen)
    return str(seen)


def _check_harmless(name: str, seen: Attacked) -> None:
    assert ATTACKS[name].has_happened(seen.counts), f"no attack: {seen}"
    assert seen.noisy.outcomes.failed == 0, seen
    assert seen.same_workers, seen
    assert seen.logged.count(b"\n") < LOG_LINES, seen
    assert len(seen.logged) < LOG_BYTES, seen
    assert b"Traceback" not in seen.logged, seen
    if name == "refused_and_kept":
        assert seen.noisy.told_to_close == 0, seen


async def reload_under_attack(here: Path, times: int) -> Client:
    """Reload the server so often while peers send and read slowly, and then stop it."""
    slow = ("silent", "dripped_heads", "dripped_bodies", "dripped_chunks", "unread_replies", "slowly_read_stream")
    with gunicorn(here, "--graceful-timeout", "5") as server:
        await server.ready()

        async def reloads(client: Client) -> None:
            for _ in range(times):
                await reload(server)

        async with AsyncExitStack() as attacks:
            for name in slow:
                await attacks.enter_async_context(_attacking(name, server.port, Counter()))
            client = await under_load(server.port, reloads, 300, repeat=False)
            assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    return client


def _cell(seen: Attacked) -> str:
    times = f"{seen.latencies:.1f}" if math.isfinite(seen.latencies) else "–"
    ended = "" if seen.same_workers else ", and a worker"
    return f"{seen.quiet.rate:,.0f} → {seen.noisy.rate:,.0f} | {seen.noisy.outcomes.failed:,}{ended} | {times}"


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.hostile")
    parser.add_argument("workers", nargs="+", metavar="WORKER_CLASS", help="as gunicorn's --worker-class")
    parser.add_argument("--attack", action="append", choices=ATTACKS, help="only this one")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.attack or ATTACKS:
        cells = [ATTACKS[name].meaning]
        for worker in arguments.workers:
            here = Path(tempfile.mkdtemp(prefix=f"{name}-"))
            seen = await attack(here, name, "-k", worker, rounds=arguments.rounds, full=1, paced=2)
            print(f"{name}, {worker}: {seen}", file=sys.stderr, flush=True)
            cells.append(_cell(seen))
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
