"""What gunicorn's own workers lack against callers that have no secret.

gunicorn limits each field of a head, but hardly the head. It reads a head in small pieces, and copies and searches all
of it after each. And the one thread of a worker that accepts and hands out connections also closes them, after it has
waited for up to two seconds until the peer does so, too.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from .._wire.environ_keys import CLOSE_CONNECTION
from .descriptors import max_connections

_MAX_DRAINED: Final = 64 * 1024
"""Bytes."""


def harden(worker: Any) -> None:
    """Limit what callers can do to this worker, which has loaded the application."""
    # Imported here: the command line imports this package without gunicorn.
    from gunicorn import util
    from gunicorn.http.parser import RequestParser

    from .limited_request import LimitedRequest

    RequestParser.mesg_class = LimitedRequest
    util.close_graceful = close_at_once
    worker.wsgi = closing_on_request(worker.wsgi)
    if hasattr(worker, "max_keepalived"):  # gthread
        worker.worker_connections = min(worker.worker_connections, max_connections())
        # Of more connections, each is closed after its reply.
        worker.max_keepalived = worker.worker_connections - worker.cfg.threads


def close_at_once(sock: socket.socket, *_: Any, **__: Any) -> None:
    """Close a connection as gunicorn's ``close_graceful`` does, but without waiting for the peer.

    What the peer has sent so far is read, since the kernel would otherwise drop the end of the reply.
    """
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.setblocking(False)
        drained = 0
        while drained < _MAX_DRAINED and (received := sock.recv(_MAX_DRAINED)):
            drained += len(received)
    except OSError:  # nothing more to read, or no connection
        pass
    finally:
        sock.close()


def closing_on_request(wsgi: Callable[..., Any]) -> Callable[..., Any]:
    """The WSGI application, with replies that announce the close of the connection where it asks for that."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            if environ.get(CLOSE_CONNECTION):
                start_response.__self__.force_close()  # gunicorn's response; it drops a header "Connection"
            return start_response(status, headers, exc_info)

        return wsgi(environ, start)

    return application
