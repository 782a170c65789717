"""Metrics for Prometheus on an address of their own: what the server hooks call.

An error of the metrics never ends the server or a worker: it is logged, and counts may be missing.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any, Final

from ..._settings.master_settings import Address, read_metrics_bind
from ..._wire.metric_table import MULTIPROCESS_DIRECTORY
from ..logged_errors import log_errors
from ..worker_table import SharedState
from .directory import MasterDirectory
from .process import MetricsProcess
from .supervisor import Supervisor

_PACKAGE: Final = __name__.partition(".")[0]
_log_errors: Final = log_errors("Metrics: an error; counts may be missing")


@dataclass
class _Metrics:
    """The metrics of a master."""

    master: int
    """The number of its process."""
    address: Address
    directory: MasterDirectory
    supervisor: Supervisor | None = None
    """Of the metrics process. None before the master is ready."""


_metrics: _Metrics | None = None
_was_set_up = False


def set_up(server: Any) -> None:
    """In the master, before it may load the application: create the directory, where prometheus_client looks for it.

    :raises RuntimeError: if the setting is wrong, or prometheus_client is missing. gunicorn prints its text and exits.
    """
    global _metrics, _was_set_up
    if not _was_set_up:
        _was_set_up = True
        _metrics = _create(server)
    if _metrics is not None:
        os.environ[MULTIPROCESS_DIRECTORY] = _metrics.directory.path
        # gunicorn starts its successor with this environment (USR2). It makes another one at each reload.
        server.cfg.env_orig[MULTIPROCESS_DIRECTORY] = _metrics.directory.path
        _use_directory()


def _create(server: Any) -> _Metrics | None:
    try:
        address = read_metrics_bind(os.environ | server.cfg.env)
    except Exception as error:
        raise RuntimeError(str(error)) from None
    if address is None:
        return None
    try:
        directory = MasterDirectory(server.cfg.worker_tmp_dir, server.cfg.uid, server.cfg.gid)
    except OSError as error:
        server.log.error("Metrics: they are off, since no directory can be made for them: %s", error)
        return None
    metrics = _Metrics(os.getpid(), address, directory)
    atexit.register(_end, metrics)
    return metrics


def _use_directory() -> None:
    """Have prometheus_client use the directory, even if a configuration file has imported it without that."""
    values: Any = sys.modules.get("prometheus_client.values")
    if values is not None and values.ValueClass is values.MutexValue:
        values.ValueClass = values.get_value_class()


@_log_errors
def start(server: Any, shared_state: SharedState | None) -> None:
    """In the master: start the metrics process, and start it again whenever it ends."""
    if _metrics is not None:
        process = MetricsProcess(server, _metrics.address, _metrics.directory, shared_state)
        _metrics.supervisor = Supervisor(server.log, process.run)


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
        _metrics.directory.remove_dead_gauges(worker.pid)
        if reload_failed:
            _metrics.directory.note_reload_failure()


def _end(metrics: _Metrics) -> None:
    """When the master ends: end the metrics process, and remove the directory."""
    if os.getpid() != metrics.master:
        return
    if metrics.supervisor is not None:
        metrics.supervisor.end()
    metrics.directory.remove_if_last()
