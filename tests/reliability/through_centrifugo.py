"""Reloads and kills with a real Centrifugo between clients and backend, and a restart of Centrifugo."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.reliability.reload import reload, replaced, stop_one
from tests.reliability.server import callers_timeout, gunicorn, until
from tests.support.centrifugo import centrifugo_binary, running_centrifugo
from tests.support.servers import accepts_connections, free_port, kill_process, start_process

CLIENTS = 24
ANSWER_TIMEOUT = 60.0
"""Seconds that a client waits for a message."""
TEMPORARY = {"code": 100, "message": "internal server error", "temporary": True}


def configure(here: Path, port: int, backend: int, *, repeat: bool, secret: str = "s3cret") -> Path:
    headers = {"X-Proxyhooks-Secret": secret} | ({"Idempotency-Key": "proxy"} if repeat else {})

    def proxy(event: str) -> dict[str, Any]:
        endpoint = f"http://127.0.0.1:{backend}/centrifugo/{event}"
        return {"endpoint": endpoint, "timeout": f"{callers_timeout():g}s", "http": {"static_headers": headers}}

    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "info", "file": str(here / "centrifugo.log")},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {"proxy": {event: {"enabled": True, **proxy(event)} for event in ("connect", "refresh")}},
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
    }
    path = here / "centrifugo.json"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def centrifugo(here: Path, backend: int, *, repeat: bool = True, secret: str = "s3cret") -> Iterator[int]:
    """A Centrifugo; yields its port."""
    port = free_port()
    path = configure(here, port, backend, repeat=repeat, secret=secret)
    with running_centrifugo(path, port, here / "centrifugo.out", patient=False):
        yield port


class Browser:
    """A client with a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def ask(self, command: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, command: parameters}))
        while True:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                lines = str(await self._socket.recv()).split("\n")
            for line in lines:
                reply: dict[str, Any] = json.loads(line)
                if reply.get("id") == number:
                    return reply
                if not reply:
                    await self._socket.send("{}")  # a ping


@dataclass
class Seen:
    """The replies that clients got: ``ok``, or the code of the error."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.counts.total() - self.counts["ok"]


async def under_load(port: int, events: Callable[[], Awaitable[None]], at_least: int) -> Seen:
    """Let clients call until the events are over, and until there were at least so many calls."""
    seen, over = Seen(), False

    async def client(number: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/connection/websocket", proxy=None) as socket:
            browser = Browser(socket)
            assert (await browser.ask("connect"))["connect"]["data"] == {"you": None}
            for count in itertools.count():
                if over:
                    return
                reply = await browser.ask("rpc", method="echo", data=[number, count])
                right = reply.get("rpc") == {"data": [number, count]}
                seen.counts["ok" if right else str(reply.get("error", {}).get("code", "wrong"))] += 1
                await asyncio.sleep(0.01)

    async def happen() -> None:
        nonlocal over
        try:
            await events()
            await until(lambda: seen.counts.total() >= at_least, f"{at_least} calls")
        finally:
            over = True

    await asyncio.gather(happen(), *(client(number) for number in range(CLIENTS)))
    return seen


async def reloads(here: Path, calls: int, times: int, *, start: float, repeat: bool) -> Seen:
    """HUPs and SIGTERMs of single workers, in turn."""
    with gunicorn(here, START_SECONDS=str(start)) as server, centrifugo(here, server.port, repeat=repeat) as port:
        await server.ready()

        async def events() -> None:
            for _ in range(times):
                await reload(server)
                await stop_one(server)

        seen = await under_load(port, events, calls)
        assert server.stop() == 0
    return seen


async def kills(here: Path, calls: int, times: int, *, repeat: bool) -> Seen:
    """SIGKILL to workers."""
    with gunicorn(here) as server, centrifugo(here, server.port, repeat=repeat) as port:
        await server.ready()

        async def events() -> None:
            for _ in range(times):
                await asyncio.sleep(0.5)
                before = server.workers()
                server.kill(signal.SIGKILL, before[0])
                await replaced(server, before[:1])
                await until(lambda: len(server.loaded()) == 2, "a successor")

        seen = await under_load(port, events, calls)
        assert server.stop() == 0
    return seen


@asynccontextmanager
async def browser(port: int) -> AsyncIterator[Browser]:
    async with connect(f"ws://127.0.0.1:{port}/connection/websocket", proxy=None) as socket:
        yield Browser(socket)


async def unavailable(here: Path, seconds: float) -> Seen:
    """The backend answers 503 for so many seconds; clients get temporary errors, and are served again afterwards."""
    seen = Seen()
    with gunicorn(here) as server, centrifugo(here, server.port) as port:
        await server.ready()
        async with browser(port) as staying, browser(port) as expiring:
            assert "connect" in await staying.ask("connect")
            assert "connect" in await expiring.ask("connect", data="for 2 s")
            (here / "down").touch()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for one in (staying, expiring):
                    refused = await one.ask("rpc", method="echo", data=1)
                    assert refused["error"] == TEMPORARY, refused
                async with browser(port) as newcomer:
                    refused = await newcomer.ask("connect")
                assert refused["error"] == TEMPORARY, refused
                seen.counts["100"] += 3
                await asyncio.sleep(0.1)
            # One connection has expired meanwhile: a refresh that fails leaves the client connected.
            (here / "down").unlink()
            for one in (staying, expiring):
                assert (await one.ask("rpc", method="echo", data=1))["rpc"] == {"data": 1}
            async with browser(port) as newcomer:
                assert "connect" in await newcomer.ask("connect")
        assert server.stop() == 0
    return seen


async def wrong_secret(here: Path) -> str:
    """No client can connect; returns the line of the backend's log about it."""
    with gunicorn(here) as server, centrifugo(here, server.port, secret="t1psy") as port:
        await server.ready()
        async with browser(port) as one:
            refused = await one.ask("connect")
            assert refused["error"]["code"] == 100, refused
        assert server.stop() == 0
    log = server.log.read_text()
    assert "t1psy" not in log
    assert "s3cret" not in log
    return next(line for line in log.splitlines() if "X-Proxyhooks-Secret" in line)


@dataclass
class Restart:
    """How clients came back after Centrifugo was killed and started again."""

    clients: int
    connected: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """The number of failed tries, by the name of the exception or the code of the error."""
    wrong: int = 0
    """Clients that got the data of another."""
    seconds: float = 0.0
    """From the start of the new Centrifugo to the last connect."""
    cpu: float = 0.0
    """Seconds of CPU that the backend used from the start of the new Centrifugo to the last connect."""


async def restart(here: Path, clients: int) -> Restart:
    """Centrifugo is killed and started under load; all clients come back at once, as often as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seen = Restart(clients)
    with gunicorn(here) as server:
        await server.ready()
        path = configure(here, port := free_port(), server.port, repeat=True)
        command = [centrifugo_binary(), "-c", str(path)]

        async def start() -> subprocess.Popen[bytes]:
            process = start_process(command, here / "centrifugo.out")
            await until(lambda: accepts_connections(port), "Centrifugo")
            return process

        process = await start()
        first_connected: list[int] = []
        restarted, done = asyncio.Event(), asyncio.Event()
        last = 0.0

        async def connected(number: int) -> ClientConnection:
            """Try to connect until it succeeds, with growing pauses as an SDK does."""
            attempt = 0
            while True:
                attempt += 1
                socket = None
                try:
                    socket = await connect(f"ws://127.0.0.1:{port}/connection/websocket", proxy=None, open_timeout=60)
                    reply = await Browser(socket).ask("connect", data=number)
                except (OSError, WebSocketException) as error:
                    seen.refused[type(error).__name__] += 1
                else:
                    if "connect" in reply:
                        seen.wrong += reply["connect"].get("data") != {"you": number}
                        return socket
                    seen.refused[str(reply["error"]["code"])] += 1
                if socket is not None:
                    await socket.close()
                await asyncio.sleep(min(0.1 * 2**attempt, 5))

        async def client(number: int) -> None:
            nonlocal last
            socket = await connected(number)
            first_connected.append(number)
            await restarted.wait()
            await socket.close()
            socket = await connected(number)
            last = max(last, time.monotonic())
            seen.connected += 1
            await done.wait()
            await socket.close()

        everybody = [asyncio.create_task(client(number)) for number in range(clients)]
        await until(lambda: len(first_connected) == clients, "the clients")
        kill_process(process)
        seen.refused.clear()
        cpu_before = _cpu(server.workers())
        process = await start()
        began = time.monotonic()
        restarted.set()
        await until(lambda: seen.connected == clients, "the clients again")
        seen.seconds, seen.cpu = last - began, _cpu(server.workers()) - cpu_before
        done.set()
        await asyncio.gather(*everybody)
        kill_process(process)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return seen


def _cpu(pids: list[int]) -> float:
    """Seconds of CPU that these processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
