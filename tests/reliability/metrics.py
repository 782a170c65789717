"""Counts that are exact, whatever happens to workers and masters meanwhile."""

from __future__ import annotations

import asyncio
import http.client
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.reliability.client import Client
from tests.reliability.reload import reload, replaced, stop_one, under_load
from tests.reliability.server import Gunicorn, until
from tests.support import http_client
from tests.support.servers import STOP_TIMEOUT, free_port

Samples = dict[tuple[str, ...], float]
"""Values by the name of the sample and the values of its labels, in the order of the names of the labels."""


def scrape(port: int) -> Samples:
    response = http_client.request(port, "GET", "/metrics", timeout=10)
    assert response.status == 200, response
    families: Any = text_string_to_metric_families
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(response.text)
        for sample in family.samples
    }


def total(samples: Samples) -> float:
    """The number of calls."""
    return sum(value for name, value in samples.items() if name[0] == "proxyhooks_calls_total")


class Watch:
    """Scrapes all the time, and sees that no counter goes backwards."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.scrapes = self.missed = 0
        self._last: Samples = {}

    async def run(self, until_over: Callable[[], bool]) -> None:
        while not until_over():
            await asyncio.sleep(0.05)
            try:
                samples = await asyncio.to_thread(scrape, self.port)
            except (OSError, http.client.HTTPException):
                self.missed += 1  # a master of an upgrade has ended, and the other one goes on
                continue
            self.scrapes += 1
            for name, value in self._last.items():
                if name[0].endswith(("_total", "_count", "_bucket", "_sum")):
                    assert samples.get(name, 0) >= value, f"{name} goes from {value} back to {samples.get(name)}"
            self._last = samples


class Server(Gunicorn):
    """gunicorn, whose master has the metrics process as another child."""

    master = 0
    """The master; after an upgrade, the new one."""

    def workers(self) -> list[int]:
        return self.workers_of(self.master or self.pid)


async def has_workers(server: Server, number: int) -> None:
    await until(lambda: len(server.workers()) == number, f"{number} workers")


async def upgrade(server: Server, pids: Path) -> None:
    """USR2, and SIGTERM to the old master when the new one serves."""
    server.kill(signal.SIGUSR2)
    successor = pids.with_name("pid.2")
    await until(successor.exists, "a new master")
    new = int(successor.read_text())
    await until(lambda: server.logged("Metrics at:") == 2, "its metrics")
    old, server.master = server.pid, new
    await until(lambda: len(server.loaded()) == 2, "its workers")
    server.kill(signal.SIGTERM, old)
    await until(lambda: server.process.poll() is not None, "the end of the old master")


async def exact_counts(here: Path, calls: int, times: int) -> str:
    """Calls through reloads, recycles, more and fewer workers, a stop and an upgrade; then through SIGKILL."""
    here.mkdir(exist_ok=True)
    pids, port = here / "pid", free_port()
    options = ("--max-requests", "400", "--pid", str(pids), "--worker-tmp-dir", str(here))
    server = Server(here, *options, PROXYHOOKS_METRICS_BIND=f"127.0.0.1:{port}")
    over = False
    try:
        await server.ready(2)
        await until(lambda: server.logged("Metrics at:") == 1, "the metrics")
        before = total(await asyncio.to_thread(scrape, port))  # how the test has seen that the server is ready
        watch = Watch(port)
        watching = asyncio.create_task(watch.run(lambda: over))

        async def changes(client: Client) -> None:
            for _ in range(times):
                await reload(server)
            for signum, number in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2)):
                server.kill(signum)
                await has_workers(server, number)
            await stop_one(server)
            await upgrade(server, pids)

        async def kills(client: Client) -> None:
            for _ in range(times):
                before = server.workers()
                server.kill(signal.SIGKILL, before[0])
                await replaced(server, before[:1])
                await until(lambda: len(server.loaded()) == 2, "a successor")

        client = await under_load(server.port, changes, calls, repeat=False)
        counted, answered = total(await asyncio.to_thread(scrape, port)) - before, client.outcomes.counts["ok"]
        # A busy machine may answer so late that the caller does not wait for it.
        late = client.outcomes.failed
        assert answered <= counted <= answered + late, f"{counted} counted, {client.outcomes}"
        assert set(client.outcomes.counts) <= {"ok", "timeout", "503"}, client.outcomes
        recycled = server.logged("reached max_requests")
        client = await under_load(server.port, kills, calls // 2, repeat=False)
        answered += client.outcomes.counts["ok"]
        samples = await asyncio.to_thread(scrape, port)
        # A worker counts a call before it sends the reply.
        counted, lost = total(samples) - before, client.outcomes.failed
        assert answered <= counted <= answered + late + lost, f"{counted} counted, {client.outcomes}"
        await until(lambda: scrape(port)["proxyhooks_workers", "serving"] == 2, "two workers in the metrics")
        await until(lambda: scrape(port)["proxyhooks_calls_in_flight",] == 0, "no call in the metrics")
        (directory,) = here.glob("proxyhooks-metrics-*")
        processes = {file.name.split("_")[-1].split("-")[0] for file in directory.glob("*.db")}
        assert len(processes) <= 10, processes
        over = True
        await watching
        assert watch.missed <= 3
        server.kill(signal.SIGTERM, server.master)
        await until(lambda: not Path(f"/proc/{server.master}").exists(), "the end of the new master")
        assert not directory.exists()
    finally:
        over = True
        for process in {server.pid, server.master} - {0}:
            with suppress(ProcessLookupError):
                server.kill(signal.SIGKILL, process)
        server.process.wait(STOP_TIMEOUT)
    return (
        f"{answered} calls answered, {late} too late, {lost} lost by SIGKILL, {counted:.0f} counted; "
        f"{recycled} recycles, {watch.scrapes} scrapes, {len(processes)} sets of files"
    )
