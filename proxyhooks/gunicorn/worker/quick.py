"""The usual request, parsed by gunicorn_h1c straight into a WSGI environ, and its response.

gunicorn's ``Request`` and ``wsgi.create`` would make the same environ in a multiple of the time. A test compares them.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from typing import Any, Final

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.message import MAX_REQUEST_LINE
from gunicorn.http.unreader import Unreader

from .connection import Connection

try:
    import gunicorn_h1c
except ImportError:
    gunicorn_h1c = None

MAX_BODY: Final = 1024 * 1024 + 65_536
"""Bytes of a body that the worker collects. A thread reads a larger one. Hooks accept 1 MiB unless told otherwise."""
_UNDERSCORE_IN_NAME: Final = re.compile(rb"\n[^:\r\n]*_")


class BufferedUnreader(Unreader):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's source of bytes, for bytes that have been read already."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""

    def feed(self, data: bytes) -> None:
        """Replace the bytes."""
        self.buf = io.BytesIO()
        self.buf.write(data)


class QuickRequest:
    """What gunicorn's response and WSGI code need to know of a request whose environ exists already."""

    __slots__ = ("body", "method", "must_close", "path", "size", "unreader")

    version: Final = (1, 1)
    headers: Final = ()
    trailers: Final = ()
    query: Final = ""
    fragment: Final = ""
    scheme: Final = "http"
    proxy_protocol_info: Final = None
    _expected_100_continue: Final = False

    def __init__(self, method: str, path: str, size: int, unreader: BufferedUnreader) -> None:
        self.method = method
        self.path = path
        self.size = size
        """Bytes of the body."""
        self.unreader = unreader
        self.must_close = False
        self.body: Any = None

    @property
    def uri(self) -> str:
        return self.path

    def force_close(self) -> None:
        self.must_close = True

    def should_close(self) -> bool:
        return self.must_close


class QuickParser:
    """Parses the usual request with gunicorn_h1c, straight into a WSGI environ.

    Where gunicorn's ``Request`` might do anything else, it is left to do it: see :meth:`parse`.
    """

    @staticmethod
    def supports(cfg: Any) -> bool:
        """Whether gunicorn is configured so that the environs are the same."""
        return (
            gunicorn_h1c is not None
            and hasattr(gunicorn_h1c, "LimitRequestLine")
            and cfg.http_parser in ("auto", "fast")
            and cfg.proxy_protocol == "off"
            and cfg.header_map == "drop"
            and not cfg.permit_obsolete_folding
            and not cfg.strip_header_spaces
            and not cfg.casefold_http_method
            and not cfg.permit_unconventional_http_method
            and not cfg.permit_unconventional_http_version
            and not os.environ.get("SCRIPT_NAME")
            # 0 and less have special meanings.
            and min(cfg.limit_request_line, cfg.limit_request_fields, cfg.limit_request_field_size) > 0
        )

    def __init__(self, cfg: Any) -> None:
        self._parse_to_wsgi_environ = gunicorn_h1c.parse_to_wsgi_environ
        self._errors = gunicorn_h1c.ParseError
        self._fields = cfg.limit_request_fields
        self._field_size = cfg.limit_request_field_size
        self._line = min(cfg.limit_request_line, MAX_REQUEST_LINE)
        schemes = ("HTTP_" + name.upper().replace("-", "_") for name in cfg.secure_scheme_headers)
        self._special = frozenset(("HTTP_CONNECTION", "HTTP_EXPECT", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", *schemes))

    def parse(self, connection: Connection, data: bytes, head: int) -> bool:
        """Parse the request, if it is a usual one; return whether it is.

        :param head: the length of the head.
        """
        server = connection.server
        if type(server) is not tuple:
            return False
        try:
            environ = self._parse_to_wsgi_environ(
                data, server, connection.client, "http", self._line, self._fields, self._field_size
            )
        except self._errors:
            return False
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"]
        length = environ.get("CONTENT_LENGTH", "0")
        if (
            environ.pop("_consumed") != head
            or environ["SERVER_PROTOCOL"] != "HTTP/1.1"
            # No query, no question mark, and no empty line before the request line.
            or data.find(b"\r\n") != len(method) + len(path) + 10
            or path[0] != "/"
            or path[:2] == "//"
            or "%" in path
            or "#" in path
            or not (path.isascii() and path.isprintable())
            or method == "CONNECT"
            or not self._special.isdisjoint(environ)
            or not (length.isascii() and length.isdecimal() and len(length) < 8)
            or (size := int(length)) > MAX_BODY
            # Two fields of the same name are joined.
            or "," in environ.get("HTTP_HOST", "")
            or "," in environ.get("CONTENT_TYPE", "")
            or (data.find(b"_", 0, head) >= 0 and _UNDERSCORE_IN_NAME.search(data, 0, head))
        ):
            return False
        parser = connection.parser
        parser.mesg = request = QuickRequest(method, path, size, parser.unreader)
        parser.req_count += 1
        connection.environ = environ
        missing = size - (len(data) - head)
        if missing > 0:
            connection.missing = missing
            connection.buffer = bytearray(data[head:])
        else:
            request.body = io.BytesIO(data[head : head + size])
            connection.missing = 0
            connection.buffer = data[head + size :]
        return True


class QuickResponse(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, which formats the date once a second."""

    _second = 0
    _server_and_date = ""

    def default_headers(self) -> list[str]:
        if self.upgrade or self.chunked:
            return list(super().default_headers())
        now = int(time.time())
        if now != QuickResponse._second:
            QuickResponse._server_and_date = f"Server: {self.version}\r\nDate: {util.http_date(now)}\r\nConnection: "
            QuickResponse._second = now
        return [
            f"HTTP/1.1 {self.status}\r\n",
            QuickResponse._server_and_date,
            "close\r\n" if self.should_close() else "keep-alive\r\n",
        ]

    def send_early_hints(self, headers: list[tuple[str, str]]) -> None:
        """The environ's ``wsgi.early_hints``."""
        callback: Callable[[list[tuple[str, str]]], None] = wsgi._make_early_hints_callback(self.req, self.sock, self)
        callback(headers)
        self.sock.flush()
