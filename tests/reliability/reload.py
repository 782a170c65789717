"""Reloads, recycles, stops and upgrades while calls are running."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.reliability.client import Client
from tests.reliability.server import Gunicorn, callers_timeout, children, gunicorn, until

CALLERS = 24
PAUSE, LONG_PAUSE = 0.01, 1.0
"""Seconds between the calls of a busy caller, and of one whose connection is idle for most of the time."""


async def under_load(
    port: int,
    events: Callable[[Client], Awaitable[None]],
    at_least: int,
    *,
    repeat: bool,
    method: str = "echo",
    secret: str = "s3cret",
    callers: int = CALLERS,
) -> Client:
    """Call hooks until the events are over, and until there were at least so many calls.

    :param events: what happens to the server meanwhile, such as reloads.
    """
    client = Client(port, repeat=repeat, secret=secret, timeout=callers_timeout())
    over = False

    async def happen() -> None:
        nonlocal over
        try:
            await events(client)
            await until(lambda: client.outcomes.total >= at_least, f"{at_least} calls")
        finally:
            over = True

    await asyncio.gather(
        happen(),
        client.keep_calling(callers, pause=PAUSE, until=lambda: over, method=method),
        client.keep_calling(callers, pause=LONG_PAUSE, until=lambda: over, method=method),
    )
    client.pool.close()
    return client


async def replaced(server: Gunicorn, before: list[int]) -> None:
    """Wait until all these workers have ended."""
    await until(lambda: not set(before) & set(server.workers()), "the end of the old workers")


async def reload(server: Gunicorn) -> None:
    """Send HUP to the master, and wait until all workers are new."""
    before = server.workers()
    server.kill(signal.SIGHUP)
    await replaced(server, before)


async def stop_one(server: Gunicorn) -> None:
    """Send SIGTERM to one worker, and wait for its end and its successor."""
    before = server.workers()
    server.kill(signal.SIGTERM, before[0])
    await replaced(server, before[:1])
    await until(lambda: len(server.workers()) == len(before), "a successor")


async def repeatedly(
    event: Callable[[Gunicorn], Awaitable[None]],
    here: Path,
    calls: int,
    times: int,
    *,
    start: float,
    workers: int = 2,
    repeat: bool = False,
    method: str = "echo",
) -> Client:
    """Repeat an event, such as :func:`reload` or :func:`stop_one`, so many times.

    :param start: seconds that the application takes to load.
    """
    with gunicorn(here, "--workers", str(workers), START_SECONDS=str(start)) as server:
        await server.ready(workers)

        async def events(client: Client) -> None:
            for _ in range(times):
                await event(server)

        client = await under_load(server.port, events, calls, repeat=repeat, method=method)
        assert server.stop() == 0
    return client


async def recycles(
    here: Path, calls: int, times: int, *, start: float, workers: int = 2, repeat: bool = False
) -> Client:
    """Workers reach max_requests, so many times."""
    with gunicorn(here, "--max-requests", "500", "--workers", str(workers), START_SECONDS=str(start)) as server:
        await server.ready(workers)

        async def events(client: Client) -> None:
            await until(lambda: server.logged("Worker exiting") >= times, f"{times} recycles")

        client = await under_load(server.port, events, calls, repeat=repeat)
        assert len(server.workers()) in (workers, workers + 1)
        assert server.stop() == 0
    return client


async def upgrade(here: Path, calls: int, *, start: float, repeat: bool = False) -> Client:
    """USR2, and SIGTERM to the old master when the new one serves."""
    pids = here / "pid"
    with gunicorn(here, "--pid", str(pids), START_SECONDS=str(start)) as server:
        await server.ready()
        new = 0

        async def events(client: Client) -> None:
            nonlocal new
            server.kill(signal.SIGUSR2)
            successor = here / "pid.2"
            await until(successor.exists, "a new master")
            new = int(successor.read_text())
            await until(lambda: len(children(new)) == 2, "its workers")
            await asyncio.sleep(start + 2)
            server.kill(signal.SIGTERM)
            await until(lambda: server.process.poll() is not None, "the end of the old master")

        client = await under_load(server.port, events, calls, repeat=repeat)
        server.kill(signal.SIGTERM, new)
        await until(lambda: not Path(f"/proc/{new}").exists(), "the end of the new master")
    return client


async def kills(here: Path, calls: int, times: int, *, repeat: bool = False) -> tuple[Client, int]:
    """SIGKILL to workers.

    :returns: the client, and the number of calls that were under way in all workers while a worker ended.
    """
    under_way = 0
    with gunicorn(here, WORK_SECONDS="0.02") as server:
        await server.ready()

        async def events(client: Client) -> None:
            nonlocal under_way
            for _ in range(times):
                await asyncio.sleep(0.5)
                before = server.workers()
                # Calls in flight at the signal, and those that begin until the worker has ended.
                under_way += client.in_flight - client.calls_begun
                server.kill(signal.SIGKILL, before[0])
                # Its connections stay open until the process has ended.
                await replaced(server, before[:1])
                under_way += client.calls_begun
                await until(lambda: len(server.loaded()) == 2, "a successor")

        client = await under_load(server.port, events, calls, repeat=repeat, method="work")
        assert server.stop() == 0
    return client, under_way


async def failed_reload(here: Path, calls: int, *, start: float = 0) -> Client:
    """HUP while the application cannot be loaded changes nothing; HUP after its repair reloads it."""
    with gunicorn(here, START_SECONDS=str(start)) as server:
        await server.ready()

        async def events(client: Client) -> None:
            before = server.workers()
            (here / "broken").touch()
            server.kill(signal.SIGHUP)
            await until(lambda: server.logged("this worker keeps serving") == 2, "the error in the log of both workers")
            assert server.workers() == before
            assert server.logged("RuntimeError: a typo")
            (here / "broken").unlink()
            began = time.monotonic()
            await reload(server)
            assert time.monotonic() - began < 25  # the master did not wait for its graceful_timeout first
            assert not set(before) & set(server.workers())

        client = await under_load(server.port, events, calls, repeat=False)
        assert server.stop() == 0
    return client
