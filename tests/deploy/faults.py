"""``python -m tests.deploy.faults DIRECTORY``: cause what each alert is about, with real servers under load.

Each alert must fire, and stop after its cause, except those with which the run ends: servers that are down. Prometheus
has the rules of deploy/prometheus, with seconds in place of minutes. The directory gets the logs, and pictures of the
dashboard and of Prometheus's own pages. It takes five minutes or more, and needs Centrifugo, Redis, Prometheus and
Chromium.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.parse import urlencode

from websockets.exceptions import InvalidStatus

from tests.browser.chromium import PROGRAM as CHROMIUM
from tests.deploy.dashboard_page import page
from tests.deploy.monitored import Prometheus, call_through, configure_node, going_on, prometheus, reload
from tests.deploy.rule_files import ALERTS
from tests.reliability.client import Client
from tests.reliability.server import Gunicorn, gunicorn
from tests.reliability.through_centrifugo import Browser, browser
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import SECRET
from tests.support.servers import (
    accepts_connections,
    answers,
    free_port,
    running_server,
    server_environment,
    stop_process,
)

LIMIT = 90.0
"""Seconds until an alert fires, and until it stops."""
CONNECTION_LIMIT, OPEN_FILES = 100, 160


class Scene:
    """Two backends, one Centrifugo with Redis, and what has happened to them."""

    def __init__(self, here: Path, stack: ExitStack) -> None:
        self.here, self.began = here, time.time()
        self.secrets = here / "secrets"
        self.secrets.write_text(SECRET)
        metrics = [free_port(), free_port()]
        self.port, self.internal, redis = free_port(), free_port(), free_port()
        self.backend, self.other = (
            self._backend(stack, here / name, port) for name, port in zip("ab", metrics, strict=True)
        )
        command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
        self.redis = stack.enter_context(
            running_server(command, here / "redis.log", is_ready=lambda: accepts_connections(redis))
        )
        config = configure_node(
            here, self.port, self.internal, self.backend.port,
            engine={"type": "redis", "redis": {"address": f"redis://127.0.0.1:{redis}"}},
        )  # fmt: skip
        centrifugo = ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "sh", centrifugo_binary(), "-c", str(config)]
        limited = server_environment(CENTRIFUGO_CLIENT_CONNECTION_LIMIT=str(CONNECTION_LIMIT))

        def is_healthy() -> bool:
            return answers(self.internal, "/health")

        self.centrifugo = stack.enter_context(
            running_server(centrifugo, here / "centrifugo.out", is_ready=is_healthy, env=limited)
        )
        self.seen: Prometheus = stack.enter_context(prometheus(here / "prometheus", metrics, [self.internal]))
        self.other_is_called = True

    def _backend(self, stack: ExitStack, here: Path, metrics: int) -> Gunicorn:
        return stack.enter_context(
            gunicorn(
                here, "--threads", "4", PROXYHOOKS_METRICS_BIND=f"127.0.0.1:{metrics}", START_SECONDS="3",
                WORK_SECONDS="1.2", FLASK_PROXYHOOKS_SECRETS_FILE=str(self.secrets),
                FLASK_PROXYHOOKS_AFTER_REPLY_THREADS="1",
            )
        )  # fmt: skip

    async def load(self) -> None:
        """Clients of Centrifugo, and direct calls to both backends."""

        async def call_other() -> None:
            calls = Client(self.other.port, timeout=5)
            while True:
                await calls.keep_calling(16, pause=0.04, until=lambda: not self.other_is_called)
                await asyncio.sleep(0.1)

        await asyncio.gather(
            call_through(self.port, clients=24, pause=0.1),
            Client(self.backend.port, timeout=5).keep_calling(8, pause=0.04, until=lambda: False),
            call_other(),
        )

    async def wait(self, condition: Callable[[set[str]], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition(firing := await asyncio.to_thread(self.seen.firing)):
            assert time.monotonic() < deadline, f"waited in vain until {what}; firing: {firing}"
            await asyncio.sleep(0.5)

    async def fires(self, *names: str) -> None:
        for name in names:
            await self.wait({name}.issubset, f"{name} fires")
            print(f"{time.time() - self.began:5.0f} s  {name} fires", flush=True)

    async def quiet(self) -> None:
        await self.wait(lambda firing: not firing, "no alert fires")
        print(f"{time.time() - self.began:5.0f} s  no alert fires", flush=True)


async def reload_that_fails(scene: Scene) -> None:
    (scene.backend.here / "broken").touch()
    scene.backend.kill(signal.SIGHUP)
    await scene.fires("ProxyhooksReloadFailed")
    (scene.backend.here / "broken").unlink()


async def rotation_that_goes_wrong(scene: Scene) -> None:
    """The old secret is removed while Centrifugo still has it; clients whose connections expire meanwhile stay."""
    async with AsyncExitStack() as clients:
        for seconds in range(2, 26):
            client: Browser = await clients.enter_async_context(browser(scene.port))
            await client.ask("connect", data=f"for {seconds} s")
        scene.secrets.write_text("another")
        await scene.fires("ProxyhooksWrongSecret", "CentrifugoProxyErrors", "CentrifugoRefreshErrors")
        scene.secrets.write_text(SECRET)


async def overload(scene: Scene) -> None:
    client = Client(scene.backend.port, timeout=10)
    async with going_on(lambda: client.flood(60, 5, "work")):
        await scene.fires("ProxyhooksQueueing", "ProxyhooksOverloaded", "ProxyhooksSlow")


async def workers_that_hang(scene: Scene) -> None:
    async def hang() -> None:
        workers = scene.backend.loaded()
        for signum, seconds in ((signal.SIGSTOP, 3.5), (signal.SIGCONT, 2.0)):
            for worker in workers:
                scene.backend.kill(signum, worker)
            await asyncio.sleep(seconds)

    async with going_on(hang):
        await scene.fires("CentrifugoProxySlow")
    for worker in scene.backend.loaded():
        scene.backend.kill(signal.SIGCONT, worker)


async def hook_that_raises(scene: Scene) -> None:
    client = Client(scene.backend.port)
    async with going_on(lambda: client.flood(20, 5, "refuse")):
        await scene.fires("ProxyhooksFailing")


async def workers_that_are_killed(scene: Scene) -> None:
    async def kill() -> None:
        for worker in scene.backend.loaded():
            scene.backend.kill(signal.SIGKILL, worker)
        await asyncio.sleep(0.5)

    async with going_on(kill):
        await scene.fires("ProxyhooksWorkersMissing")


async def functions_after_replies(scene: Scene) -> None:
    client = Client(scene.backend.port)

    async def add() -> None:
        for number in range(100):
            await client.call("note", [number])

    async with going_on(lambda: asyncio.gather(*(add() for _ in range(8)))):
        await scene.fires("ProxyhooksAfterReplyBehind")


async def backend_without_calls(scene: Scene) -> None:
    scene.other_is_called = False
    await scene.fires("ProxyhooksUnequalShares")
    scene.other_is_called = True


async def too_many_clients(scene: Scene) -> None:
    async with AsyncExitStack() as clients:
        with contextlib.suppress(InvalidStatus):  # Centrifugo refuses the last one
            for _ in range(CONNECTION_LIMIT):
                client = await clients.enter_async_context(browser(scene.port))
                await client.ask("connect")
        await scene.fires("CentrifugoConnectionLimit", "CentrifugoFileDescriptors")


async def redis_that_is_down(scene: Scene) -> None:
    stop_process(scene.redis)
    await scene.fires("CentrifugoBrokerErrors")


FAULTS = (
    reload_that_fails,
    rotation_that_goes_wrong,
    overload,
    workers_that_hang,
    hook_that_raises,
    workers_that_are_killed,
    functions_after_replies,
    backend_without_calls,
    too_many_clients,
)


def take_picture(url: str, output: Path, size: str) -> None:
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}", "--virtual-time-budget=8000"]
    subprocess.run([CHROMIUM, *options, f"--screenshot={output}", url], check=True, capture_output=True, timeout=LIMIT)


def take_pictures(scene: Scene) -> None:
    (scene.here / "dashboard.html").write_text(page(scene.seen, scene.began, time.time()), encoding="utf-8")
    take_picture(f"file://{scene.here}/dashboard.html", scene.here / "dashboard.png", "1600,2400")
    # Debian's Prometheus has the classic pages.
    pages = f"http://127.0.0.1:{scene.seen.port}/classic"
    graph = urlencode({"g0.expr": "instance:proxyhooks_calls:rate5m", "g0.tab": "0", "g0.range_input": "6m"})
    for name, path in (("alerts", "alerts"), ("targets", "targets"), ("graph", f"graph?{graph}")):
        take_picture(f"{pages}/{path}", scene.here / f"{name}.png", "1400,1500")


async def run(here: Path) -> None:
    os.environ["CALLERS_TIMEOUT"] = "3"
    with ExitStack() as stack:
        scene = Scene(here, stack)
        await scene.backend.ready()
        await scene.other.ready()
        load = asyncio.create_task(scene.load())
        await scene.quiet()
        await asyncio.sleep(15)
        await reload(scene.backend)
        await asyncio.sleep(15)
        assert scene.seen.firing() == set(), scene.seen.firing()
        print(f"{time.time() - scene.began:5.0f} s  a reload fires no alert", flush=True)
        for fault in FAULTS:
            await fault(scene)
            await scene.quiet()
            assert not load.done(), load
        assert scene.seen.decreased() == set()
        assert scene.seen.query("min_over_time(up[1h]) == 0") == [], "a scrape has failed"
        await redis_that_is_down(scene)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        scene.centrifugo.terminate()
        scene.backend.stop()
        await scene.fires("CentrifugoDown", "ProxyhooksDown")
        fired = {
            series["metric"]["alertname"]
            for series in scene.seen.query('max_over_time(ALERTS{alertstate="firing"}[1h])')
        }
        assert fired == set(ALERTS), set(ALERTS) - fired
        take_pictures(scene)


if __name__ == "__main__":
    directory = Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True)
    asyncio.run(run(directory))
