"""The HTTP server of the metrics process: one page, with limits for its clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

PATH: Final = "/metrics"

_TIME_LIMIT: Final = 10.0
"""Seconds for a connection, from accept to the last byte of the response. Prometheus waits 10 s by default."""
_MAX_HEAD: Final = 16_384
"""Bytes of a request's head."""
_MAX_CONNECTIONS: Final = 32
"""If there are more, the oldest one is closed."""


class MetricsServer:
    """Answers each connection once, with what a WSGI application says to ``GET /metrics``.

    :param application: is called with an environ that has what prometheus_client needs.
    :param log_error: logs the exception that the application has just raised.
    """

    def __init__(self, application: Callable[..., list[bytes]], log_error: Callable[[], None]) -> None:
        self._application = application
        self._log_error = log_error
        self._connections: dict[asyncio.Task[Any], None] = {}

    async def start(self, sock: socket.socket) -> asyncio.Server:
        """Serve the connections of a listening socket, in the background."""
        return await asyncio.start_server(self._serve, sock=sock, limit=_MAX_HEAD)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _MAX_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]  # now, so that the next connection does not count it
            oldest.cancel()
        self._connections[task] = None
        try:
            async with asyncio.timeout(_TIME_LIMIT):
                # Only what has arrived by then: drain waits until the client has read everything.
                writer.transport.set_write_buffer_limits(high=0)
                writer.write(await self._response(reader))
                await writer.drain()
                writer.write_eof()
                await reader.read(_MAX_HEAD)  # a close while there is more to read could drop the end of the response
        except (asyncio.CancelledError, TimeoutError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._connections.pop(task, None)
            writer.transport.abort()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _pack(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        line, *fields = head.decode("latin-1").split("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _pack(HTTPStatus.BAD_REQUEST)
        method, target, _ = words
        if target.partition("?")[0] != PATH:
            return _pack(HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            return _pack(HTTPStatus.METHOD_NOT_ALLOWED, [("Allow", "GET, HEAD")])
        response = self._call_application(fields)
        return response if method == "GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    def _call_application(self, fields: list[str]) -> bytes:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": PATH, "QUERY_STRING": ""}
        for field in fields:
            name, _, value = field.partition(":")
            if name.lower() in ("accept", "accept-encoding"):
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value.strip()
        headers: list[tuple[str, str]] = []
        try:
            body = b"".join(self._application(environ, lambda _, sent: headers.extend(sent)))
        except Exception:
            self._log_error()
            return _pack(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _pack(HTTPStatus.OK, headers, body)


def _pack(status: HTTPStatus, headers: list[tuple[str, str]] | None = None, body: bytes = b"") -> bytes:
    if status != HTTPStatus.OK:
        body = f"{status.phrase}\n".encode()
        headers = [("Content-Type", "text/plain"), *(headers or [])]
    fields = [*(headers or []), ("Content-Length", str(len(body))), ("Connection", "close")]
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
