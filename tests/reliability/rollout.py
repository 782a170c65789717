"""Backends behind a TCP balancer: one after the other is replaced, one is killed, new ones are added."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.reliability.balancer import Balancer, balancer, ready
from tests.reliability.client import Client
from tests.reliability.reload import under_load
from tests.reliability.server import Gunicorn, gunicorn


def backend(stack: ExitStack, here: Path, name: int, port: int | None = None, **environ: str) -> Gunicorn:
    return stack.enter_context(gunicorn(here / f"{name}", port=port, **environ))


async def three(stack: ExitStack, here: Path, **environ: str) -> tuple[list[Gunicorn], Balancer]:
    """Backends that serve, and what is in front of them."""
    backends = [backend(stack, here, number, port=None, **environ) for number in range(3)]
    balanced = stack.enter_context(balancer(here, *(one.port for one in backends)))
    await asyncio.gather(ready(balanced), *(one.ready() for one in backends))
    return backends, balanced


async def deploy(here: Path, calls: int, *, repeat: bool = False) -> Client:
    """SIGTERM to each of three masters, and a new one on its port, one after the other."""
    with ExitStack() as stack:
        backends, balanced = await three(stack, here)

        async def events(client: Client) -> None:
            for number, old in enumerate(backends):
                old.kill(signal.SIGTERM)
                while old.process.poll() is None:
                    await asyncio.sleep(0.05)
                assert old.process.returncode == 0
                await backend(stack, here, number, old.port).ready()

        return await under_load(balanced.port, events, calls, repeat=repeat)


async def kill_one(here: Path, calls: int, *, repeat: bool = False) -> Client:
    """SIGKILL for everything that is one of three backends."""
    with ExitStack() as stack:
        backends, balanced = await three(stack, here)

        async def events(client: Client) -> None:
            await asyncio.sleep(1)
            workers = backends[0].workers()
            for pid in (backends[0].pid, *workers):
                backends[0].kill(signal.SIGKILL, pid)
            await asyncio.sleep(1)

        return await under_load(balanced.port, events, calls, repeat=repeat)


async def scale_out(here: Path, calls: int, *, life: float) -> tuple[Client, dict[str, float]]:
    """Three backends become six; with the share of the calls that each got after twice the life of a connection."""
    with ExitStack() as stack:
        backends, balanced = await three(stack, here, PROXYHOOKS_KEEPALIVE_TIME=str(life))
        shares: Counter[str] = Counter()

        def served() -> Counter[str]:
            found = {str(number): (here / f"{number}").glob("count.*") for number in range(6)}
            return Counter({name: sum(path.stat().st_size for path in paths) for name, paths in found.items()})

        async def events(client: Client) -> None:
            new = [backend(stack, here, number, PROXYHOOKS_KEEPALIVE_TIME=str(life)) for number in range(3, 6)]
            await asyncio.gather(*(one.ready() for one in new))
            balanced.use(*(one.port for one in (*backends, *new)))
            await asyncio.sleep(life)
            before = served()
            await asyncio.sleep(life)
            shares.update(served() - before)

        client = await under_load(balanced.port, events, calls, repeat=False, method="count")
    return client, {name: count / shares.total() for name, count in sorted(shares.items())}
