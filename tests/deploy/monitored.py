"""A real Prometheus with the files of deploy/prometheus, which scrapes backends and nodes of Centrifugo."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.deploy.rule_files import FILES, read, write
from tests.reliability.server import Gunicorn, until
from tests.reliability.through_centrifugo import browser, configure
from tests.support import http_client
from tests.support.servers import answers, free_port, running_server

PROGRAM: Final = shutil.which("prometheus")

VARIABLES: Final = {"$timeout": "3", "$job": ".*", "$instance": ".*", "$node": ".*"}
"""Of the dashboard, with values that choose everything."""

Series = dict[str, Any]
"""Of Prometheus's API: ``metric`` has the labels, ``value`` or ``values`` the time and the value as a text."""


@dataclass(frozen=True)
class Prometheus:
    port: int

    def query(self, expr: str) -> list[Series]:
        """The result of an expression now.

        :raises AssertionError: if Prometheus refuses the expression.
        """
        return self._get("query", query=expr)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        return self._get("query_range", query=expr, start=start, end=end, step=step)

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {series["metric"]["alertname"] for series in self.query('ALERTS{alertstate="firing"}')}

    def decreased(self) -> set[str]:
        """The counters and histograms of backends that have ever decreased, as after a restart."""
        names = self.query('count by (__name__) ({__name__=~"proxyhooks_.+_(total|bucket|count|sum)"})')
        assert len(names) >= 8, names
        counters = {series["metric"]["__name__"] for series in names}
        return {name for name in counters if self.query(f"resets({name}[1h]) > 0")}

    def _get(self, what: str, **parameters: Any) -> list[Series]:
        response = http_client.request(self.port, "GET", f"/api/v1/{what}?{urlencode(parameters)}")
        reply = json.loads(response.body)
        assert reply["status"] == "success", (parameters["query"], reply)
        result = reply["data"]["result"]
        # A scalar is a pair of a time and a value.
        found: list[Series] = [{"metric": {}, "value": result}] if reply["data"]["resultType"] == "scalar" else result
        return found


def with_variables(expr: str, rate_interval: str = "10s") -> str:
    """The expression of a panel as Grafana sends it."""
    for variable, value in (VARIABLES | {"$__rate_interval": rate_interval}).items():
        expr = expr.replace(variable, value)
    assert "$" not in expr, expr
    return expr


def in_seconds(rules: str) -> str:
    """Rules that look at seconds where the original looks at minutes, for scrapes each second."""
    rules = re.sub(r"\[(\d+)m\]", lambda found: f"[{2 * int(found[1])}s]", rules)
    return re.sub(r"(for: \d+)m$", r"\1s", rules, flags=re.MULTILINE)


@contextmanager
def prometheus(here: Path, backends: Sequence[int], nodes: Sequence[int]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these ports each second.

    :param here: a new directory for its files.
    """
    assert PROGRAM is not None
    here.mkdir()
    config = read(FILES / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job, ports in zip(config["scrape_configs"], (backends, nodes), strict=True):
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    write(here / "prometheus.yml", config)
    (here / "rules.yml").write_text(in_seconds((FILES / "rules.yml").read_text()))
    port = free_port()
    command = [PROGRAM, f"--config.file={here}/prometheus.yml", f"--storage.tsdb.path={here}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with running_server(command, here / "log", is_ready=lambda: answers(port, "/-/ready")):
        yield Prometheus(port)


def configure_node(here: Path, port: int, internal_port: int, backend: int, **more: Any) -> Path:
    """The configuration of a Centrifugo with metrics on its internal port.

    :param more: further keys at the top.
    """
    path = configure(here, port, backend, repeat=True)
    config = json.loads(path.read_text())
    config["http_server"] |= {"internal_address": "127.0.0.1", "internal_port": str(internal_port)}
    path.write_text(json.dumps(config | {"prometheus": {"enabled": True}} | more))
    return path


async def reload(server: Gunicorn) -> None:
    """Send HUP to the master, and wait until all workers are new. The metrics have a process, which stays."""
    before = set(server.loaded())
    server.kill(signal.SIGHUP)
    await until(lambda: len(now := set(server.loaded())) == 2 and not now & before, "new workers")


async def call_through(port: int, clients: int, pause: float) -> None:
    """Clients of a Centrifugo, which call methods again and again, with pauses. Hooks refuse every tenth call.

    :param pause: seconds.
    """

    async def client(number: int) -> None:
        async with browser(port) as one:
            assert "connect" in await one.ask("connect")
            for count in itertools.count():
                await one.ask("rpc", method="echo", data=[number, count])
                if count % 10 == 0:
                    await one.ask("rpc", method="refuse", data="error")
                await asyncio.sleep(pause)

    await asyncio.gather(*(client(number) for number in range(clients)))


@asynccontextmanager
async def going_on(work: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    """Work that is repeated until the end of the block, and must not fail."""

    async def repeat() -> None:
        while True:
            await work()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError), end
