"""Serves the requests of the worker: gunicorn's code around the WSGI application, in a thread."""

# Pyright brings type stubs of another version of gunicorn.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from typing import Any, Final

from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import FileWrapper, base_environ

from ..._wire.environ_keys import ACCEPTED, CLOSE_CONNECTION, RECEIVED
from ..._wire.probes import METHODS
from ..connection_age import expiry_from_now
from .connection import Connection
from .connections import ENDED, MAX_WAITING_BYTES
from .gthread_connection import GthreadConnection, TimedSocket
from .quick import QuickResponse

_QUEUED: Final = 0.05
"""Seconds. A request that waited for longer waited in a queue."""
_LARGE: Final = 65_536
"""Bytes of a body from which on it counts in the bound for memory."""
_MAX_GTHREAD_JOBS: Final = 64
"""Requests that may wait until gthread's code serves them. More are refused."""


class RequestHandler:
    """Serves the requests of a worker.

    :param worker: gunicorn's worker. Its :meth:`handle` serves what is not a usual request.
    :param application: the WSGI application.
    :param release: takes back a connection; its second argument is whether the connection stays open.
    :param permits: has an item for each thread that may wait for a client.
    :param max_age: seconds after which a connection ends with a reply.
    :param body_timeout: seconds that a thread waits for more of a body.
    :param probe_paths: the paths of probes.
    :param run_probe: serves a probe in another thread than those of the worker. They may all be busy, which is no
        reason to restart the server.
    """

    def __init__(
        self,
        worker: Any,
        application: Callable[..., Iterable[bytes]],
        release: Callable[[Connection, bool], None],
        *,
        permits: list[None],
        max_age: float,
        body_timeout: float,
        probe_paths: Set[str],
        run_probe: Callable[[Connection], object],
    ) -> None:
        cfg = worker.cfg
        self._worker = worker
        self._application = application
        self._release = release
        self._max_age = max_age
        self._body_timeout = body_timeout
        self._probe_paths = probe_paths
        self._run_probe = run_probe
        self._keepalive = cfg.keepalive
        self._pre_request = cfg.pre_request
        self._environ: dict[str, Any] = {}
        """What the environs of all requests share."""
        self.reopen_logs()
        self._serving = threading.local()
        """Its attribute ``connection`` is the one that the current thread serves."""
        self._gthread_jobs: deque[Connection] = deque()
        """Connections whose requests wait for a permit, and are then served by gthread's code."""
        self._permits = permits
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        """Bytes of large bodies that are complete and wait for a thread."""
        self.ready: deque[Connection] = deque()
        """Connections whose requests may be served now."""

    def reopen_logs(self) -> None:
        """Make anew what the environs of all requests share: ``wsgi.errors`` writes to gunicorn's log files."""
        environ: Any = base_environ(self._worker.cfg)
        self._environ = {**environ, "wsgi.multithread": True, "SCRIPT_NAME": ""}

    def on_request(self, connection: Connection) -> None:
        """Have a request served. Any thread may call this.

        It makes the request ready, or keeps it until a permit is free, or refuses it with 503.
        """
        if connection.needs_thread or connection.foreign:
            connection.needs_thread = True
            if len(self._gthread_jobs) < _MAX_GTHREAD_JOBS or self._worker.cfg.is_ssl:
                self._gthread_jobs.append(connection)
                self._start_gthread_jobs()
            else:
                self._refuse(connection)
        elif not connection.size and self._is_probe(connection):
            self._run_probe(connection)
        elif connection.size < _LARGE or self._count_waiting_bytes(connection.size):
            self.ready.append(connection)
        else:
            self._refuse(connection)

    def _is_probe(self, connection: Connection) -> bool:
        """Whether the request is a probe. Hook calls, which have a body, never get here."""
        if connection.parser.failure is not None:
            return False
        request = connection.parser.mesg
        return request.method in METHODS and request.path in self._probe_paths

    def _refuse(self, connection: Connection) -> None:
        """Refuse a request with 503. Nothing is written to a foreign connection: it may be one of TLS."""
        if not connection.foreign:
            util.write_error(connection.sock, 503, "Service Unavailable", "")
        self._release(connection, False)

    def _count_waiting_bytes(self, size: int) -> bool:
        """Count a large body that waits for a thread; return whether it may wait.

        :param size: bytes; negative for a body that has waited.
        """
        with self._lock:
            if size > 0 and self._waiting_bytes > MAX_WAITING_BYTES:
                return False
            self._waiting_bytes += size
            return True

    def _start_gthread_jobs(self) -> None:
        """Make as many requests ready as there are permits."""
        with self._lock:
            while self._gthread_jobs and self._permits:
                try:
                    self._permits.pop()
                except IndexError:
                    return
                self.ready.append(self._gthread_jobs.popleft())

    def serve(self, connection: Connection) -> bool:
        """Serve a request in this thread; return whether the connection stays open."""
        try:
            return self._serve(connection)
        except BaseException as error:  # such as SystemExit, which gunicorn's code lets through
            if connection.needs_thread or connection.sock.has_begun:
                self._worker.log.exception("Error handling request")
            else:
                self._worker.handle_error(None, connection.sock, connection.client, error)
            return False
        finally:
            if self._gthread_jobs:
                self._start_gthread_jobs()

    def _serve(self, connection: Connection) -> bool:
        self._serving.connection = connection
        if connection.needs_thread:
            return self._serve_by_gthread(connection)
        if connection.size >= _LARGE:
            self._count_waiting_bytes(-connection.size)
        now = time.monotonic()
        if connection.missed_events & ENDED and now - connection.received > _QUEUED:
            # The caller has given up. A caller whose request did not wait may have closed its side only, and read on.
            connection.received = float("-inf")
        parser = connection.parser
        connection.sock.begin()
        if connection.environ is None or parser.failure is not None:
            return bool(self._worker.handle(connection))
        return self._serve_quick(connection, connection.environ)

    def call_application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application, as gunicorn's code calls it."""
        return self._call_application(self._serving.connection, environ, start_response)

    def _call_application(
        self, connection: Connection, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Call the application, and act on what it has put into the environ about the caller."""
        if not connection.needs_thread:
            environ["gunicorn.socket"] = connection.raw  # in place of the BufferedSocket
            environ[RECEIVED] = connection.received
        if not connection.expires:
            connection.expires = expiry_from_now(self._max_age)
        elif time.monotonic() > connection.expires:
            _force_close(connection)
        body = self._application(environ, start_response)
        if ACCEPTED in environ:
            connection.accepted = True
        elif CLOSE_CONNECTION in environ:
            _force_close(connection)
        # A list or a tuple is complete: it is sent with the head in one system call.
        connection.sock.streams = type(body) not in (list, tuple)
        return body

    def _serve_quick(self, connection: Connection, environ: dict[str, Any]) -> bool:
        """Do what gunicorn's ``handle`` does, for a request whose environ exists already."""
        worker = self._worker
        request, sock = connection.parser.mesg, connection.sock
        response = QuickResponse(request, sock, worker.cfg)
        try:
            self._pre_request(worker, request)
            environ.update(self._environ)
            environ["wsgi.input"] = request.body
            environ["wsgi.early_hints"] = response.send_early_hints
            worker.nr += 1
            if worker.nr >= worker.max_requests and worker.alive:
                worker.log.info("Autorestarting worker after current request.")
                worker.alive = False
            if not (worker.alive and self._keepalive):
                response.force_close()
            body: Any = self._call_application(connection, environ, response.start_response)
            try:
                if isinstance(body, FileWrapper):
                    response.write_file(body)
                else:
                    for item in body:
                        response.write(item)
                response.close()
            finally:
                if (close := getattr(body, "close", None)) is not None:
                    close()
            return not response.should_close()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                worker.log.exception("Socket error processing request.")
        except Exception as error:
            if response.headers_sent:
                worker.log.exception("Error handling request")
            else:
                worker.handle_error(request, sock, connection.client, error)
        return False

    def _serve_by_gthread(self, connection: Connection) -> bool:
        """Let gthread's code read and serve a request in this thread."""
        worker = self._worker
        try:
            gthread = connection.thread_connection
            # A foreign connection has one for all of its requests, since that may have read more than one of them.
            if gthread is None or not connection.foreign:
                # Before gunicorn wraps the socket: the handshake of TLS has the limit, too.
                sock = TimedSocket(fileno=connection.raw.detach())
                sock.limit = self._body_timeout
                connection.raw = connection.sock.raw = sock
                gthread = GthreadConnection(worker.cfg, sock, connection.client, connection.server)
                gthread.data_ready = True
                gthread.limit = self._body_timeout
                connection.thread_connection = gthread
                if not connection.foreign:
                    gthread.init()
                    gthread.parser.req_count = connection.parser.req_count - 1
                    gthread.parser.unreader.unread(bytes(connection.buffer))
                    connection.buffer = b""
            try:
                keep = bool(worker.handle(gthread))
            finally:
                connection.raw = gthread.sock
                with suppress(OSError):  # gunicorn may have closed it after an error
                    gthread.sock.setblocking(False)
            if keep and connection.foreign:
                buffered = gthread.parser.unreader.buf.getvalue() or (worker.cfg.is_ssl and gthread.sock.pending())
                connection.pending = bool(buffered)
            elif keep:
                connection.buffer = gthread.parser.unreader.take_buffered()
                connection.parser.req_count = gthread.parser.req_count
            return keep
        finally:
            self._permits.append(None)


def _force_close(connection: Connection) -> None:
    """Have gunicorn end the connection with this reply."""
    parser = connection.thread_connection.parser if connection.needs_thread else connection.parser
    if isinstance(parser, RequestParser):  # and not HTTP/2, whose connections end in another way
        parser.mesg.force_close()


def is_observed(cfg: Any, log: Any, own_pre_request: Any) -> bool:
    """Whether something looks at gunicorn's request objects, which the quick parser does not make.

    :param own_pre_request: the server hook ``pre_request`` of this package, which does not.
    """
    defaults = {name: cfg.settings[name].default for name in ("pre_request", "post_request")}
    return bool(
        cfg.pre_request not in (defaults["pre_request"], own_pre_request)
        or cfg.post_request is not defaults["post_request"]
        or type(log).access is not Logger.access
        or log.access_log_enabled
    )
