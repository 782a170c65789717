"""A server that starts refuses connections until a worker has loaded the application."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks.gunicorn import delayed_listening
from proxyhooks.gunicorn.delayed_listening import delay_listening, start_listening
from tests.support import http_client
from tests.support.servers import (
    accepts_connections,
    answers,
    free_port,
    server_environment,
    start_process,
    stop_process,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets behave in another way")

APP = """
import os
import time
from pathlib import Path

from flask import Flask

from proxyhooks import ProxyHooks

here = Path(os.environ["HERE"])
(here / "loads").write_text("")
deadline = time.monotonic() + 60
while not (here / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
"""


@pytest.fixture(autouse=True)
def process_without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed_listening, "_sockets", [])
    monkeypatch.setattr(delayed_listening, "_backlogs", [])


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What gunicorn has for a socket that listens."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((request.param, 0))
    except OSError as error:
        sock.close()
        pytest.skip(f"no such address here: {error}")
    sock.listen(1)
    sock.set_inheritable(True)
    listener = SimpleNamespace(sock=sock)
    yield listener
    listener.sock.close()


def server_with(listener: Any, **attributes: Any) -> Any:
    cfg = SimpleNamespace(backlog=7, address=[("127.0.0.1", 8070)])
    return SimpleNamespace(**({"LISTENERS": [listener], "systemd": False, "master_pid": 0, "cfg": cfg} | attributes))


def is_refused(address: Any) -> bool:
    try:
        socket.create_connection(address[:2], timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_socket_refuses_connections_until_a_worker_listens(listener: Any) -> None:
    address = listener.sock.getsockname()
    delay_listening(server_with(listener))
    assert is_refused(address)
    sock = listener.sock
    assert sock.getsockname() == address
    assert (sock.getblocking(), sock.get_inheritable()) == (False, True)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for _ in range(2):  # each of the workers
        start_listening()
        assert not is_refused(address)
    delay_listening(server_with(listener))  # before a worker that replaces a lost one
    assert not is_refused(address)
    sock.close()  # as in a reload that changes the address
    start_listening()


@pytest.mark.parametrize(
    "attributes",
    [
        {"systemd": True},
        {"master_pid": 4711},
        {"cfg": SimpleNamespace(backlog=7, address=[3])},
    ],
    ids=["systemd", "an old master", "a descriptor"],
)
def test_sockets_that_others_made_go_on_listening(attributes: dict[str, Any], listener: Any) -> None:
    sock = listener.sock
    delay_listening(server_with(listener, **attributes))
    assert listener.sock is sock
    assert not is_refused(sock.getsockname())
    start_listening()


def test_an_address_that_another_server_has_taken_meanwhile_is_an_error(listener: Any) -> None:
    delay_listening(server_with(listener))
    with socket.socket(listener.sock.family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(listener.sock.getsockname())
        other.listen(1)
        with pytest.raises(OSError, match="Address already in use"):
            start_listening()


@pytest.mark.server
@pytest.mark.parametrize("worker", ["proxyhooks.gunicorn.worker.Worker", "gthread"])
def test_a_server_that_starts_refuses_connections_and_then_answers(worker: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port, log = free_port(), tmp_path / "log"
    command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn", "-k", worker]
    command += ["-w", "2", "-b", f"127.0.0.1:{port}", "-b", f"unix:{tmp_path}/socket", "app:app"]
    process = start_process(command, log, cwd=tmp_path, env=server_environment(HERE=str(tmp_path)))
    try:
        wait_until((tmp_path / "loads").exists, "a worker that loads the application")
        for _ in range(5):
            assert not accepts_connections(port)
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as client:  # such a socket is not touched
            client.connect(str(tmp_path / "socket"))
        (tmp_path / "go").write_text("")
        wait_until(lambda: answers(port, "/livez"), "an answer")
        assert [http_client.request(port, "GET", "/readyz").status for _ in range(5)] == [200] * 5
    finally:
        assert stop_process(process) == 0
    assert "[ERROR]" not in log.read_text()
