"""Rules and dashboard with a real Prometheus, which scrapes a loaded server through a reload."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import write_dashboard
from tests.deploy.monitored import (
    PROGRAM,
    Prometheus,
    call_through,
    configure_node,
    going_on,
    prometheus,
    reload,
    with_variables,
)
from tests.deploy.rule_files import FILES, read
from tests.reliability.client import Client
from tests.reliability.server import Gunicorn, gunicorn
from tests.reliability.through_centrifugo import browser
from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port

pytestmark = [
    pytest.mark.centrifugo,
    pytest.mark.skipif(PROGRAM is None, reason="prometheus is not on PATH; it is a package of Debian"),
]

ONLY_AFTER_ERRORS = ("centrifugo_broker_redis_pub_sub_errors", "history|presence")
"""Parts of the expressions that have no data as long as Redis has no error."""
TIMEOUT = 60.0
"""Seconds for a call, so that a busy machine fails none."""
SCRAPE_LIMIT = 60.0
"""Seconds until what was scraped can be seen."""
SELECTOR = re.compile(r"\b[a-z_:]+(?:\{[^}]*\}|(?=\[))|\b[a-z]+:[a-z_:0-9]+|\b(?:proxyhooks|centrifugo)_[a-z_]+\b")


def expressions_of_dashboard() -> list[str]:
    dashboard: dict[str, Any] = json.loads(write_dashboard.OUTPUT.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    found += [query["expr"] for query in dashboard["annotations"]["list"]]
    return [with_variables(expr, "1m") for expr in found]


def expressions_of_rules() -> list[str]:
    return [rule["expr"] for group in read(FILES / "rules.yml")["groups"] for rule in group["rules"]]


async def calls_of_all_kinds(server: Gunicorn, port: int) -> None:
    """A result, an error, an exception, a wrong secret, and a function after the reply."""
    async with browser(port) as client:
        await client.ask("connect", data="for 2 s")
        for data in ("error", "exception"):
            await client.ask("rpc", method="refuse", data=data)
        await client.ask("rpc", method="note", data=[1])
        await client.ask("rpc", method="none")
    stranger = Client(server.port, secret="wrong", timeout=TIMEOUT)
    assert await stranger.call("echo", 1) == "403"
    stranger.pool.close()


def without_data(seen: Prometheus) -> list[str]:
    """What the dashboard and the rules select, and Prometheus does not have."""
    selected = set(expressions_of_dashboard())
    selected |= {found[0] for expr in expressions_of_rules() for found in SELECTOR.finditer(expr)}
    expected = [expr for expr in sorted(selected) if not any(part in expr for part in ONLY_AFTER_ERRORS)]
    return [expr for expr in expected if not seen.query(expr)]


async def scraped(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true, or until it should be."""
    deadline = time.monotonic() + SCRAPE_LIMIT
    while not await asyncio.to_thread(condition) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


def test_rules_and_dashboard_show_a_loaded_server_through_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLERS_TIMEOUT", f"{TIMEOUT:g}")
    asyncio.run(scrape_through_a_reload(tmp_path))


async def scrape_through_a_reload(here: Path) -> None:
    metrics, port, internal = free_port(), free_port(), free_port()
    with (
        gunicorn(here, PROXYHOOKS_METRICS_BIND=f"127.0.0.1:{metrics}") as server,
        prometheus(here / "prometheus", [metrics], [internal]) as seen,
    ):
        config = configure_node(here, port, internal, server.port)
        with running_centrifugo(config, internal, here / "centrifugo.out"):
            await server.ready()
            # Changes show only if Prometheus has seen what was before.
            await scraped(lambda: bool(seen.query("proxyhooks_worker_generation")))

            async with going_on(lambda: call_through(port, clients=4, pause=0.05)):
                await calls_of_all_kinds(server, port)
                await reload(server)
                await scraped(lambda: not without_data(seen))
            assert without_data(seen) == []
            for expr in [*expressions_of_dashboard(), *expressions_of_rules()]:
                seen.query(expr)  # Prometheus refuses none of them
            assert seen.decreased() == set()
        assert server.stop() == 0
