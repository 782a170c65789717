"""gunicorn's server hooks: they keep the worker table up to date, and no call is lost when a worker stops."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import weakref
from types import FrameType
from typing import Any, Final

from .._settings.settings import read_worker_settings
from .connection_age import MaxConnectionAge
from .graceful_stop import GracefulStop
from .listener import wrap_socket
from .worker_table import SharedState, WorkerRecord, WorkerTable

__all__ = [
    "child_exit",
    "nworkers_changed",
    "on_reload",
    "post_fork",
    "post_worker_init",
    "pre_fork",
    "pre_request",
    "when_ready",
    "worker_exit",
]

_RETRY_DELAY: Final = 1.0
"""Seconds that a worker waits before it exits because it cannot load the application. gunicorn then starts another."""

_numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""The number of each worker in the table: its ``age`` at the fork. :func:`child_exit` may change the age later."""
_max_connection_age = MaxConnectionAge()
_shared_state: SharedState | None = None


def _get_shared_state(cfg: Any) -> SharedState:
    """Return the state that all processes share. The first call, in the master before it forks, creates it."""
    global _shared_state
    if _shared_state is None:
        _shared_state = SharedState(cfg.worker_tmp_dir)
    return _shared_state


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """In the master: note whether all workers stop, as they do after the signal WINCH."""
    _get_shared_state(server.cfg).note_number_of_workers(new_value)


def when_ready(server: Any) -> None:
    """In the master: note when SIGTERM stops the server, and log which of these server hooks are overridden."""
    shared_state, master = _get_shared_state(server.cfg), os.getpid()
    gunicorn_handler = signal.getsignal(signal.SIGTERM)

    def on_sigterm(signum: int, frame: FrameType | None) -> None:
        # gunicorn first acts on signals that came before, such as HUP, TTIN and TTOU: they must not undo this note.
        # A worker that has just been forked still has this handler, and its signal concerns only itself.
        if os.getpid() == master:
            shared_state.note_sigterm()
        if callable(gunicorn_handler):
            gunicorn_handler(signum, frame)

    signal.signal(signal.SIGTERM, on_sigterm)
    for name in __all__:
        if getattr(server.cfg, name) is not globals()[name]:
            server.log.info("%s is overridden: it has to call proxyhooks.gunicorn.%s, or calls may be lost", name, name)


def on_reload(server: Any) -> None:
    """In the master: start a new generation of workers; it replaces the current one."""
    with _get_shared_state(server.cfg).table() as table:
        _match_live_workers(server, table)
        table.generation += 1
        table.load_failed = False


def pre_fork(server: Any, worker: Any) -> None:
    """In the master: add the worker to the table."""
    _numbers[worker] = worker.age
    with _get_shared_state(server.cfg).table() as table:
        _match_live_workers(server, table)
        table.workers[worker.age] = WorkerRecord(table.generation)


def post_fork(server: Any, worker: Any) -> None:
    """In a worker: prepare it to import this package anew, and wrap its listening sockets."""
    # The application may need a newer version of the package than the master has imported. gunicorn goes on calling the
    # master's server hooks.
    if not server.cfg.preload_app:
        for name in [name for name in sys.modules if name.split(".")[0] == "proxyhooks"]:
            del sys.modules[name]
        importlib.invalidate_caches()
    if server.cfg.worker_class_str in ("gthread", "sync"):
        worker.sockets = [wrap_socket(sock) for sock in worker.sockets]


def post_worker_init(worker: Any) -> None:
    """In a worker that has loaded the application: note that it serves."""
    _max_connection_age.seconds = read_worker_settings().keepalive_time
    number = _numbers.get(worker)
    if number is None:
        raise RuntimeError("pre_fork is overridden and does not call proxyhooks.gunicorn.pre_fork: add the call")
    shared_state = _get_shared_state(worker.cfg)
    with shared_state.table() as table:
        own = table.workers.setdefault(number, WorkerRecord(table.generation))
        own.state = "serving" if worker.alive else "stopping"
        if own.generation == table.generation:
            table.load_failed = False
    GracefulStop(worker, shared_state, number)


def worker_exit(server: Any, worker: Any) -> None:
    """In a worker that could not load the application: exit with a code that does not stop the other workers."""
    # gunicorn calls this hook while the worker's SystemExit is being raised.
    exception = sys.exception()
    load_errors = (server.WORKER_BOOT_ERROR, server.APP_LOAD_ERROR)
    if not isinstance(exception, SystemExit) or exception.code not in load_errors:
        return
    number = _numbers.get(worker, 0)
    with _get_shared_state(server.cfg).table() as table:
        own = table.workers.get(number)
        if own is not None:
            # Tells child_exit that the load failed. post_worker_init may have changed the state before it failed.
            own.state = "starting"
        others_serve = table.serving_count() > 0
    # A damaged table has lost this record, and then those of the other workers too. Assume that they serve. A worker
    # without a number never had a record: pre_fork is overridden.
    record_lost = number > 0 and own is None
    if others_serve or record_lost:
        worker.log.error("This worker could not load the application: the other workers keep serving")
        time.sleep(_RETRY_DELAY)
        # The code of a load error would make the master stop all workers.
        raise SystemExit(1) from None


def child_exit(server: Any, worker: Any) -> None:
    """In the master: remove the worker from the table. If a reload has failed, keep the workers that are left."""
    with _get_shared_state(server.cfg).table() as table:
        record = table.workers.pop(_numbers.get(worker, 0), None)
        if record is None or record.state != "starting" or record.generation != table.generation:
            return
        table.load_failed = True
        if table.current_states():
            return
    # During a reload, gunicorn waits until every worker is younger than the reload. Renumber the remaining workers as
    # the youngest ones, so that this wait ends.
    for remaining in server.WORKERS.values():
        server.worker_age += 1
        remaining.age = server.worker_age


def pre_request(worker: Any, req: Any) -> None:
    """In a worker: close the connection after this reply if it has exceeded its maximum age."""
    if not getattr(worker, "limits_connection_age", False) and _max_connection_age.exceeded(req):
        req.force_close()


def _match_live_workers(server: Any, table: WorkerTable) -> None:
    """Give the table a record of each live worker and of no other; a damaged table has lost its records."""
    live = [_numbers[worker] for worker in server.WORKERS.values() if worker in _numbers]
    table.workers = {number: table.workers.get(number) or WorkerRecord(table.generation, "serving") for number in live}
