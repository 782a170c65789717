"""The HTTP server of the metrics process: one page, with limits for its clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from proxyhooks.gunicorn.metrics import http_server
from proxyhooks.gunicorn.metrics.http_server import MetricsServer

LIMIT = 60.0
"""Seconds."""


class Served:
    """A server, and what it called."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.environs: list[dict[str, str]] = []
        self.errors = 0
        self.port = 0

    def application(self, environ: dict[str, str], start_response: Callable[..., Any]) -> list[bytes]:
        self.environs.append(environ)
        if not self.body:
            raise RuntimeError("boom")
        start_response("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
        return [self.body]

    def count_error(self) -> None:
        self.errors += 1

    async def ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        try:
            return await reader.read()
        finally:
            writer.close()


def serve(test: Callable[[Served], Awaitable[None]], body: bytes = b"metrics 1\n") -> Served:
    """Run a test against a server."""
    served = Served(body)

    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        served.port = sock.getsockname()[1]
        async with asyncio.timeout(LIMIT), await MetricsServer(served.application, served.count_error).start(sock):
            await test(served)

    asyncio.run(main())
    return served


@pytest.mark.parametrize(
    ("request_line", "status", "length", "has_body"),
    [
        ("GET /metrics HTTP/1.1", "200 OK", 10, True),
        ("GET /metrics?a=b HTTP/1.0", "200 OK", 10, True),
        ("HEAD /metrics HTTP/1.1", "200 OK", 10, False),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", 19, True),
        ("GET / HTTP/1.1", "404 Not Found", 10, True),
        ("GET /metrics/x HTTP/1.1", "404 Not Found", 10, True),
        ("GET /metrics", "400 Bad Request", 12, True),
        ("\x16\x03\x01", "400 Bad Request", 12, True),
        ("PRI * HTTP/2.0", "400 Bad Request", 12, True),
    ],
)
def test_only_get_and_head_of_metrics_are_answered(request_line: str, status: str, length: int, has_body: bool) -> None:
    async def test(served: Served) -> None:
        head, _, body = (await served.ask(f"{request_line}\r\n\r\n".encode("latin-1"))).partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == f"HTTP/1.1 {status}"
        assert f"Content-Length: {length}" in lines
        assert "Connection: close" in lines
        assert len(body) == (length if has_body else 0)
        assert ("Allow: GET, HEAD" in lines) == (status[:3] == "405")

    serve(test)


def test_prometheus_client_gets_what_the_scraper_accepts_and_no_other_header() -> None:
    async def test(served: Served) -> None:
        fields = b"Host: x\r\nACCEPT: application/openmetrics-text\r\naccept-encoding:gzip\r\nCookie: a"
        assert b"200 OK" in await served.ask(b"GET /metrics?name[]=x HTTP/1.1\r\n" + fields + b"\r\n\r\n")

    assert serve(test).environs == [
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/metrics",
            "QUERY_STRING": "",
            "HTTP_ACCEPT": "application/openmetrics-text",
            "HTTP_ACCEPT_ENCODING": "gzip",
        }
    ]


def test_an_error_is_logged_and_answered_with_500() -> None:
    async def test(served: Served) -> None:
        assert b"500 Internal" in await served.ask(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"500 Internal" in await served.ask(b"GET /metrics HTTP/1.1\r\n\r\n")

    assert serve(test, body=b"").errors == 2


def test_a_head_without_end_is_refused() -> None:
    async def test(served: Served) -> None:
        assert (await served.ask(b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 5000)).startswith(b"HTTP/1.1 431")

    assert serve(test).environs == []


def test_clients_that_send_nothing_or_read_nothing_do_not_block_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_MAX_CONNECTIONS", 4)

    async def test(served: Served) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
        for _, writer in silent[10:]:
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")  # and read none of 8 MB
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        for _, other in silent:
            other.transport.abort()
        writer.close()

    serve(test, body=bytes(8_000_000))


def test_a_connection_ends_after_a_time_also_if_a_byte_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_TIME_LIMIT", 0.3)

    async def test(served: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with suppress(ConnectionError):  # it may end with a reset, after which the reader is never at its end
            while not reader.at_eof():
                writer.write(b"a")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.05)
        writer.transport.abort()

    serve(test)


def test_connections_that_come_at_once_do_not_exceed_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_MAX_CONNECTIONS", 4)
    monkeypatch.setattr(http_server, "_TIME_LIMIT", 1000.0)

    async def test(served: Served) -> None:
        # The server accepts none of them before all are there.
        clients = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(20)]
        for client in clients[:16]:
            client.setblocking(False)
            with suppress(ConnectionError):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
        for client in clients:
            client.close()

    serve(test)
