"""gunicorn's settings for hooks: ``gunicorn -c python:proxyhooks.gunicorn app:app``.

Override them with gunicorn's own means: flags, the environment (``GUNICORN_CMD_ARGS="--threads 16"``,
``WEB_CONCURRENCY=4`` for the workers), or a configuration file that starts with
``from proxyhooks.gunicorn import *``. The functions are gunicorn's server hooks; a configuration file that has one of
the same name calls the one from here in it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import weakref
from types import FrameType
from typing import Any, Final

from .connection_age import Lives
from .graceful_stop import Retirement
from .listener import listen
from .worker_table import Board, Entry

__all__ = [
    "child_exit",
    "graceful_timeout",
    "keepalive",
    "limit_request_field_size",
    "limit_request_fields",
    "nworkers_changed",
    "on_reload",
    "post_fork",
    "post_worker_init",
    "pre_fork",
    "pre_request",
    "threads",
    "timeout",
    "when_ready",
    "worker_class",
    "worker_exit",
    "workers",
]

# The sync worker has no keep-alive, and Centrifugo would open a connection for every event.
worker_class: Final = "gthread"
workers: int = int(os.environ.get("WEB_CONCURRENCY") or max(2, os.cpu_count() or 1))
threads: int = 16

# Seconds. Centrifugo keeps idle connections and never closes them. A server that closes one first may do so while a
# request is being written, which is an error for a user; so idle connections are kept for an hour.
keepalive: int = 3600

# Seconds. A stopping worker finishes what it has; Centrifugo waits for at most the timeout of its proxy.
graceful_timeout: int = 30
timeout: int = 60

# Bytes, fields. Centrifugo forwards clients' headers; one that is refused here would be 431 for every try, for ever.
limit_request_field_size: int = 65_536
limit_request_fields: int = 200

# gunicorn's default, no access log, is right as it is: Centrifugo counts and times its calls.

_AGAIN: Final = 1.0
"""Seconds after which a worker that could not load the application makes room for the next try."""

_board = Board()
_numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""Of the workers on the board. gunicorn's own, their age, may change in the master."""
_lives = Lives()


def when_ready(server: Any) -> None:
    """In the master: see that the workers know when all of them are to stop."""
    stop = signal.getsignal(signal.SIGTERM)

    def on_term(number: int, frame: FrameType | None) -> None:
        _board.ending = True
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, on_term)
    for name in (name for name in __all__ if callable(globals()[name])):
        if getattr(server.cfg, name) is not globals()[name]:
            server.log.info("%s is overridden: it has to call proxyhooks.gunicorn.%s, or calls may be lost", name, name)


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """In the master: with WINCH all workers are to stop, too."""
    _board.ending = new_value == 0


def on_reload(server: Any) -> None:
    """In the master: the workers from now on are to replace those there are."""
    with _board.notes() as notes:
        notes.generation += 1
        notes.failed = False


def pre_fork(server: Any, worker: Any) -> None:
    """In the master: put a worker on the board."""
    _numbers[worker] = worker.age
    with _board.notes() as notes:
        notes.workers[str(worker.age)] = Entry(notes.generation)


def post_fork(server: Any, worker: Any) -> None:
    """In a worker: forget what the master has loaded of this package, which may have been upgraded since."""
    if not server.cfg.preload_app:
        for name in [name for name in sys.modules if name.split(".")[0] == "proxyhooks"]:
            del sys.modules[name]
        importlib.invalidate_caches()
    if server.cfg.worker_class_str in ("gthread", "sync"):
        worker.sockets = [listen(listening) for listening in worker.sockets]


def post_worker_init(worker: Any) -> None:
    """In a worker: the application is loaded."""
    _lives.set()
    number = _numbers.get(worker)
    if number is None:
        raise RuntimeError("pre_fork is overridden, and does not call proxyhooks.gunicorn.pre_fork")
    with _board.notes() as notes:
        me = notes.workers[str(number)]
        me.state = "serving" if worker.alive else "stopping"
        if me.generation == notes.generation:
            notes.failed = False
    Retirement(worker, _board, number)


def worker_exit(server: Any, worker: Any) -> None:
    """In a worker: if it could not load the application, end in a way that does not end the others."""
    ended_with = sys.exception()
    codes = (server.WORKER_BOOT_ERROR, server.APP_LOAD_ERROR)
    if not isinstance(ended_with, SystemExit) or ended_with.code not in codes:
        return
    with _board.notes() as notes:
        if (me := notes.workers.get(str(_numbers.get(worker)))) is not None:
            me.state = "starting"  # it has come no further
        serving = notes.serving()
    if serving:
        worker.log.error("The application could not be loaded; the %d workers that have one go on serving", serving)
        time.sleep(_AGAIN)
        # With gunicorn's own codes for this the master would stop them.
        raise SystemExit(1) from None


def child_exit(server: Any, worker: Any) -> None:
    """In the master: take a worker off the board."""
    with _board.notes() as notes:
        gone = notes.workers.pop(str(_numbers.get(worker)), None)
        if gone is None or gone.state != "starting" or gone.generation != notes.generation:
            return
        notes.failed = True
        if notes.current():
            return
    # A reload waits until all workers are younger than itself. Those that are left stay.
    for left in server.WORKERS.values():
        server.worker_age += 1
        left.age = server.worker_age


def pre_request(worker: Any, req: Any) -> None:
    """In a worker: the reply to the first request after the life of a connection is the last one on it."""
    if _lives.is_over(req):
        req.force_close()
