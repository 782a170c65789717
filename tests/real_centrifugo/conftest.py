"""One gunicorn with the application for all tests, and one Centrifugo for each way to send payloads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real_centrifugo import servers
from tests.real_centrifugo.calls import Calls, unique_name
from tests.real_centrifugo.client import Client, Enter, Open
from tests.real_centrifugo.servers import SECRET, configuration, environment, free_port, running
from tests.support.paths import ROOT


@pytest.fixture(scope="session", autouse=True)
def binary() -> str:
    """The real Centrifugo; without it there is nothing to test against."""
    return servers.binary()


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    return Calls(tmp_path_factory.mktemp("calls") / "calls.jsonl")


@pytest.fixture(scope="session")
def backend(binary: str, calls: Calls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the application, under gunicorn with this package's settings."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn", "-b", address]
    variables = environment(
        FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]), SCENARIO_CALLS=str(calls.path), WEB_CONCURRENCY="2"
    )
    log = tmp_path_factory.mktemp("gunicorn") / "gunicorn.log"
    with running([*command, "tests.real_centrifugo.app:app"], f"http://{address}/ready", log, cwd=ROOT, env=variables):
        yield f"http://{address}"


@pytest.fixture(scope="session", params=["json", "binary"])
def centrifugo(
    request: pytest.FixtureRequest, binary: str, backend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Its address; the parameter is the ``encoding`` that the hooks see."""
    home = tmp_path_factory.mktemp(f"centrifugo-{request.param}")
    config, log = home / "config.json", home / "centrifugo.log"
    port = free_port()
    config.write_text(configuration(port, backend, log, binary=request.param == "binary"))
    variables = environment()
    checked = subprocess.run(
        [binary, "checkconfig", "-s", "-c", str(config)], env=variables, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with running([binary, "-c", str(config)], f"http://127.0.0.1:{port}/health", log, env=variables):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def open_client(centrifugo: str) -> Iterator[Open]:
    """Clients that have not said anything yet; they are closed with the module."""
    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client(centrifugo))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def enter(open_client: Open) -> Enter:
    """Clients that have been let in: ``enter(user="ann", meta={...})``."""

    def make(**data: Any) -> Client:
        client = open_client()
        reply = client.ask("connect", data=data)
        assert "connect" in reply, reply
        return client

    return make


@pytest.fixture
def name() -> str:
    return unique_name()
