"""Two Centrifugo nodes with Redis, nginx of deploy/nginx before and behind them, and three backends.

Each part can be killed and started again under its name: ``backend``, ``node``, ``nginx``, ``redis``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.reliability.server import Gunicorn, callers_timeout, children, gunicorn, until
from tests.support import nginx
from tests.support.centrifugo import centrifugo_binary
from tests.support.servers import accepts_connections, answers, free_port, kill_process, start_process

REDIS = shutil.which("redis-server")
MISSING = ", ".join(
    f"{name} is not installed" for name, path in {"nginx": nginx.PROGRAM, "redis-server": REDIS}.items() if path is None
)
"""Why there can be no cluster; empty if there can."""
CHANNEL = "room:all"
HISTORY = 10_000
"""Messages that a client may miss and still recover. By default Centrifugo recovers 300 and no more."""


class Cluster:
    """
    :param keep: whether Redis keeps what it has: every write goes to its append-only file before the reply.
    """

    def __init__(self, here: Path, stack: ExitStack, *, keep: bool) -> None:
        self._here, self._stack, self._keep = here, stack, keep
        self.port = free_port()
        """Of nginx, for clients."""
        self._hooks_port, self._redis_port = free_port(), free_port()
        self._node_ports = [free_port(), free_port()]
        self._turns = {name: itertools.cycle(range(number)) for name, number in (("backend", 3), ("node", 2))}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: dict[str, int] = {}

    async def start(self) -> None:
        self._backends = [self._backend(number) for number in range(3)]
        await self._start_redis()
        listens = nginx.site_without_tls(self.port, free_port())
        nodes = "".join(f"    server 127.0.0.1:{port};\n" for port in self._node_ports)
        upstreams = nginx.backends(*(one.port for one in self._backends)) | {"    server 127.0.0.1:8000;\n": nodes}
        hooks = nginx.hooks_without_tls(self._hooks_port)
        files = {"upstreams.conf": upstreams, "site.conf": listens, "hooks.conf": hooks}
        self._nginx_config = nginx.write_nginx(self._here / "nginx", files)
        nodes_start = [self._start_node(number) for number in range(2)]
        await asyncio.gather(self._start_nginx(), *nodes_start, *(one.ready(1) for one in self._backends))

    def kill(self, name: str) -> None:
        """Kill the part, or the next one of its kind, with all of its processes."""
        number = self._killed[name] = next(self._turns[name]) if name in self._turns else 0
        process = self._backends[number].process if name == "backend" else self._processes[f"{name}{number}"]
        for pid in (process.pid, *children(process.pid)):  # the master first, which would start new workers
            _kill(pid)
        process.wait()

    async def replace(self, name: str) -> None:
        """Start what was killed again, and wait until it serves."""
        number = self._killed[name]
        if name == "backend":
            self._backends[number] = self._backend(number, self._backends[number].port)
            await self._backends[number].ready(1)
        elif name == "node":
            await self._start_node(number)
        else:
            await (self._start_nginx() if name == "nginx" else self._start_redis())

    def calls_of(self, event: str) -> int:
        """How many calls of the event all backends have got."""
        return sum(path.read_text().count(f" {event}\n") for path in self._here.glob("backend*/calls.*"))

    def stop(self) -> None:
        for process in self._processes.values():
            for pid in children(process.pid) if process.poll() is None else []:
                _kill(pid)
            kill_process(process)

    def _backend(self, number: int, port: int | None = None) -> Gunicorn:
        here = self._here / f"backend{number}"
        for trace in here.glob("loaded.*"):
            trace.unlink()
        server = gunicorn(here, port=port, app="tests.reliability.planned_app", WEB_CONCURRENCY="1")
        return self._stack.enter_context(server)

    async def _start(self, name: str, command: list[str], port: int) -> None:
        self._processes[name] = start_process(command, self._here / f"{name}.log")
        await until(lambda: accepts_connections(port), name)

    async def _start_redis(self) -> None:
        assert REDIS is not None
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if self._keep else ["--save", ""]
        place = ["--bind", "127.0.0.1", "--port", str(self._redis_port), "--dir", str(self._here)]
        await self._start("redis0", [REDIS, *place, *keep], self._redis_port)

    async def _start_nginx(self) -> None:
        await self._start("nginx0", nginx.command(self._nginx_config), self.port)

    async def _start_node(self, number: int) -> None:
        port, path = self._node_ports[number], self._here / f"node{number}.json"
        path.write_text(json.dumps(self._configuration(port)))
        await self._start(f"node{number}", [centrifugo_binary(), "-c", str(path)], port)
        await until(lambda: answers(port, "/health"), "a node")

    def _configuration(self, port: int) -> dict[str, Any]:
        def proxy(event: str, *, repeat: bool = True) -> dict[str, Any]:
            headers = {"X-Proxyhooks-Secret": "s3cret"} | ({"Idempotency-Key": "proxy"} if repeat else {})
            endpoint = f"http://127.0.0.1:{self._hooks_port}/centrifugo/{event}"
            return {"endpoint": endpoint, "timeout": f"{callers_timeout():g}s", "http": {"static_headers": headers}}

        room = {
            "name": CHANNEL.partition(":")[0],
            "subscribe_proxy_enabled": True,
            "publish_proxy_enabled": True,
            "history_size": HISTORY,
            "history_ttl": "10m",
            "force_recovery": True,
        }
        return {
            "http_server": {"address": "127.0.0.1", "port": port},
            "health": {"enabled": True},
            "usage_stats": {"disabled": True},
            "engine": {"type": "redis", "redis": {"address": f"127.0.0.1:{self._redis_port}"}},
            "client": {
                "proxy": {"connect": {"enabled": True, **proxy("connect")}},
                "recovery_max_publication_limit": HISTORY,
            },
            "channel": {
                "proxy": {"subscribe": proxy("subscribe"), "publish": proxy("publish", repeat=False)},
                "namespaces": [room],
            },
            "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
        }


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def running_cluster(here: Path, *, keep: bool = False) -> AsyncIterator[Cluster]:
    with ExitStack() as stack:
        cluster = Cluster(here, stack, keep=keep)
        stack.callback(cluster.stop)
        await cluster.start()
        yield cluster
