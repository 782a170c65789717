"""Floods by clients of a real Centrifugo, and what the calls of another client become meanwhile.

``python -m tests.reliability.client_floods [NAME ...]`` prints the table of tests/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reliability.client import Client, Outcomes
from tests.reliability.flooding_clients import FLOODS, MIXED
from tests.reliability.hostile import cpu_seconds, most_memory
from tests.reliability.server import WAIT_LIMIT, Gunicorn, callers_timeout, gunicorn
from tests.reliability.through_centrifugo import Browser, browser
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import ROOT, SECRET
from tests.support.servers import free_port

INSTANT = "tests.reliability.instant_app"
PAUSE = 0.01
"""Seconds between two calls of the other client."""
MAX_LOG = 1024 * 1024
"""Bytes that the backend may log during a flood."""
BEGIN_LIMIT = 30.0
"""Seconds."""


@dataclass
class Flooded:
    """What was seen without and with a flood."""

    quiet: list[float] = field(default_factory=list)
    """Seconds that each call of the other client took before the flood."""
    noisy: list[float] = field(default_factory=list)
    """The same during the flood."""
    failed: Counter[str] = field(default_factory=Counter)
    """Replies to that client that were errors."""
    counts: Counter[str] = field(default_factory=Counter)
    """What the flooding clients did."""
    logged: bytes = b""
    """What the backend logged during the flood."""
    memory: tuple[int, int] = (0, 0)
    """MiB that the largest worker has had before and after."""
    cpu: float = 0.0
    """Seconds of CPU that the workers took in a second of the flood."""
    same_workers: bool = True

    @property
    def ratio(self) -> float:
        return statistics.median(self.noisy) / statistics.median(self.quiet)

    def __str__(self) -> str:
        def times(latencies: list[float]) -> str:
            ordered = sorted(latencies)
            p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            return f"{statistics.median(ordered) * 1000:.2f} ms (p99 {p99 * 1000:.1f}, {len(ordered)} calls)"

        lines = self.logged.count(b"\n")
        return (
            f"median {times(self.quiet)} → {times(self.noisy)}, {self.ratio:.1f} times; failed {dict(self.failed)}; "
            f"log {lines} lines, {len(self.logged)} bytes; memory {self.memory[0]} → "
            f"{self.memory[1]} MiB; CPU of the workers {self.cpu:.2f}; the clients: {dict(self.counts)}"
            f"{'' if self.same_workers else '; OTHER workers'}"
        )


def configure(here: Path, port: int, backend: int) -> Path:
    """Write a configuration of Centrifugo in which clients may publish and call, also with bytes."""

    def proxy(event: str, **more: Any) -> dict[str, Any]:
        headers = {"X-Proxyhooks-Secret": SECRET, "Idempotency-Key": "proxy"}
        endpoint = f"http://127.0.0.1:{backend}/centrifugo/{event}"
        return {"endpoint": endpoint, "timeout": f"{callers_timeout():g}s", "http": {"static_headers": headers}} | more

    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "info", "file": str(here / "centrifugo.log")},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {"proxy": {"connect": {"enabled": True, **proxy("connect")}}},
        "channel": {
            "proxy": {"publish": proxy("publish")},
            "without_namespace": {"publish_proxy_enabled": True},
        },
        "rpc": {
            "proxy": proxy("rpc"),
            "without_namespace": {"proxy_enabled": True},
            "namespaces": [{"name": "binary", "proxy_enabled": True, "proxy_name": "binary"}],
        },
        "proxies": [{"name": "binary", **proxy("rpc", binary_encoding=True)}],
    }
    path = here / "centrifugo.json"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def _centrifugo(here: Path, backend: int) -> Iterator[int]:
    port = free_port()
    with running_centrifugo(configure(here, port, backend), port, here / "centrifugo.out", patient=False):
        yield port


async def flood(here: Path, name: str, *, quiet: float, noisy: float, app: str = "tests.reliability.app") -> Flooded:
    """Measure the calls of another client before and during the flood.

    :param quiet: seconds before it.
    :param noisy: seconds of it.
    :param app: the module of the backend.
    """
    with gunicorn(here, app=app) as server:
        await server.ready()
        with _centrifugo(here, server.port) as port:
            seen = await _flood_server(server, port, name, quiet=quiet, noisy=noisy)
        assert server.stop() == 0
    return seen


async def flood_backend_with_its_own_core(here: Path, name: str, *, quiet: float, noisy: float) -> Flooded:
    """Measure calls that another client makes to the backend itself. The backend has one core, all others another one.

    Through Centrifugo one would also measure Centrifugo, which the flood keeps busy.
    """
    first, second, *_ = sorted(before := os.sched_getaffinity(0))
    os.sched_setaffinity(0, {first})  # of what is started, too
    try:
        with gunicorn(here) as server:
            os.sched_setaffinity(0, {second})
            await server.ready()
            with _centrifugo(here, server.port) as port:
                seen, client = Flooded(), Client(server.port)
                await _call_backend_for(client, 0.2, [])
                await _call_backend_for(client, quiet, seen.quiet)
                process = await _start_clients(name, port)
                await _call_backend_for(client, noisy, seen.noisy)
                async with asyncio.timeout(WAIT_LIMIT):
                    output, _ = await process.communicate(b"")
                seen.counts.update(json.loads(output.splitlines()[-1]))
                client.pool.close()
            assert server.stop() == 0
    finally:
        os.sched_setaffinity(0, before)
    return seen


async def _call_backend_for(client: Client, seconds: float, latencies: list[float]) -> None:
    client.outcomes = Outcomes()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await client.call("echo", 1)
        await asyncio.sleep(PAUSE)
    # A call that failed counts as one without end.
    latencies += [*client.outcomes.latencies, *[math.inf] * client.outcomes.failed]


async def _flood_server(server: Gunicorn, port: int, name: str, *, quiet: float, noisy: float) -> Flooded:
    seen, workers = Flooded(), server.workers()
    async with browser(port) as other:
        assert "connect" in await other.ask("connect")
        await _call_for(other, 0.2, [], seen.failed)  # the first calls make things that later ones find
        await _call_for(other, quiet, seen.quiet, seen.failed)
        memory = max(map(most_memory, workers))
        log_start = server.log.stat().st_size
        process = await _start_clients(name, port)
        try:
            began, cpu = time.monotonic(), sum(map(cpu_seconds, workers))
            await _call_for(other, noisy, seen.noisy, seen.failed)
            seen.cpu = (sum(map(cpu_seconds, workers)) - cpu) / (time.monotonic() - began)
            async with asyncio.timeout(WAIT_LIMIT):
                output, _ = await process.communicate(b"")  # also ends its input
            seen.counts.update(json.loads(output.splitlines()[-1]))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    seen.logged = server.log.read_bytes()[log_start:]
    seen.same_workers = server.process.poll() is None and server.workers() == workers
    if seen.same_workers:
        seen.memory = memory, max(map(most_memory, workers))
    return seen


async def _start_clients(name: str, port: int) -> asyncio.subprocess.Process:
    """Start the clients in a process of their own, and wait until their flood has begun."""
    command = [sys.executable, "-m", "tests.reliability.flooding_clients", name, str(port)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(BEGIN_LIMIT):
            await process.stdout.readline()
    return process


async def _call_for(client: Browser, seconds: float, latencies: list[float], failed: Counter[str]) -> None:
    end = time.monotonic() + seconds
    for number in itertools.count():
        began = time.monotonic()
        if began > end:
            return
        reply = await client.ask("rpc", method="echo", data=number)
        if reply.get("rpc") == {"data": number}:
            latencies.append(time.monotonic() - began)
        else:
            latencies.append(math.inf)
            failed[str(reply.get("error", {}).get("code", "wrong"))] += 1
        await asyncio.sleep(PAUSE)


async def check(here: Path, long: bool) -> str:
    """The scenario of all floods: nobody else is refused, and the log stays short. In the long form nobody waits long.

    The long form has one flood after the other, with servers of its own for each; the short form has all at once.
    """
    if long:
        results = {name: await flood(here / name, name, quiet=5, noisy=12) for name in FLOODS}
    else:
        results = {MIXED: await flood(here, MIXED, quiet=0.2, noisy=1)}
    for name, seen in results.items():
        assert all(seen.counts[each] for each in ([name] if long else FLOODS)), f"{name}: no flood: {seen}"
        assert not seen.failed, f"{name}: {seen}"
        assert seen.same_workers, f"{name}: {seen}"
        assert len(seen.logged) < MAX_LOG, f"{name}: {seen}"
        assert b"Traceback" not in seen.logged, f"{name}: {seen}"
    if long:
        # Centrifugo and the clients use the same processors. So a backend that costs nothing shows what they take.
        instant = await flood(here / "instant", "nested", quiet=5, noisy=12, app=INSTANT)
        apart = await flood_backend_with_its_own_core(here / "apart", "nested", quiet=5, noisy=12)
        assert apart.ratio <= 3, apart
        assert results["nested"].ratio <= max(3, 1.5 * instant.ratio), f"{results['nested']}; instant: {instant}"
    return "; ".join(f"{name}: {seen}" for name, seen in results.items())


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.client_floods")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(FLOODS)}; all by default")
    parser.add_argument("--seconds", type=float, default=12)
    arguments = parser.parse_args()
    for name in arguments.names or FLOODS:
        here = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        seen = await flood(here, name, quiet=5, noisy=arguments.seconds)
        print(f"{name}: {seen} ({here})", file=sys.stderr, flush=True)
        _print_row(FLOODS[name].meaning, name, seen, arguments.seconds)
        if name == "nested":
            seen = await flood(here / "instant", name, quiet=5, noisy=arguments.seconds, app=INSTANT)
            _print_row("the same, with a backend that refuses them unread", name, seen, arguments.seconds)
            seen = await flood_backend_with_its_own_core(here / "apart", name, quiet=5, noisy=arguments.seconds)
            quiet, noisy = statistics.median(seen.quiet) * 1000, statistics.median(seen.noisy) * 1000
            print(f"calls to a backend with a core of its own: {quiet:.2f} → {noisy:.2f} ms, {seen.ratio:.1f} times")


def _print_row(meaning: str, name: str, seen: Flooded, seconds: float) -> None:
    quiet, noisy = statistics.median(seen.quiet) * 1000, statistics.median(seen.noisy) * 1000
    rate = f"{seen.counts[name] / seconds:,.0f}"
    latency = f"{quiet:.1f} → {noisy:.1f} | {seen.ratio:.1f} | {seen.failed.total()}"
    print(
        f"| {meaning} | {rate} | {len(seen.logged):,} | {latency} | {seen.memory[0]} → {seen.memory[1]} |", flush=True
    )


if __name__ == "__main__":
    asyncio.run(main())
