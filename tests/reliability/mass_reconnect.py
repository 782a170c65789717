"""A Centrifugo is killed and started; its clients come back through nginx, with and without a limit of their rate.

``python -m tests.reliability.mass_reconnect`` measures it with 2,000 clients, and prints the table of deploy/README.md.
The backend answers a known number of calls a second, so that :mod:`proxyhooks.centrifugo.plan` can say what to expect.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxyhooks.centrifugo.plan import Load, Plan, make_plan
from tests.reliability.server import callers_timeout, gunicorn, until
from tests.support.centrifugo import centrifugo_binary, running_centrifugo
from tests.support.nginx import running_nginx, site_without_tls, write_nginx
from tests.support.servers import answers, free_port, kill_process, server_environment, start_process

WORKERS, THREADS = 2, 4
WORK: Final = 0.02
"""Seconds of a call."""
CAPACITY: Final = WORKERS * THREADS / WORK
"""Calls a second."""


@dataclass
class Reconnect:
    plan: Plan
    limited: bool
    seconds: float
    """From when Centrifugo accepts connections until the last client is back."""
    refused: Counter[str]
    calls: Counter[str]
    """Calls of clients that were back."""
    busiest: int
    """Calls that the backend began in its busiest second."""
    rate: float
    """Calls a second, until half of the calls had begun."""
    open_files: int
    """Of Centrifugo, at most."""
    memory: float
    """Bytes of Centrifugo for each client."""

    def row(self) -> str:
        cells = (
            f"{self.plan.connections_per_second:,} a second" if self.limited else "none",
            f"{self.plan.reconnect_seconds:.0f} s",
            f"{self.seconds:.0f} s",
            f"{self.rate:,.0f}",
            f"{self.refused['503']:,}",
            f"{sum(count for what, count in self.refused.items() if what.endswith(' 100')):,}",
            f"{self.calls.total() - self.calls['ok']:,} of {self.calls.total():,}",
            f"{self.open_files:,}",
            f"{self.memory / 1024:.0f} KiB",
        )
        return f"| {' | '.join(cells)} |"


def configure(here: Path, port: int, backend: int) -> Path:
    def proxy(event: str) -> dict[str, object]:
        headers = {"X-Proxyhooks-Secret": "s3cret", "Idempotency-Key": "proxy"}
        endpoint = f"http://127.0.0.1:{backend}/centrifugo/{event}"
        return {"endpoint": endpoint, "timeout": f"{callers_timeout():g}s", "http": {"static_headers": headers}}

    path = here / "centrifugo.json"
    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {"proxy": {"connect": {"enabled": True, **proxy("connect")}}},
        "channel": {
            "proxy": {"subscribe": proxy("subscribe")},
            "namespaces": [{"name": "room", "subscribe_proxy_enabled": True}],
        },
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
    }
    path.write_text(json.dumps(config))
    return path


async def reconnect(here: Path, clients: int, subscriptions: int, *, limited: bool) -> Reconnect:
    load = Load(clients=clients, subscriptions=subscriptions)
    plan = make_plan(load, cores=WORKERS, calls_per_core=CAPACITY / WORKERS, nodes=1)
    rate = plan.connections_per_second if limited else 100_000
    port, public = free_port(), free_port()
    replaced = site_without_tls(public, free_port()) | {
        "rate=500r/s": f"rate={rate}r/s",
        "burst=1000": f"burst={2 * rate}",
    }
    upstreams = {"server 127.0.0.1:8000;": f"server 127.0.0.1:{port} max_fails=0;"}
    nginx = write_nginx(here / "nginx", {"upstreams.conf": upstreams, "site.conf": replaced})
    options = ("--threads", str(THREADS), "--workers", str(WORKERS))
    app = "tests.reliability.planned_app"
    with gunicorn(here, *options, app=app, WORK_SECONDS=str(WORK)) as server, running_nginx(nginx, public):
        await server.ready()
        config = configure(here, port, server.port)
        with running_centrifugo(config, port, here / "centrifugo.log", patient=False) as process:
            program = [sys.executable, "-m", "tests.reliability.reconnecting_clients"]
            numbers = map(str, (port, public, clients, subscriptions))
            browsers = await asyncio.create_subprocess_exec(
                *program, *numbers, stdout=asyncio.subprocess.PIPE, limit=2**24, env=server_environment()
            )
            assert browsers.stdout is not None
            try:
                async with asyncio.timeout(120):
                    assert await browsers.stdout.readline() == b"connected\n"
                for calls in here.glob("calls.*"):
                    with calls.open("r+") as file:
                        file.truncate()
                (here / "slow").touch()
                process.kill()
                process.wait()
                again = start_process([centrifugo_binary(), "-c", str(config)], here / "centrifugo.log")
                try:
                    await until(lambda: answers(port, "/health"), "Centrifugo")
                    began = time.monotonic()
                    reading = asyncio.create_task(browsers.stdout.read())
                    open_files, empty = 0, resident(again.pid)
                    async with asyncio.timeout(10 * plan.reconnect_seconds + 60):
                        while not reading.done():
                            open_files = max(open_files, len([*Path(f"/proc/{again.pid}/fd").iterdir()]))
                            await asyncio.wait([reading], timeout=0.2)
                    memory = (resident(again.pid) - empty) / clients
                    seen = json.loads(reading.result())
                finally:
                    kill_process(again)
            finally:
                if browsers.returncode is None:
                    browsers.kill()
                await browsers.wait()
    lines = [line for path in here.glob("calls.*") for line in path.read_text().splitlines()]
    times = sorted(float(line.split()[0]) - began for line in lines)
    return Reconnect(
        plan=plan,
        limited=limited,
        seconds=max(seen["back"]) - began,
        refused=Counter(seen["refused"]),
        calls=Counter(seen["calls"]),
        busiest=max(Counter(map(int, times)).values()),
        rate=len(times) / 2 / times[len(times) // 2],
        open_files=open_files,
        memory=memory,
    )


def resident(pid: int) -> int:
    """Bytes of memory that the process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


async def main(clients: int, subscriptions: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["CALLERS_TIMEOUT"] = "3"
    for limited in (True, False):
        with tempfile.TemporaryDirectory() as here:
            print((await reconnect(Path(here), clients, subscriptions, limited=limited)).row(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*(int(word) for word in sys.argv[1:] or ("2000", "2"))))
