"""Connections that gunicorn's gthread code reads from, in a thread."""

# Pyright brings type stubs of another version of gunicorn.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import socket

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from ..limited_request import LimitedRequest


class TimedSocket(socket.socket):
    """A socket whose calls never block for longer than a limit, not even while gunicorn's code makes it blocking."""

    limit: float
    """Seconds."""

    def setblocking(self, flag: bool) -> None:
        self.settimeout(self.limit if flag else 0.0)


class GthreadConnection(TConn):
    """A connection that gthread's code reads from, with :class:`LimitedRequest` for its requests."""

    limit: float
    """Seconds that a thread waits for the client's next byte."""

    def init(self) -> None:
        """gunicorn calls this for each request, after it has made the socket blocking."""
        super().init()
        if isinstance(self.parser, RequestParser):  # HTTP/2 connections may be idle
            self.sock.settimeout(self.limit)
            self.parser.mesg_class = LimitedRequest
