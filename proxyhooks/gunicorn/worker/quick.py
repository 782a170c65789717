"""The quick path: the usual request, parsed by gunicorn_h1c straight into a WSGI environ, and its response.

gunicorn's ``Request`` and ``wsgi.create`` make the same environ, but take several times as long. A test compares them.
"""

# Pyright brings type stubs of another version of gunicorn.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.message import MAX_REQUEST_LINE
from gunicorn.http.unreader import Unreader

from .connection import Connection

try:
    import gunicorn_h1c
except ImportError:
    gunicorn_h1c = None
_h1c: Any = gunicorn_h1c

MAX_BODY: Final = 1024 * 1024 + 65_536
"""Bytes of a body that the worker collects. A thread reads a larger one. Hooks accept 1 MiB unless told otherwise."""
_MAX_REQUEST_HEADS: Final = 256
"""Number of request heads whose environs are kept."""
_MAX_KEPT_REQUEST_HEAD: Final = 2048
"""Bytes. The environs of larger request heads are not kept."""
_MAX_REPLY_HEADS: Final = 1024
"""Number of reply heads that are kept. Most of them differ in Content-Length only."""
# gunicorn's Request parses what this does not match: a query, a quoted character, a fragment, an absolute URI, CONNECT.
_USUAL_LINE: Final = re.compile(
    rb"(?:POST|GET|PUT|PATCH|DELETE|HEAD|OPTIONS) /(?!/)[A-Za-z0-9._~!$&'()*+,;=:@/-]* HTTP/1\.1\r\n"
)
_UNDERSCORE_IN_NAME: Final = re.compile(rb"\n[^:\r\n]*_")


class BufferedUnreader(Unreader):
    """gunicorn's source of bytes, for bytes that have been read already."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return nothing: no more bytes follow."""
        return b""

    def feed(self, data: bytes) -> None:
        """Replace the bytes."""
        self.buf = io.BytesIO()
        self.buf.write(data)


class QuickRequest:
    """Stands in for gunicorn's ``Request``: what gunicorn's response needs to know of a request."""

    __slots__ = ("body", "method", "must_close", "path", "unreader")

    version: Final = (1, 1)
    headers: Final = ()
    trailers: Final = ()
    query: Final = ""
    fragment: Final = ""
    scheme: Final = "http"
    proxy_protocol_info: Final = None
    _expected_100_continue: Final = False

    def __init__(self, method: str, path: str, unreader: BufferedUnreader) -> None:
        self.method = method
        self.path = path
        self.unreader = unreader
        self.must_close = False
        self.body: Any = None
        """A file with the body, once it has arrived."""

    @property
    def uri(self) -> str:
        return self.path

    def force_close(self) -> None:
        self.must_close = True

    def should_close(self) -> bool:
        return self.must_close


class _RequestHead(NamedTuple):
    """A parsed head of a request."""

    environ: dict[str, Any]
    """Without the keys that depend on the connection or the worker."""
    size: int
    """Bytes of the body."""


class QuickParser:
    """Parses the head of a usual request with gunicorn_h1c, straight into a WSGI environ.

    A request is usual if gunicorn's ``Request`` would surely make the same environ of it. It parses all others.
    """

    @staticmethod
    def supports(cfg: Any) -> bool:
        """Whether gunicorn_h1c is there, and gunicorn configured so that the environs are the same."""
        return (
            _h1c is not None
            and hasattr(_h1c, "LimitRequestLine")
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
        self._request_heads: dict[bytes, _RequestHead] = {}
        """Parsed heads by their bytes, which decide alone what a head means."""
        self._parse_to_wsgi_environ = _h1c.parse_to_wsgi_environ
        self._parse_error = _h1c.ParseError
        self._max_fields = cfg.limit_request_fields
        self._max_field_size = cfg.limit_request_field_size
        self._max_line = min(cfg.limit_request_line, MAX_REQUEST_LINE)
        schemes = ("HTTP_" + name.upper().replace("-", "_") for name in cfg.secure_scheme_headers)
        self._unusual_keys = frozenset(
            ("HTTP_CONNECTION", "HTTP_EXPECT", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", *schemes)
        )
        """Keys of the environ that a usual request does not have."""

    def parse(self, connection: Connection, head: bytes) -> int | None:
        """Parse the head, if it is a usual one, and give the connection its environ.

        :return: bytes of the body; None if the request is not a usual one.
        """
        server, client = connection.server, connection.client
        if type(server) is not tuple or type(client) is not tuple:  # a Unix socket
            return None
        # Heads repeat: those of one hook mostly differ in Content-Length.
        known = self._request_heads.get(head)
        if known is None:
            known = self._parse_head(head)
            if known is None:
                return None
            if len(head) <= _MAX_KEPT_REQUEST_HEAD:
                if len(self._request_heads) >= _MAX_REQUEST_HEADS:
                    self._request_heads.clear()
                self._request_heads[head] = known
        environ = known.environ.copy()
        environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
        parser = connection.parser
        parser.mesg = QuickRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], parser.unreader)
        parser.req_count += 1
        connection.environ = environ
        return known.size

    def _parse_head(self, head: bytes) -> _RequestHead | None:
        """Return the parsed head; None if it is not a usual one."""
        if _USUAL_LINE.match(head) is None:
            return None
        try:
            environ = self._parse_to_wsgi_environ(
                head, None, None, "http", self._max_line, self._max_fields, self._max_field_size
            )
        except self._parse_error:
            return None
        length = environ.get("CONTENT_LENGTH", "0")
        if (
            environ.pop("_consumed") != len(head)
            or not self._unusual_keys.isdisjoint(environ)
            or not (length.isdecimal() and len(length) < 8)
            or (size := int(length)) > MAX_BODY
            # gunicorn_h1c joins two fields of the same name.
            or "," in environ.get("HTTP_HOST", "")
            or "," in environ.get("CONTENT_TYPE", "")
            or (b"_" in head and _UNDERSCORE_IN_NAME.search(head))
        ):
            return None
        environ["RAW_URI"] = environ["PATH_INFO"]
        return _RequestHead(environ, size)


class _ReplyHead(NamedTuple):
    """What gunicorn's response makes of a status and headers."""

    status_code: int
    headers: list[tuple[str, str]]
    response_length: int
    start: bytes
    """The status line."""
    end: bytes
    """The headers of the application, and the empty line."""


class QuickResponse(wsgi.Response):
    """gunicorn's response, which keeps what it makes of a status and headers for the next reply that has the same."""

    status: str | None
    status_code: int
    headers: list[tuple[str, str]]
    response_length: int | None
    headers_sent: bool

    _heads: ClassVar[dict[Any, _ReplyHead]] = {}
    """By status and headers."""
    _server_and_date = b""
    """The first headers of all replies of one second."""
    _second = 0
    """The second of :attr:`_server_and_date`, in Unix time."""

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._head: _ReplyHead | None = None
        if exc_info is not None or self.status is not None or self.req.method == "HEAD":
            return super().start_response(status, headers, exc_info)
        try:
            key = (status, *headers)
            head = self._heads.get(key)
        except TypeError:  # a header that is a list
            return super().start_response(status, headers)
        if head is None:
            super().start_response(status, headers)
            if self.response_length is None or self.upgrade or self.status_code in (204, 304):
                return self.write
            lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
            head = _ReplyHead(
                self.status_code,
                self.headers,
                self.response_length,
                f"HTTP/1.1 {status}\r\n".encode("latin-1"),
                f"{lines}\r\n".encode("latin-1"),
            )
            if len(self._heads) >= _MAX_REPLY_HEADS:
                self._heads.clear()
            self._heads[key] = head
        self.status = status
        self.status_code, self.response_length = head.status_code, head.response_length
        # A copy: gunicorn adds the headers of an error response that replaces this one.
        self.headers = list(head.headers)
        self._head = head
        return self.write

    def send_headers(self) -> None:
        head = self._head
        if head is None or self.headers_sent:
            super().send_headers()
            return
        now = int(time.time())
        if now != QuickResponse._second:
            server_and_date = f"Server: {self.version}\r\nDate: {util.http_date(now)}\r\nConnection: "
            QuickResponse._server_and_date = server_and_date.encode("latin-1")
            QuickResponse._second = now
        connection = b"close\r\n" if self.should_close() else b"keep-alive\r\n"
        self.sock.sendall(b"".join((head.start, self._server_and_date, connection, head.end)))
        self.headers_sent = True

    def send_early_hints(self, headers: list[tuple[str, str]]) -> None:
        """The environ's ``wsgi.early_hints``."""
        callback: Callable[[list[tuple[str, str]]], None] = wsgi._make_early_hints_callback(self.req, self.sock, self)
        callback(headers)
        self.sock.flush()
