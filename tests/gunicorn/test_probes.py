"""Probes of whole gunicorn servers: while all threads are busy, and while a worker or the server stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server, server_environment
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

pytestmark = pytest.mark.server

APP = """
import os
import threading
import time
from pathlib import Path

from flask import Flask

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

app = Flask("app")
app.config["PROXYHOOKS_TIMEOUT"] = 600
hooks = ProxyHooks(app, secrets=["s3cret"])
here = Path(os.environ["HERE"])


@hooks.rpc("wait")
def wait(req: RPCRequest) -> RPCResult:
    (here / f"{req.data}.waits").write_text("")
    deadline = time.monotonic() + 60
    while not (here / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return RPCResult(data="served")


@app.route("/<path:path>", methods=["GET", "POST"])
def page(path: str) -> str:
    return threading.current_thread().name
"""
THREADS = 2


class Server:
    def __init__(self, here: Path, port: int, pid: int) -> None:
        self.here = here
        self.port = port
        self.pid = pid

    def probe(self, path: str) -> int:
        return http_client.request(self.port, "GET", path).status

    def exchange(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=http_client.TIMEOUT) as client:
            client.sendall(request)
            return client.makefile("rb").read()

    def wait_call(self, name: str) -> int:
        body = json.dumps({"client": "c", "method": "wait", "data": name})
        return http_client.request(self.port, "POST", "/centrifugo/rpc", body, {"X-Proxyhooks-Secret": SECRET}).status

    @contextmanager
    def all_threads_busy(self) -> Iterator[list[int]]:
        """Each thread has a call until the end of the block. The list then has their statuses."""
        replies: list[int] = []
        threads = [
            threading.Thread(target=lambda name=str(number): replies.append(self.wait_call(name)), daemon=True)
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(list(self.here.glob("*.waits"))) == THREADS, "calls in all threads")
            yield replies
        finally:
            (self.here / "go").write_text("")
            for thread in threads:
                thread.join(DEFAULT_TIMEOUT)


@contextmanager
def running(here: Path) -> Iterator[Server]:
    (here / "app.py").write_text(APP)
    port = free_port()
    command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn"]
    command += ["-w", "1", "--threads", str(THREADS), "-b", f"127.0.0.1:{port}", "app:app"]
    env = server_environment(HERE=str(here))
    with running_server(command, here / "log", is_ready=lambda: answers(port, "/livez"), cwd=here, env=env) as process:
        yield Server(here, port, process.pid)


def statuses(connection: http.client.HTTPConnection, path: str, *, last: int) -> list[int]:
    """Probe on one connection until there is the last status; return the different ones in their order."""
    seen: list[int] = []

    def is_last() -> bool:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.read() == b""
        if response.status not in seen:
            seen.append(response.status)
        if response.status == 503:
            assert response.headers["Connection"] == "close"
        return response.status == last

    wait_until(is_last, f"status {last} of {path}")
    return seen


def test_readiness_fails_on_the_connections_of_a_worker_that_a_reload_replaces(tmp_path: Path) -> None:
    with running(tmp_path) as server, http_client.connect(server.port) as connection:
        assert statuses(connection, "/readyz", last=200) == [200]
        os.kill(server.pid, signal.SIGHUP)
        assert statuses(connection, "/readyz", last=503) == [200, 503]
        assert server.probe("/livez") == 200
        # The old worker may have accepted the connection of a first probe.
        wait_until(lambda: server.probe("/readyz") == 200, "the new worker")


def test_a_worker_whose_threads_are_all_busy_answers_probes_also_while_it_stops(tmp_path: Path) -> None:
    with running(tmp_path) as server, http_client.connect(server.port) as live:
        with server.all_threads_busy() as replies, http_client.connect(server.port) as ready:
            assert [server.probe(path) for path in ("/livez", "/readyz") * 10] == [200] * 20
            assert statuses(live, "/livez", last=200) == statuses(ready, "/readyz", last=200) == [200]
            # gunicorn_h1c leaves such a request to gunicorn's parser
            assert server.exchange(b"HEAD /readyz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 OK\r\n")
            os.kill(server.pid, signal.SIGTERM)
            assert statuses(ready, "/readyz", last=503) == [200, 503]
            assert statuses(live, "/livez", last=200) == [200]
            assert replies == []
        assert replies == [200] * THREADS


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_other_requests_to_the_path_of_a_probe_take_no_thread_of_probes(tmp_path: Path, version: str) -> None:
    # gunicorn_h1c leaves those of HTTP/1.0 to gunicorn's parser
    with running(tmp_path) as server:
        reply = server.exchange(f"POST /livez HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert reply.partition(b"\r\n\r\n")[2].startswith(b"proxyhooks-worker-")
