"""gunicorn's worker for hooks: ``worker_class = "proxyhooks.gunicorn.worker.Worker"``.

The worker reads requests whole, without a thread, and then runs them at once. gunicorn's own code parses the requests
and writes the replies. What is unusual is left to the code of gunicorn's gthread worker, in a thread: TLS, HTTP/2,
chunked and large bodies, ``Expect``.
"""

# Pyright brings type stubs of another version of gunicorn.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

from gunicorn.http2 import negotiation
from gunicorn.workers.gthread import ThreadWorker

from ..._settings.worker_settings import read_worker_settings
from .. import server_hooks
from ..descriptors import max_worker_connections
from ..graceful_stop import start_draining
from .connection import Connection
from .event_loop import EventLoop
from .limits import TimeLimits
from .request_handler import RequestHandler, is_observed
from .request_reader import RequestReader
from .scheduler import Scheduler

_STALLED: Final = 10.0
"""Seconds without a turn of the event loop after which the worker stops reporting to the master, which then kills it.

Half of gunicorn's ``timeout``, if that is longer.
"""
_PYTHONS_SWITCH_INTERVAL: Final = 0.005
"""Seconds."""
_SWITCH_INTERVAL: Final = 0.001
"""Seconds. A quick call waits so long, several times, while other threads compute. Less costs more than it gains."""


class Worker(ThreadWorker):
    """gunicorn's gthread worker with another way of waiting, reading and scheduling."""

    alive: bool
    wsgi: Any

    limits_connection_age = True
    """Tells :func:`proxyhooks.gunicorn.server_hooks.pre_request` not to limit the age of connections."""

    def run(self) -> None:
        from ..._wire import probes  # the application's: a worker imports the package anew

        if sys.getswitchinterval() == _PYTHONS_SWITCH_INTERVAL:  # and nobody has chosen another one
            sys.setswitchinterval(_SWITCH_INTERVAL)
        cfg = self.cfg
        settings = read_worker_settings()
        limits = TimeLimits(
            header=settings.client_header_timeout,
            body=settings.client_body_timeout,
            send=settings.send_timeout,
            keepalive=cfg.keepalive,
        )
        # One for each thread that may wait for a client. With TLS, gthread's code serves everything.
        permits = [None] * (cfg.threads if cfg.is_ssl else max(1, cfg.threads // 2))
        self._handler = RequestHandler(
            self,
            self.wsgi,
            self._release,
            permits=permits,
            max_age=settings.keepalive_time or float("inf"),
            body_timeout=settings.client_body_timeout,
            probe_paths=probes.paths,
            run_probe=lambda connection: self.tpool.submit(self._serve, connection),
        )
        self.wsgi = self._handler.call_application  # for gunicorn's code
        self._loop = EventLoop(
            self.sockets,
            RequestReader(cfg, observed=is_observed(cfg, self.log, server_hooks.pre_request)),
            limits,
            capacity=max(1, min(cfg.worker_connections, max_worker_connections())),
            permits=permits,
            on_request=self._handler.on_request,
            is_foreign=self._is_foreign,
        )
        wake_fd: Any = self.method_queue.fileno()
        self._loop.watch_pipe(wake_fd, lambda: self.method_queue.run_callbacks(None))
        self._scheduler = Scheduler(
            cfg.threads,
            self._handler.ready,
            wait=self._loop.wait,
            run=self._serve,
            may_block=lambda connection: connection.needs_thread,
            wake=lambda: self.method_queue.defer(_do_nothing),
        )
        self._scheduler.start()
        self._supervise()
        self._drain()

    def handle_usr1(self, sig: int, frame: Any) -> None:
        super().handle_usr1(sig, frame)
        # Before run() there is no handler, which would have the old log files.
        if (handler := getattr(self, "_handler", None)) is not None:
            handler.reopen_logs()

    def _serve(self, connection: Connection) -> None:
        """Serve a request. Runs in a thread."""
        keep = self._handler.serve(connection)
        if not self.alive:
            # The request may be the last one of max_requests. Stop accepting at once: the main thread may wake up late.
            self.stop_accepting(drain_backlog=False)
            with suppress(BlockingIOError):  # the pipe is full, since the main thread reads it no more
                os.write(self.PIPE[1], b"!")
        self._release(connection, keep)

    def _release(self, connection: Connection, keep: bool) -> None:
        """Give a connection back to the event loop, whatever happens."""
        try:
            self._loop.connections.release(connection, keep)
        except Exception:
            self.log.exception("Error while a connection was taken back")
            self._loop.connections.close(connection)

    def _is_foreign(self, client: Any) -> bool:
        """Whether gthread's code has to read from a new connection."""
        cfg = self.cfg
        return bool(cfg.is_ssl or cfg.protocol != "http" or negotiation.prior_knowledge_allowed(cfg, client))

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
        """Serve the open connections until they end, or until gunicorn's ``graceful_timeout`` is over."""
        deadline = time.monotonic() + self.cfg.graceful_timeout
        start_draining()  # the master may have died
        draining = threading.Event()
        self.method_queue.defer(self._start_draining, draining)
        draining.wait(self.cfg.graceful_timeout)
        while len(self._loop.connections) and time.monotonic() < deadline:
            self.notify()
            time.sleep(0.05)
        self._scheduler.stop(timeout=1)
        self._loop.close()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _start_draining(self, draining: threading.Event) -> None:
        self._loop.stop_accepting(drain_backlog=False)
        self._loop.draining_since = time.monotonic()
        draining.set()

    # Called by proxyhooks.gunicorn.graceful_stop, before gunicorn has the worker stop.

    def stop_accepting(self, *, drain_backlog: bool) -> None:
        """Accept no more connections.

        :param drain_backlog: first accept those in the kernel's backlog; for sockets that no other process
            accepts from.
        """
        self.method_queue.defer(lambda: self._loop.stop_accepting(drain_backlog=drain_backlog))

    def close_silent(self) -> None:
        """Close the connections that have sent nothing."""
        self.method_queue.defer(self._loop.close_silent)


def _do_nothing() -> None:
    """Wakes the event loop."""
