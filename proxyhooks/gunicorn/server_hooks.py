"""gunicorn's server hooks: they keep the worker table up to date, and no call is lost when a worker stops.

An error of the table never ends the server: without the table, workers stop as gunicorn tells them to.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import weakref
from types import FrameType
from typing import Any, Final

from .._settings.worker_settings import read_worker_settings
from . import metrics
from .connection_age import MaxConnectionAge
from .database_pools import warn_of_small_pools
from .delayed_listening import make_sockets, start_listening
from .fresh_import import find_holder, forget_package, log_holder
from .graceful_stop import GracefulStop, give_up_work_in_time, time_to_finish
from .hardening import harden
from .listener import wrap_socket
from .log_filter import limit_lines_about_callers
from .log_handler import log_to_gunicorn
from .logged_errors import log_errors
from .setup_errors import shorten_setup_errors
from .systemd import ServiceNotifier
from .worker_table import SharedState, WorkerRecord, WorkerTable

__all__ = [
    "child_exit",
    "nworkers_changed",
    "on_reload",
    "on_starting",
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
_systemd = ServiceNotifier()
_shared_state: SharedState | None = None
_sigterm_received = False
"""Whether this process is to stop: the master, or a worker between the fork and gunicorn's own signal handler."""

_log_table_errors: Final = log_errors("The table of workers cannot be used: workers may stop before others serve")


def _get_shared_state(cfg: Any) -> SharedState:
    """Return the state that all processes share. The first call, in the master before it forks, creates it."""
    global _shared_state
    if _shared_state is None:
        _shared_state = SharedState(cfg.worker_tmp_dir)
    return _shared_state


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """In the master: set up its log, and note whether all workers stop, as they do after the signal WINCH."""
    log_to_gunicorn()  # here, as gunicorn calls no other server hook before it preloads the application
    _note_number_of_workers(server, new_value)
    metrics.set_up(server)


@_log_table_errors
def _note_number_of_workers(server: Any, new_value: int) -> None:
    _get_shared_state(server.cfg).note_number_of_workers(new_value)


def on_starting(server: Any) -> None:
    """In the master: have the server neither listen nor tell systemd that it is ready before a worker serves."""
    make_sockets(server)
    _systemd.silence_gunicorn()


@_log_table_errors
def when_ready(server: Any) -> None:
    """In the master: handle SIGTERM, and log what may surprise the operator.

    That is: overridden server hooks, and a module because of which a reload does not load an upgrade of this package.
    """
    shared_state, master = _get_shared_state(server.cfg), os.getpid()
    gunicorn_handler = signal.getsignal(signal.SIGTERM)

    def on_sigterm(signum: int, frame: FrameType | None) -> None:
        global _sigterm_received
        _sigterm_received = True
        # gunicorn first acts on signals that came before, such as HUP, TTIN and TTOU: they must not undo this note.
        # A worker that has just been forked still has this handler, but its signal concerns only this worker.
        if os.getpid() == master:
            shared_state.note_sigterm()
            _systemd.stop_begins()
            # A reload under way does not wait for the old workers any more.
            _make_youngest(server)
        if callable(gunicorn_handler):
            gunicorn_handler(signum, frame)

    signal.signal(signal.SIGTERM, on_sigterm)
    metrics.start(server, shared_state)
    log_holder(server)


def on_reload(server: Any) -> None:
    """In the master: start a new generation of workers; it replaces the current one."""
    _stop_if_requested()
    log_holder(server)
    _start_generation(server)
    _systemd.reload_begins()  # looks at the new generation, which has no serving worker yet


@_log_table_errors
def _start_generation(server: Any) -> None:
    with _get_shared_state(server.cfg).table() as table:
        _match_live_workers(server, table)
        table.generation += 1
        table.load_failed = False


def pre_fork(server: Any, worker: Any) -> None:
    """In the master: add the worker to the table. Before the first worker, log which server hooks are overridden."""
    _stop_if_requested()
    if not _numbers:
        # Not in when_ready: configuration files often have one of their own. Without this hook no worker starts.
        _systemd.start(server, _shared_state)
        for name in __all__:
            if getattr(server.cfg, name) is not globals()[name]:
                text = "%s is overridden: it has to call proxyhooks.gunicorn.%s, or calls may be lost"
                server.log.warning(text, name, name)
    _numbers[worker] = worker.age
    if not _add_to_table(server, worker):
        _systemd.table_failed()


@_log_table_errors
def _add_to_table(server: Any, worker: Any) -> bool:
    with _get_shared_state(server.cfg).table() as table:
        _match_live_workers(server, table)
        table.workers[worker.age] = WorkerRecord(table.generation)
    return True


def post_fork(server: Any, worker: Any) -> None:
    """In a worker: prepare it to import this package anew, wrap its listening sockets, and shorten what it may log."""
    shorten_setup_errors()
    metrics.take_over(worker)
    # The application may need a newer version of the package than the master has imported. gunicorn goes on calling the
    # master's server hooks.
    if not server.cfg.preload_app and find_holder() is None:
        forget_package()
    if server.cfg.worker_class_str in ("gthread", "sync"):
        worker.sockets = [wrap_socket(sock) for sock in worker.sockets]


def post_worker_init(worker: Any) -> None:
    """In a worker that has loaded the application: note that it serves."""
    _max_connection_age.seconds = read_worker_settings().keepalive_time
    number = _numbers.get(worker)
    if number is None:
        raise RuntimeError("pre_fork is overridden and does not call proxyhooks.gunicorn.pre_fork: add the call")
    if _sigterm_received:  # gunicorn puts a signal that comes so early into a queue that nobody reads
        worker.alive = False
    metrics.count_calls(worker)
    start_listening(worker)
    _note_serving(worker, number)
    limit_lines_about_callers()
    warn_of_small_pools(worker)
    if worker.cfg.worker_class_str in ("gthread", "gevent", "sync"):
        harden(worker)
    if _shared_state is not None:
        GracefulStop(worker, _shared_state, number)
    else:
        give_up_work_in_time(worker)


@_log_table_errors
def _note_serving(worker: Any, number: int) -> None:
    with _get_shared_state(worker.cfg).table() as table:
        own = table.workers.setdefault(number, WorkerRecord(table.generation))
        own.state = "serving" if worker.alive else "stopping"
        if own.generation == table.generation:
            table.load_failed = False


def worker_exit(server: Any, worker: Any) -> None:
    """In a worker that ends: finish the work that no call waits for, such as the functions of ``after_reply``.

    If the worker could not load the application, exit with a code that does not stop the other workers.
    """
    # gunicorn calls this hook while the worker's SystemExit is being raised.
    exception = sys.exception()
    if not isinstance(exception, SystemExit):  # in the master, for a worker that is gone
        return
    if exception.code not in (server.WORKER_BOOT_ERROR, server.APP_LOAD_ERROR):
        from .._wire import before_exit  # the application's: a worker imports the package anew

        # The master kills a worker at once that has not responded and was told to abort: it exits with 1.
        before_exit.finish(0 if exception.code else time_to_finish(worker.cfg))
        return
    # None if the table cannot be used: assume that others serve.
    if _note_failed_load(server, worker) is not False:
        worker.log.error("This worker could not load the application: the other workers keep serving")
        time.sleep(_RETRY_DELAY)
        # The code of a load error would make the master stop all workers.
        raise SystemExit(1) from None


@_log_table_errors
def _note_failed_load(server: Any, worker: Any) -> bool:
    """Return whether other workers serve, or may serve."""
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
    return others_serve or record_lost


@_log_table_errors
def child_exit(server: Any, worker: Any) -> None:
    """In the master: remove the worker from the table. If a reload has failed, keep the old workers."""
    with _get_shared_state(server.cfg).table() as table:
        record = table.workers.pop(_numbers.get(worker, 0), None)
        load_failed = record is not None and record.state == "starting" and record.generation == table.generation
        table.load_failed = table.load_failed or load_failed
        reload_failed = load_failed and not table.current_states()
    metrics.forget(server, worker, reload_failed and table.generation > 0)
    if reload_failed:
        _make_youngest(server)
        _systemd.reload_failed()
    # A worker that had a replacement started has raised the number of workers by one. A reload has reset the number.
    if record is not None and record.has_replacement and server.num_workers > server.cfg.workers:
        server.num_workers -= 1


def pre_request(worker: Any, req: Any) -> None:
    """In a worker of gunicorn's own: close the connection after this reply if it has exceeded its maximum age."""
    if not getattr(worker, "limits_connection_age", False) and _max_connection_age.exceeded(req):
        req.force_close()


def _match_live_workers(server: Any, table: WorkerTable) -> None:
    """Give the table a record of each live worker and of no other; a damaged table has lost its records."""
    live = [_numbers[worker] for worker in server.WORKERS.values() if worker in _numbers]
    table.workers = {number: table.workers.get(number) or WorkerRecord(table.generation, "serving") for number in live}


def _make_youngest(server: Any) -> None:
    """Renumber the live workers as the youngest ones: gunicorn does not wait for their end during a reload."""
    for remaining in server.WORKERS.values():
        server.worker_age += 1
        remaining.age = server.worker_age


def _stop_if_requested() -> None:
    """Stop the master as gunicorn's own handler of SIGTERM does, which waits until all earlier signals are handled.

    :raises StopIteration: after SIGTERM.
    """
    if _sigterm_received:
        raise StopIteration
