"""Collects the bytes of a request until it is complete. gunicorn's own code parses them."""

from __future__ import annotations

import io
import os
import re
from typing import Any, Final

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.http.message import MAX_REQUEST_LINE
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.http2 import negotiation

from .connection import Connection

try:
    import gunicorn_h1c
except ImportError:
    gunicorn_h1c = None

MAX_BODY: Final = 1024 * 1024 + 65_536
"""Bytes of a body that the worker collects. A thread reads a larger one. Hooks accept 1 MiB unless told otherwise."""
_MIN_MAX_HEAD: Final = 128 * 1024
_END_OF_HEAD: Final = b"\r\n\r\n"
_UNDERSCORE_IN_NAME: Final = re.compile(rb"\n[^:\r\n]*_")


class RequestReader:
    """Makes requests of the bytes that a connection receives.

    The usual request is parsed into a WSGI environ in one step, by gunicorn_h1c. gunicorn's ``Request`` parses all
    others, and all of them without gunicorn_h1c.

    :param cfg: gunicorn's configuration.
    """

    def __init__(self, cfg: Any, *, observed: bool) -> None:
        """
        :param observed: whether something looks at gunicorn's request object, such as an access log.
        """
        self._cfg = cfg
        self._max_head = max(_MIN_MAX_HEAD, cfg.limit_request_line + 2 * cfg.limit_request_field_size)
        self._quick = None if observed or not QuickParser.supports(cfg) else QuickParser(cfg)

    def new_parser(self, client: Any) -> BufferedParser:
        return BufferedParser(self._cfg, client)

    def feed(self, connection: Connection, data: bytes) -> bool:
        """Take data that was received; return whether the request is complete, or known to be bad."""
        if connection.missing:
            buffer = connection.buffer
            buffer += data  # type: ignore[operator]  # a bytearray once a body is missing
            connection.missing -= len(data)
            return connection.missing <= 0 and self._complete(connection)
        if connection.buffer:
            if isinstance(connection.buffer, bytes):
                connection.buffer = bytearray(connection.buffer)
            connection.buffer += data
        else:
            connection.buffer = data
        buffer = connection.buffer
        end = buffer.find(_END_OF_HEAD, connection.searched)
        size = len(buffer)
        if (end if end >= 0 else size) > self._max_head:
            connection.parser.failure = LimitRequestHeaders(f"the head is larger than {self._max_head} bytes")
            return True
        if end >= 0:
            connection.searched = end + 1
            return self._parse(connection, bytes(buffer), end + len(_END_OF_HEAD))
        connection.searched = max(0, size - len(_END_OF_HEAD) + 1)
        if size >= connection.parse_at:
            # A head that can no longer be valid is refused at once. It is parsed each time that it has doubled, so that
            # the work for each byte has a bound.
            connection.parse_at = 2 * size
            return self._parse(connection, bytes(buffer), None)
        return False

    def end(self, connection: Connection) -> bool:
        """The client sends no more: return whether there is something to answer."""
        if connection.missing:
            connection.missing = 0
            return self._complete(connection)
        return bool(connection.buffer) and self._parse(connection, bytes(connection.buffer), None)

    def _parse(self, connection: Connection, data: bytes, head: int | None) -> bool:
        """Parse the head, and find out how much of the body is missing.

        :param head: the length of the head, ``None`` if its end was not found.
        """
        if head is not None and self._quick is not None and self._quick.parse(connection, data, head):
            return not connection.missing
        parser = connection.parser
        try:
            parser.parse(data)
        except (NoMoreData, StopIteration):
            return False
        except Exception as error:
            parser.failure = error
            return True
        request = parser.mesg
        reader = request.body.reader
        if (
            not isinstance(reader, LengthReader)
            or reader.length > MAX_BODY
            or any(name == "EXPECT" for name, _ in request.headers)
            or (
                negotiation.upgrade_allowed(self._cfg, connection.client)
                and any(name == "UPGRADE" for name, _ in request.headers)
            )
        ):
            connection.needs_thread = True
            connection.buffer = data
            return True
        body = parser.unreader.take_buffered()
        connection.missing = max(0, reader.length - len(body))
        connection.buffer = bytearray(body) if connection.missing else body
        return not connection.missing and self._complete(connection)

    def _complete(self, connection: Connection) -> bool:
        """Give the body to the request."""
        data = bytes(connection.buffer)
        request = connection.parser.mesg
        if isinstance(request, QuickRequest):
            connection.missing = 0
            request.body = io.BytesIO(data[: request.size])
            connection.buffer = data[request.size :]
        else:
            connection.missing = 0
            connection.parser.unreader.feed(data)
            connection.buffer = b""
        return True


class BufferedUnreader(Unreader):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's source of bytes, for bytes that have been read already."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""

    def feed(self, data: bytes) -> None:
        """Replace the bytes."""
        self.buf = io.BytesIO()
        self.buf.write(data)


class BufferedParser(RequestParser):  # type: ignore[misc]
    """gunicorn's parser of a connection, for requests that have been read already."""

    def __init__(self, cfg: Any, client: Any) -> None:
        super().__init__(cfg, (), client)
        self.unreader = BufferedUnreader()
        self.failure: Exception | None = None
        """Why the request is refused."""

    def parse(self, data: bytes) -> None:
        """Parse the head of a request.

        :raises NoMoreData: if it is incomplete.
        :raises Exception: an exception of gunicorn's, if it is bad.
        """
        self.unreader.feed(data)
        self.mesg = self.mesg_class(self.cfg, self.unreader, self.source_addr, self.req_count + 1)
        self.req_count += 1

    def __next__(self) -> Any:
        """Return the request that was parsed."""
        if self.failure is not None:
            raise self.failure
        return self.mesg


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
