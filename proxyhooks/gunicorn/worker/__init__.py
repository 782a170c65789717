"""gunicorn's worker for hooks: ``worker_class = "proxyhooks.gunicorn.worker.Worker"``.

The worker reads requests whole, without a thread, and then runs them at once. gunicorn's own code parses the requests,
makes the environs, and writes the replies. What is unusual is left to gunicorn's gthread worker, in a thread: TLS,
HTTP/2, chunked and large bodies, ``Expect``.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from gunicorn import http
from gunicorn.http.wsgi import FileWrapper, base_environ
from gunicorn.glogging import Logger
from gunicorn.http2 import negotiation
from gunicorn.workers.gthread import TConn, ThreadWorker

from ..._settings.settings import read_worker_settings
from .. import server_hooks
from .connection import Connection
from .event_loop import EventLoop, TimeLimits
from .quick import QuickResponse
from .request_reader import RequestReader
from .scheduler import Scheduler

_HANG_UP: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_QUEUED: Final = 0.05
"""Seconds. A request that waited for longer waited in a queue."""
_DESCRIPTORS: Final = 0.75
"""The share of the allowed file descriptors that connections may take; the rest is the application's."""
_STALLED: Final = 10.0
"""Seconds without a turn of the event loop after which the worker does not report to gunicorn's master any more."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module."""

    limits_connection_age = True
    """Tells :func:`proxyhooks.gunicorn.server_hooks.pre_request` to leave that to this worker."""

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._application = self.wsgi
        self.wsgi = self._call_application

    def run(self) -> None:
        cfg = self.cfg
        self._drains = threading.Event()
        self._keepalive = cfg.keepalive
        self._pre_request = None if cfg.pre_request is server_hooks.pre_request else cfg.pre_request
        self._environ = base_environ(cfg) | {"wsgi.multithread": True, "SCRIPT_NAME": ""}
        settings = read_worker_settings()
        self._max_connection_age = settings.keepalive_time or float("inf")
        self._gthread_jobs: deque[Connection] = deque()
        # The clients of these requests can hold a thread by sending slowly. They get half of the threads.
        self._free_for_gthread = cfg.threads if cfg.is_ssl else max(1, cfg.threads // 2)
        self._gthread_lock = threading.Lock()
        self._scheduler = Scheduler(
            cfg.threads,
            wait=lambda block: self._loop.wait(block),
            run=self._serve,
            may_block=lambda connection: connection.needs_thread,
            wake=lambda: self.method_queue.defer(_do_nothing),
        )
        limits = TimeLimits(
            header=settings.client_header_timeout,
            body=settings.client_body_timeout,
            send=settings.send_timeout,
            keepalive=cfg.keepalive,
        )
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        capacity = max(1, min(cfg.worker_connections, int(allowed * _DESCRIPTORS)))
        reader = RequestReader(cfg, observed=_is_observed(cfg, self.log))
        self._loop = EventLoop(self.sockets, reader, limits, capacity, self._on_request, self._is_foreign, cfg.threads)
        self._loop.watch_pipe(self.method_queue.fileno(), lambda: self.method_queue.run_callbacks(None))
        self._scheduler.start()
        self._supervise()
        self._drain()

    def handle_usr1(self, sig: int, frame: Any) -> None:
        super().handle_usr1(sig, frame)
        self._environ = base_environ(self.cfg) | {"wsgi.multithread": True, "SCRIPT_NAME": ""}  # has the log's files

    def _supervise(self) -> None:
        """In the main thread: report to the master, until the worker is to stop."""
        wake = select.poll()
        wake.register(self.PIPE[0], select.POLLIN)
        while self.alive:
            if time.monotonic() - self._loop.last_turn < max(_STALLED, self.timeout):
                self.notify()
            if wake.poll(1000):
                os.read(self.PIPE[0], 4096)
            if not self.is_parent_alive():
                self.alive = False

    def _drain(self) -> None:
        """Serve the connections that there are, for at most gunicorn's ``graceful_timeout``."""
        deadline = time.monotonic() + self.cfg.graceful_timeout
        self.method_queue.defer(self._start_draining)
        self._drains.wait(self.cfg.graceful_timeout)
        while self._loop.connections and time.monotonic() < deadline:
            self.notify()
            time.sleep(0.05)
        self._scheduler.stop(0)
        self.method_queue.defer(_do_nothing)
        self._scheduler.stop(1)
        self._loop.close_all()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _start_draining(self) -> None:
        self._loop.stop_accepting(drain_backlog=False)
        self._loop.draining = True
        self._drains.set()

    def stop_accepting(self, *, drain_backlog: bool) -> None:
        """Accept no more connections.

        :param drain_backlog: first accept those in the kernel's backlog; for sockets that no other process accepts from.
        """
        self.method_queue.defer(lambda: self._loop.stop_accepting(drain_backlog=drain_backlog))

    def close_silent(self) -> None:
        """Close the connections that have sent nothing."""
        self.method_queue.defer(self._loop.close_silent)

    # Requests

    def _on_request(self, connection: Connection) -> None:
        if connection.needs_thread or connection.foreign:
            connection.needs_thread = True
            self._gthread_jobs.append(connection)
            self._start_gthread_jobs()
        else:
            self._scheduler.ready.append(connection)

    def _serve(self, connection: Connection) -> None:
        """Serve a request. Runs in a thread."""
        keep = False
        try:
            if connection.needs_thread:
                keep = self._serve_by_gthread(connection)
            else:
                keep = self._serve_buffered(connection)
        except BaseException as error:  # such as SystemExit
            self.handle_error(None, connection.sock, connection.client, error)
        if not self.alive:
            os.write(self.PIPE[1], b"!")  # max_requests is reached: wake the main thread
        try:
            self._loop.release(connection, keep)
        except Exception:
            self.log.exception("Error while a connection was taken back")
            self._loop.close(connection)

    def _serve_buffered(self, connection: Connection) -> bool:
        """Serve a request that was read; return whether the connection may be used again."""
        now = time.monotonic()
        waited = now - connection.received
        missed = connection.missed & _HANG_UP
        if missed and waited > _QUEUED:
            # The caller has given up. (A request without a queue may come from somebody who only closes his side.)
            connection.received = float("-inf")
        parser = connection.parser
        if parser.failure is None:
            if not connection.expires:
                # Jitter, so that connections do not expire together.
                jitter = random.uniform(0.5, 1)  # noqa: S311  # no secret
                connection.expires = now + self._max_connection_age * jitter
            elif now > connection.expires:
                parser.mesg.force_close()
        connection.sock.begin()
        if connection.environ is None or parser.failure is not None:
            return bool(self.handle(connection))
        return self._serve_quick(connection, connection.environ)

    def _serve_quick(self, connection: Connection, environ: dict[str, Any]) -> bool:
        """As :meth:`handle`, for a request whose environ exists already."""
        request, sock = connection.parser.mesg, connection.sock
        response = QuickResponse(request, sock, self.cfg)
        try:
            if self._pre_request is not None:
                self._pre_request(self, request)
            environ.update(self._environ)
            environ["wsgi.input"] = request.body
            environ["RAW_URI"] = environ["PATH_INFO"]
            environ["gunicorn.socket"] = connection.raw
            environ["wsgi.early_hints"] = response.send_early_hints
            environ["proxyhooks.received"] = connection.received
            self.nr += 1
            if self.nr >= self.max_requests and self.alive:
                self.log.info("Autorestarting worker after current request.")
                self.alive = False
            if not (self.alive and self._keepalive):
                response.force_close()
            body = self._application(environ, response.start_response)
            if environ.get("proxyhooks.close_connection"):
                request.force_close()
            try:
                if type(body) is tuple or type(body) is list:
                    for item in body:
                        response.write(item)
                    response.close()
                else:
                    sock.streams = True
                    if isinstance(body, FileWrapper):
                        response.write_file(body)
                    else:
                        for item in body:
                            response.write(item)
                    response.close()
            finally:
                if hasattr(body, "close"):
                    body.close()
            return not response.should_close()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                self.log.exception("Socket error processing request.")
        except Exception as error:
            if response.headers_sent:
                self.log.exception("Error handling request")
            else:
                self.handle_error(request, sock, connection.client, error)
        return False

    def _call_application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application, for gunicorn's code."""
        sock = environ["gunicorn.socket"]
        connection = getattr(sock, "connection", None)
        if connection is None:  # gthread's code reads from the socket itself
            return self._application(environ, start_response)
        environ["gunicorn.socket"] = connection.raw
        environ["proxyhooks.received"] = connection.received
        if connection.environ is not None:
            environ.update(connection.environ)
        body = self._application(environ, start_response)
        if environ.get("proxyhooks.close_connection"):
            connection.parser.mesg.force_close()
        sock.streams = type(body) not in (list, tuple)
        return body

    # What gthread does

    def _is_foreign(self, client: Any) -> bool:
        """Whether gthread's code has to read from a new connection."""
        cfg = self.cfg
        return cfg.is_ssl or cfg.protocol != "http" or negotiation.prior_knowledge_allowed(cfg, client)

    def _serve_by_gthread(self, connection: Connection) -> bool:
        """Let gthread's code read and serve a request in this thread."""
        try:
            gthread = connection.thread_connection
            if gthread is None:
                gthread = TConn(self.cfg, connection.raw, connection.client, connection.server)
                gthread.data_ready = True
                if connection.foreign:
                    connection.thread_connection = gthread
                else:
                    gthread.initialized = True
                    gthread.parser = http.get_parser(self.cfg, connection.raw, connection.client)
                    gthread.parser.req_count = connection.parser.req_count - 1
                    gthread.parser.unreader.unread(bytes(connection.buffer))
                    connection.buffer = b""
            keep = bool(self.handle(gthread))
            connection.raw = gthread.sock
            with suppress(OSError):  # gunicorn may have closed it after an error
                gthread.sock.setblocking(False)
            if keep and connection.foreign:
                buffered = gthread.parser.unreader.buf.getvalue() or (self.cfg.is_ssl and gthread.sock.pending())
                connection.pending = bool(buffered)
            elif keep:
                connection.buffer = gthread.parser.unreader.take_buffered()
                connection.parser.req_count = gthread.parser.req_count
            return keep
        finally:
            with self._gthread_lock:
                self._free_for_gthread += 1
            self._start_gthread_jobs()

    def _start_gthread_jobs(self) -> None:
        with self._gthread_lock:
            while self._gthread_jobs and self._free_for_gthread:
                self._free_for_gthread -= 1
                self._scheduler.ready.append(self._gthread_jobs.popleft())


def _do_nothing() -> None:
    """Wakes the event loop."""


def _is_observed(cfg: Any, log: Any) -> bool:
    """Whether something looks at gunicorn's request objects, which the quick parser does not make."""
    defaults = {name: cfg.settings[name].default for name in ("pre_request", "post_request")}
    return (
        cfg.pre_request not in (defaults["pre_request"], server_hooks.pre_request)
        or cfg.post_request is not defaults["post_request"]
        or type(log).access is not Logger.access
        or log.access_log_enabled
    )
