"""An HTTP client for servers on this machine."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message

TIMEOUT = 60.0
"""Seconds to connect, and for each read and write."""


@dataclass
class Response:
    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def connect(port: int, timeout: float = TIMEOUT) -> closing[http.client.HTTPConnection]:
    """A connection that the ``with`` block closes."""
    return closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout))


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | str | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
    *,
    timeout: float = TIMEOUT,
) -> Response:
    """Send one request on a connection of its own. A redirect is not followed.

    :param body: an iterator is sent in chunks.
    """
    with connect(port, timeout) as connection:
        chunked = isinstance(body, Iterator)
        connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
