"""A server that starts refuses connections until a worker has loaded the application."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks.gunicorn.delayed_listening import make_sockets, start_listening
from tests.support import http_client
from tests.support.loading_app import LOADING_APP
from tests.support.servers import (
    answers,
    free_port,
    server_environment,
    start_process,
    stop_process,
)
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets behave in another way")


@pytest.fixture
def servers() -> Iterator[Callable[..., Any]]:
    """Makes what gunicorn's master is for its server hooks: with this address, before it has sockets."""
    made: list[Any] = []

    def make(address: Any = ("127.0.0.1", 0), **settings: Any) -> Any:
        values = {"backlog": 7, "address": [address], "reuse_port": False, "certfile": None, "keyfile": None}
        cfg = SimpleNamespace(**(values | {"is_ssl": False} | settings))
        made.append(SimpleNamespace(LISTENERS=[], cfg=cfg, log=SimpleNamespace(error=print, debug=print)))
        return made[-1]

    yield make
    for server in made:
        for listener in server.LISTENERS:
            listener.close()


def worker_of(server: Any) -> Any:
    return SimpleNamespace(sockets=server.LISTENERS, cfg=server.cfg)


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


def is_refused(address: Any) -> bool:
    try:
        socket.create_connection(address[:2], timeout=DEFAULT_TIMEOUT).close()
    except ConnectionRefusedError:
        return True
    return False


def backlog_of(listening: socket.socket) -> int:
    """How many connections may wait to be accepted: ``tcpi_sacked`` of tcp(7)."""
    info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    backlog: int = struct.unpack_from("=I", info, 28)[0]
    return backlog


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_socket_refuses_connections_until_a_worker_listens(host: str, servers: Callable[..., Any]) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("no IPv6 here")
    server = servers((host, 0))
    make_sockets(server)
    (listener,) = server.LISTENERS
    address = listener.sock.getsockname()
    assert is_refused(address)
    assert (listener.sock.getblocking(), listener.sock.get_inheritable()) == (False, True)
    for _ in range(2):  # each of the workers
        start_listening(worker_of(server))
        assert not is_refused(address)
    assert backlog_of(listener.sock) == 7


def test_later_sockets_listen_at_once(servers: Callable[..., Any]) -> None:
    from gunicorn import sock

    make_sockets(servers())
    server = servers()
    server.LISTENERS = sock.create_sockets(server.cfg, server.log)
    assert not is_refused(server.LISTENERS[0].sock.getsockname())


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, {}),
        ({"GUNICORN_PID": "4711", "GUNICORN_FD": "3"}, {}),
        ({}, {"address": 3}),
        ({}, {"reuse_port": True}),
    ],
    ids=["systemd", "an old master", "a descriptor", "reuse_port"],
)
def test_sockets_that_others_make_listen_at_once(
    environment: dict[str, str],
    settings: dict[str, Any],
    servers: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server = servers(**settings)
    make_sockets(server)
    assert server.LISTENERS == []  # gunicorn makes them


def test_a_gunicorn_without_that_method_makes_its_sockets_itself(
    servers: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gunicorn import sock

    monkeypatch.delattr(sock.BaseSocket, "_is_listening")
    server = servers()
    make_sockets(server)
    assert server.LISTENERS == []
    assert not hasattr(sock.BaseSocket, "_is_listening")


def test_an_address_that_another_server_has_taken_meanwhile_is_an_error(servers: Callable[..., Any]) -> None:
    server = servers()
    make_sockets(server)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(server.LISTENERS[0].sock.getsockname())
        other.listen(1)
        with pytest.raises(OSError, match="Address already in use"):
            start_listening(worker_of(server))


@pytest.mark.server
@pytest.mark.parametrize("worker", ["proxyhooks.gunicorn.worker.Worker", "gthread", "gevent", "sync"])
def test_a_server_that_starts_refuses_connections_and_then_answers(worker: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LOADING_APP)
    port, log = free_port(), tmp_path / "log"
    command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn", "-k", worker]
    command += ["-w", "2", "-b", f"127.0.0.1:{port}", "-b", f"unix:{tmp_path}/socket", "app:app"]
    process = start_process(command, log, cwd=tmp_path, env=server_environment(HERE=str(tmp_path)))
    try:
        wait_until((tmp_path / "loads").exists, "a worker that loads the application")
        for _ in range(5):
            assert is_refused(("127.0.0.1", port))
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as client:  # such a socket is not touched
            client.connect(str(tmp_path / "socket"))
        (tmp_path / "go").write_text("")
        wait_until(lambda: answers(port, "/livez"), "an answer")
        assert [http_client.request(port, "GET", "/readyz").status for _ in range(5)] == [200] * 5
    finally:
        assert stop_process(process) == 0
    assert "[ERROR]" not in log.read_text()
