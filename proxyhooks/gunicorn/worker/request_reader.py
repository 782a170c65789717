"""Collects the bytes of a request until it is complete. gunicorn's own parsers parse them."""

# Pyright brings type stubs of another version of gunicorn.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import io
from typing import Any, Final

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.http2 import negotiation

from ..limited_request import max_head
from .connection import Connection
from .quick import MAX_BODY, BufferedUnreader, QuickParser, QuickRequest

_END_OF_HEAD: Final = b"\r\n\r\n"


class RequestReader:
    """Makes requests of the bytes that a connection receives.

    :class:`.quick.QuickParser` parses the usual request. gunicorn's ``Request`` parses all others, and all of them
    without gunicorn_h1c.

    :param cfg: gunicorn's configuration.
    :param observed: whether something looks at gunicorn's request objects, such as an access log: the quick parser
        makes none.
    """

    def __init__(self, cfg: Any, *, observed: bool) -> None:
        self._cfg = cfg
        self._max_head = max_head(cfg)
        self._quick = None if observed or not QuickParser.supports(cfg) else QuickParser(cfg)

    def new_parser(self, client: Any) -> BufferedParser:
        return BufferedParser(self._cfg, client)

    def feed(self, connection: Connection, data: bytes) -> bool:
        """Take data that was received; return whether the request is complete, or known to be bad."""
        if connection.missing_bytes:
            connection.buffer += data
            connection.missing_bytes -= len(data)
            return connection.missing_bytes <= 0 and self._complete(connection)
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
        """Note that the client sends no more; return whether there is something to answer."""
        if connection.missing_bytes:
            connection.missing_bytes = 0
            return self._complete(connection)
        return bool(connection.buffer) and self._parse(connection, bytes(connection.buffer), None)

    def _parse(self, connection: Connection, data: bytes, end: int | None) -> bool:
        """Parse the head; return whether the request is complete, or known to be bad.

        :param end: where the head ends; None if its end was not found.
        """
        if self._quick is not None and end is not None:
            size = self._quick.parse(connection, data[:end])
            if size is not None:
                return self._take_body(connection, size, data[end:])
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
            # gthread's code parses the head again.
            connection.needs_thread = True
            connection.buffer = data
            parser.unreader.feed(b"")
            return True
        return self._take_body(connection, reader.length, parser.unreader.take_buffered())

    def _take_body(self, connection: Connection, size: int, data: bytes) -> bool:
        """Take what has arrived of the body; return whether it is complete.

        :param size: bytes of the body.
        :param data: what follows the head.
        """
        connection.size = size
        connection.missing_bytes = max(0, size - len(data))
        connection.buffer = bytearray(data) if connection.missing_bytes else data
        return not connection.missing_bytes and self._complete(connection)

    def _complete(self, connection: Connection) -> bool:
        """Give the body to the request."""
        connection.missing_bytes = 0
        data = bytes(connection.buffer)
        request = connection.parser.mesg
        if isinstance(request, QuickRequest):
            request.body = io.BytesIO(data[: connection.size])
            connection.buffer = data[connection.size :]
        else:
            connection.parser.unreader.feed(data)
            connection.buffer = b""
        return True


class BufferedParser(RequestParser):
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
