"""gunicorn's own workers in whole servers: what a caller without the secret cannot do to them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server, server_environment

pytestmark = pytest.mark.server

APP = """
from flask import Flask

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

app = Flask("app")
# On a busy machine, no call is to be refused because it has waited.
app.config["PROXYHOOKS_TIMEOUT"] = 600
hooks = ProxyHooks(app, secrets=["s3cret"])


@hooks.rpc
def rpc(req: RPCRequest) -> RPCResult:
    return RPCResult(data="served")
"""
REFUSED = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Server:
    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=http_client.TIMEOUT)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes, and return all that comes until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return connection.makefile("rb").read()

    def serves(self) -> bool:
        headers = {"X-Proxyhooks-Secret": SECRET}
        return http_client.request(self.port, "POST", "/centrifugo/rpc", "{}", headers).status == 200


BAD_CHUNK = (
    f"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\nX-Proxyhooks-Secret: {SECRET}\r\n"
    "Transfer-Encoding: chunked\r\n\r\nno length\r\n"
).encode()


@pytest.fixture(scope="module", params=["gthread", "gevent", "sync"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "gevent":
        pytest.importorskip("gevent")
    here, port = tmp_path_factory.mktemp(request.param), free_port()
    (here / "app.py").write_text(APP)
    command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn"]
    command += ["-k", request.param, "-w", "1", "-b", f"127.0.0.1:{port}", "app:app"]
    log = here / "gunicorn.log"
    with running_server(command, log, is_ready=lambda: answers(port), cwd=here, env=server_environment()):
        yield Server(port, log)


def test_a_caller_without_the_secret_loses_its_connection(server: Server) -> None:
    reply = server.exchange(REFUSED)
    assert reply.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nConnection: close\r\n" in reply


def test_after_a_body_that_cannot_be_read_the_connection_ends(server: Server) -> None:
    reply = server.exchange(BAD_CHUNK + REFUSED)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert "/centrifugo/rpc: the body cannot be read: InvalidChunkSize(" in server.log.read_text()


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", id="closed by request"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="no request"),
        pytest.param(REFUSED, id="without the secret"),
        pytest.param(REFUSED[:-2], id="without the secret and the body"),
    ],
)
def test_peers_that_do_not_close_their_connections_delay_nobody(server: Server, request_head: bytes) -> None:
    # A worker that waits for each of them for two seconds serves the calls below too late for the client.
    peers = [server.connect() for _ in range(60)]
    for peer in peers:
        peer.sendall(request_head)
    for peer in peers:
        assert peer.recv(12).startswith(b"HTTP/1.")
    assert [server.serves() for _ in range(3)] == [True] * 3
    for peer in peers:
        peer.close()


def test_a_head_that_is_too_large_is_refused_before_it_ends(server: Server) -> None:
    head = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\n"
    head += b"".join(b"X-%d: %s\r\n" % (number, b"x" * 50_000) for number in range(3))
    with suppress(ConnectionError):  # if the server has not read all of it when it closes the connection
        assert server.exchange(head).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_bytes", [REFUSED, b"GET / HTTP/9.9\r\n\r\n"], ids=["without the secret", "no request"]
)
def test_callers_cannot_flood_the_log(server: Server, request_bytes: bytes) -> None:
    before = len(server.log.read_text().splitlines())
    for _ in range(500):
        server.exchange(request_bytes)
    assert len(server.log.read_text().splitlines()) - before < 100
