"""Whole workers in a gunicorn process, with a plain WSGI application."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gunicorn.differential.servers import make_certificate
from tests.support import http_client
from tests.support.servers import (
    STOP_TIMEOUT,
    accepts_connections,
    answers,
    free_port,
    running_server,
    server_environment,
)
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

APP = """
import os
import sys
import time
from pathlib import Path

here = Path(os.environ["HERE"])
if "SWITCH_INTERVAL" in os.environ:
    sys.setswitchinterval(float(os.environ["SWITCH_INTERVAL"]))


def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/exit":
        sys.exit(3)
    if path == "/interrupt":
        raise KeyboardInterrupt
    if path == "/close":
        environ["proxyhooks.close_connection"] = True
    if path == "/wait":
        (here / f"waits{environ['QUERY_STRING']}").write_text("")
        deadline = time.monotonic() + 60
        while not (here / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    if path == "/hung_up":
        (here / "hung_up").write_text(str(environ["proxyhooks.received"]))
    if path == "/log":
        environ["wsgi.errors"].write("application\\n")
    if path == "/switch_interval":
        body = str(sys.getswitchinterval()).encode()
    reply = str(os.getpid()).encode() + b" " + body
    start_response("200 OK", [("Content-Length", str(len(reply)))])
    return [reply]
"""


class Server:
    def __init__(self, here: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.here = here
        self.port = port
        self.process = process

    def pid(self) -> int:
        """The process of a worker."""
        return int(http_client.request(self.port, "GET", "/").text.split()[0])

    def connect(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=DEFAULT_TIMEOUT)
        client.sendall(data)
        return client

    def log(self) -> str:
        return (self.here / "error.log").read_text()


@contextmanager
def running(here: Path, *options: str, **environ: str) -> Iterator[Server]:
    (here / "app.py").write_text(APP)
    port = free_port()
    command = [str(Path(sys.executable).with_name("gunicorn")), "--no-control-socket", "--error-logfile", "error.log"]
    command += ["-k", "proxyhooks.gunicorn.worker.Worker", "--keep-alive", "60", "--threads", "2", *options]
    command += ["-b", f"127.0.0.1:{port}", "-b", "unix:app.sock", "app:app"]
    env = server_environment(HERE=str(here), **environ)
    is_ready = accepts_connections if "--certfile" in options else answers
    with running_server(command, here / "output", is_ready=lambda: is_ready(port), cwd=here, env=env) as process:
        yield Server(here, port, process)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


def read_all(client: socket.socket) -> bytes:
    data = bytearray()
    while part := client.recv(65_536):
        data += part
    return bytes(data)


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def chunked(path: str) -> bytes:
    return get(path, "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n"


def test_sigterm_waits_for_what_is_under_way(server: Server) -> None:
    with server.connect(get("/wait")) as waits, server.connect() as idle:
        wait_until((server.here / "waits").exists, "the request to be served")
        server.process.terminate()
        wait_until(lambda: not answers(server.port), "the worker to accept no more")
        idle.sendall(get("/"))  # has been accepted: it gets its reply
        assert b"\r\nConnection: close\r\n" in read_all(idle)
        (server.here / "go").write_text("")
        reply = read_all(waits)
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert server.process.wait(STOP_TIMEOUT) == 0


def test_sigterm_gives_up_after_the_graceful_timeout(tmp_path: Path) -> None:
    with running(tmp_path, "--graceful-timeout", "1") as server, server.connect(get("/wait")) as waits:
        wait_until((server.here / "waits").exists, "the request to be served")
        server.process.terminate()
        assert server.process.wait(STOP_TIMEOUT) == 0
        assert not (server.here / "go").exists()
        assert not read_all(waits).startswith(b"HTTP/1.1 200 ")


def test_another_worker_takes_over_after_max_requests_and_no_call_is_lost(tmp_path: Path) -> None:
    with running(tmp_path, "--max-requests", "5") as server:
        pids = {server.pid() for _ in range(30)}
    assert len(pids) > 3


def test_logs_are_reopened_after_usr1(server: Server) -> None:
    pid = server.pid()
    log, old = server.here / "error.log", server.here / "old.log"
    log.rename(old)
    server.process.send_signal(signal.SIGUSR1)
    wait_until(log.exists, "a new log")
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: http_client.request(server.port, "GET", "/log") and "application" in log.read_text(), "a line")
    assert server.pid() == pid


@pytest.mark.parametrize("path", ["/exit", "/interrupt"])
@pytest.mark.parametrize("make", [get, chunked])
def test_an_application_that_exits_loses_only_its_own_request(server: Server, path: str, make: object) -> None:
    assert callable(make)
    pid = server.pid()
    for _ in range(5):  # more often than there are threads
        with server.connect(make(path)) as client:
            reply = read_all(client)
            assert reply == b"" or reply.startswith(b"HTTP/1.1 500 ")
            if make is get:
                assert reply
    assert server.pid() == pid
    assert "Error handling request" in server.log()


@pytest.mark.parametrize(("chosen", "used"), [({}, "0.001"), ({"SWITCH_INTERVAL": "0.02"}, "0.02")])
def test_quick_calls_wait_shortly_for_threads_that_compute(tmp_path: Path, chosen: dict[str, str], used: str) -> None:
    with running(tmp_path, **chosen) as server:
        reply = http_client.request(server.port, "GET", "/switch_interval").text
    assert reply.split()[1] == used


def test_the_application_can_end_the_connection(server: Server) -> None:
    for make in (get, chunked):
        with server.connect(make("/close")) as client:
            assert b"\r\nConnection: close\r\n" in read_all(client)
        with server.connect(make("/") + get("/close")) as client:
            reply = read_all(client)
            assert re.findall(rb"\r\nConnection: ([a-z-]+)\r\n", reply) == [b"keep-alive", b"close"]


def test_a_call_whose_caller_has_hung_up_in_the_queue_is_marked(server: Server) -> None:
    with server.connect(get("/wait?1")), server.connect(get("/wait?2")):
        for number in (1, 2):
            wait_until((server.here / f"waits{number}").exists, "the threads to be busy")
        with server.connect(get("/hung_up")):
            time.sleep(0.3)  # longer than a request that counts as having waited
        time.sleep(0.3)
        (server.here / "go").write_text("")
        wait_until((server.here / "hung_up").exists, "the call")
        wait_until((server.here / "hung_up").read_text, "its mark")
    assert (server.here / "hung_up").read_text() == "-inf"


def test_a_unix_socket_serves_and_tells_when_a_request_was_complete(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEFAULT_TIMEOUT)
        client.connect(str(server.here / "app.sock"))
        before = time.monotonic()
        client.sendall(get("/hung_up", "Connection: close"))
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    # Both processes have the same monotonic clock.
    assert before <= float((server.here / "hung_up").read_text()) <= time.monotonic()


def test_a_byte_now_and_then_holds_no_thread(server: Server) -> None:
    clients = [server.connect(b"GET / HTTP/1.1\r\nX: ") for _ in range(8)]
    clients += [server.connect(get("/", "Content-Length: 100") + b"a") for _ in range(8)]
    clients += [server.connect(get("/", "Transfer-Encoding: chunked") + b"1") for _ in range(8)]
    try:
        pid = server.pid()
        for _ in range(20):
            assert server.pid() == pid
    finally:
        for client in clients:
            client.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="no handshake"),
        pytest.param(b"GET / HTTP/1.1\r\nHo", id="half a head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", id="no body"),
    ],
)
def test_over_tls_a_thread_does_not_wait_for_ever(tmp_path: Path, data: bytes | None) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    tls = ("--certfile", str(certificate), "--keyfile", str(key))
    with running(tmp_path, *tls, PROXYHOOKS_CLIENT_BODY_TIMEOUT="1") as server, server.connect() as client:
        if data is None:
            client.sendall(b"\x16")  # the first byte of a ClientHello
            assert read_all(client) == b""
        else:
            with context.wrap_socket(client, server_hostname="localhost") as encrypted:
                encrypted.sendall(data)
                assert not read_all(encrypted).startswith(b"HTTP/1.1 200 ")
