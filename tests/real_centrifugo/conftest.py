"""One gunicorn with the application for all tests, and one Centrifugo for each encoding of payloads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real_centrifugo.calls import Calls, unique_name
from tests.real_centrifugo.centrifugo_config import configuration
from tests.real_centrifugo.client import Client, Enter, Open
from tests.support.centrifugo import centrifugo_binary, running_centrifugo
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server, server_environment


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    return Calls(tmp_path_factory.mktemp("calls") / "calls.jsonl")


@pytest.fixture(scope="session")
def backend(calls: Calls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the application, under gunicorn with this package's settings."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn", "-b", f"127.0.0.1:{port}"]
    command += ["tests.real_centrifugo.app:app"]
    variables = server_environment(
        FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]),
        FLASK_PROXYHOOKS_TIMEOUT="600",  # on a loaded machine, no call is to be refused because it has waited
        SCENARIO_CALLS=str(calls.path),
        WEB_CONCURRENCY="2",
    )
    log = tmp_path_factory.mktemp("gunicorn") / "gunicorn.log"
    with running_server(command, log, is_ready=lambda: answers(port), env=variables):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session", params=["json", "binary"])
def centrifugo(request: pytest.FixtureRequest, backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Centrifugo; the parameter is the ``encoding`` that the hooks see."""
    home = tmp_path_factory.mktemp(f"centrifugo-{request.param}")
    config, log = home / "config.json", home / "centrifugo.log"
    port = free_port()
    config.write_text(configuration(port, backend, log, binary=request.param == "binary"))
    command = [centrifugo_binary(), "checkconfig", "-s", "-c", str(config)]
    checked = subprocess.run(command, env=server_environment(), capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with running_centrifugo(config, port, log):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def open_client(centrifugo: str) -> Iterator[Open]:
    """The clients are closed after the last test of the module."""
    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client(centrifugo))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def enter(open_client: Open) -> Enter:
    def make(**data: Any) -> Client:
        client = open_client()
        reply = client.ask("connect", data=data)
        assert "connect" in reply, reply
        return client

    return make


@pytest.fixture
def name() -> str:
    """A name for a user or channel of this test alone."""
    return unique_name()
