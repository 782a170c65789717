"""Backends behind a TCP balancer: each of them is replaced in turn, one is killed, new ones are added."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.reliability.balancer import Balancer, balancer
from tests.reliability.client import Client
from tests.reliability.reload import under_load
from tests.reliability.server import Gunicorn, gunicorn, until


def backend(stack: ExitStack, here: Path, number: int, port: int | None = None, **environ: str) -> Gunicorn:
    """A backend whose directory is its number; it is killed at the end of the stack."""
    return stack.enter_context(gunicorn(here / f"{number}", port=port, **environ))


async def three(stack: ExitStack, here: Path, **environ: str) -> tuple[list[Gunicorn], Balancer]:
    """Three backends that are ready, and the balancer in front of them."""
    backends = [backend(stack, here, number, port=None, **environ) for number in range(3)]
    balanced = stack.enter_context(balancer(here, *(one.port for one in backends)))
    await asyncio.gather(*(one.ready() for one in backends))
    return backends, balanced


async def end(server: Gunicorn) -> None:
    """Wait until the master has ended."""
    await until(lambda: server.process.poll() is not None, "the end of a master")


async def deploy(here: Path, calls: int, *, repeat: bool = False) -> Client:
    """SIGTERM to each of three masters in turn; a new master starts on the same port."""
    with ExitStack() as stack:
        backends, balanced = await three(stack, here)

        async def events(client: Client) -> None:
            for number, old in enumerate(backends):
                old.kill(signal.SIGTERM)
                await end(old)
                assert old.process.returncode == 0
                await backend(stack, here, number, old.port).ready()

        return await under_load(balanced.port, events, calls, repeat=repeat)


async def kill_one(here: Path, calls: int, *, repeat: bool = False) -> Client:
    """SIGKILL to the master and the workers of one of three backends."""
    with ExitStack() as stack:
        backends, balanced = await three(stack, here)

        async def events(client: Client) -> None:
            await asyncio.sleep(1)
            workers = backends[0].workers()
            for pid in (backends[0].pid, *workers):
                backends[0].kill(signal.SIGKILL, pid)
            await asyncio.sleep(1)

        return await under_load(balanced.port, events, calls, repeat=repeat)


async def scale_out(here: Path, calls: int, *, max_age: float) -> tuple[Client, dict[str, float]]:
    """Three backends become six.

    :param max_age: the age in seconds at which connections are closed.
    :returns: the client, and by backend its share of the calls from *max_age* to twice *max_age* after the change.
    """
    with ExitStack() as stack:
        backends, balanced = await three(stack, here, PROXYHOOKS_KEEPALIVE_TIME=str(max_age))
        shares: Counter[str] = Counter()

        def served() -> Counter[str]:
            found = {str(number): (here / f"{number}").glob("count.*") for number in range(6)}
            return Counter({name: sum(path.stat().st_size for path in paths) for name, paths in found.items()})

        async def events(client: Client) -> None:
            new = [backend(stack, here, number, PROXYHOOKS_KEEPALIVE_TIME=str(max_age)) for number in range(3, 6)]
            await asyncio.gather(*(one.ready() for one in new))
            balanced.use(*(one.port for one in (*backends, *new)))
            await asyncio.sleep(max_age)
            before = served()
            await asyncio.sleep(max_age)
            shares.update(served() - before)

        client = await under_load(balanced.port, events, calls, repeat=False, method="count")
    return client, {name: count / shares.total() for name, count in sorted(shares.items())}
