"""Metrics for Prometheus on an address of their own: what the server hooks call.

An error of the metrics never ends the server or a worker: it is logged, and counts may be missing.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, ParamSpec

from ..._settings.master_settings import Address, read_metrics_bind
from ..worker_table import SharedState
from . import process
from .directory import VARIABLE, MasterDirectory

_PACKAGE: Final = __name__.partition(".")[0]
_SHORT_LIFE: Final = 10.0
"""Seconds. A metrics process that has lived for less is started again after a pause."""
_PAUSE: Final = 1.0
"""Seconds."""

_P = ParamSpec("_P")


class _Metrics:
    """The metrics of a master."""

    def __init__(self, address: Address, directory: MasterDirectory) -> None:
        self.address = address
        self.directory = directory
        self.master = os.getpid()
        self.process = 0
        """The number of the metrics process; 0 without one."""
        self.started = 0.0


_metrics: _Metrics | None = None
_was_set_up = False


def _log_errors(function: Callable[_P, None]) -> Callable[_P, None]:
    """Have an exception logged. In a server hook it would end the process.

    :param function: its first argument is gunicorn's master or worker.
    """

    @functools.wraps(function)
    def logging_errors(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            gunicorn: Any = args[0]
            gunicorn.log.exception("Metrics: an error; counts may be missing")

    return logging_errors


def set_up(server: Any) -> None:
    """In the master, before it may load the application: create the directory, where prometheus_client looks for it.

    :raises RuntimeError: if the setting is wrong, or prometheus_client is missing. gunicorn prints its text and exits.
    """
    global _metrics, _was_set_up
    if not _was_set_up:
        _was_set_up = True
        try:
            address = read_metrics_bind(os.environ | server.cfg.env)
        except Exception as error:
            raise RuntimeError(str(error)) from None
        if address is not None:
            try:
                _metrics = _Metrics(address, MasterDirectory(server.cfg.worker_tmp_dir, server.cfg.uid, server.cfg.gid))
            except OSError as error:
                server.log.error("Metrics: they are off, since no directory can be made for them: %s", error)
            else:
                atexit.register(_end, _metrics)
    if _metrics is not None:
        os.environ[VARIABLE] = _metrics.directory.path
        # gunicorn starts its successor with this environment (USR2). It makes another one at each reload.
        server.cfg.env_orig[VARIABLE] = _metrics.directory.path
        _use_directory()


def _use_directory() -> None:
    """Have prometheus_client use the directory, even if a configuration file has imported it without that."""
    values: Any = sys.modules.get("prometheus_client.values")
    if values is not None and values.ValueClass is values.MutexValue:
        values.ValueClass = values.get_value_class()


@_log_errors
def start(server: Any, shared_state: SharedState | None) -> None:
    """In the master: start the metrics process, and start it again whenever it ends."""
    metrics = _metrics
    if metrics is None:
        return
    gunicorn_handler = signal.getsignal(signal.SIGCHLD)

    def on_sigchld(signum: int, frame: FrameType | None) -> None:
        # A worker that has just been forked still has this handler.
        if os.getpid() == metrics.master and (not metrics.process or _has_ended(metrics.process)):
            _fork(server, metrics, shared_state)
        if callable(gunicorn_handler):
            gunicorn_handler(signum, frame)

    signal.signal(signal.SIGCHLD, on_sigchld)
    _fork(server, metrics, shared_state)


@_log_errors
def _fork(server: Any, metrics: _Metrics, shared_state: SharedState | None) -> None:
    """Start the metrics process. If the system allows no more processes, the next child that ends tries again."""
    metrics.process = 0
    pause = _PAUSE if time.monotonic() - metrics.started < _SHORT_LIFE else 0.0
    metrics.started = time.monotonic()
    # Until the number is known: the process may end at once.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        number = os.fork()
        if number == 0:
            process.run(server, metrics.address, metrics.directory, shared_state, pause)
        metrics.process = number
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _has_ended(child: int) -> bool:
    """Whether a child process has ended; it is then no zombie any more."""
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:  # gunicorn has waited for it
        return True


@_log_errors
def take_over(worker: Any) -> None:
    """In a worker that has just been forked: count on where a worker that has ended has stopped."""
    if _metrics is not None:
        for path in _metrics.directory.take_over(os.getpid()):
            worker.log.error("Metrics: the file %s was damaged, and its counts are lost", path)


@_log_errors
def count_calls(worker: Any) -> None:
    """In a worker that has loaded the application: count its calls."""
    if _metrics is not None:
        # By name: this part of the package imports none of those that know Flask.
        importlib.import_module(f"{_PACKAGE}.metrics").enable(worker.wsgi)


@_log_errors
def forget(server: Any, worker: Any, reload_failed: bool) -> None:
    """In the master: a worker has ended.

    :param reload_failed: whether it was the last one of a reload that has failed.
    """
    if _metrics is not None:
        _metrics.directory.forget(worker.pid)
        if reload_failed:
            _metrics.directory.note_reload_failure()


def _end(metrics: _Metrics) -> None:
    """When the master ends: end the metrics process, and remove the directory."""
    if os.getpid() != metrics.master:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if metrics.process:
        try:
            os.kill(metrics.process, signal.SIGKILL)
            os.waitpid(metrics.process, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    metrics.directory.remove_if_last()
