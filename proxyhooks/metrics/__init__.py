"""Metrics for Prometheus, with the extra ``metrics``: :func:`enable`.

With ``proxyhooks.gunicorn``, the environment variable ``PROXYHOOKS_METRICS_BIND`` does everything. With another server,
call :func:`enable` once in each process, and serve prometheus_client's metrics as you serve your own.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Final

from .._flask.finished_calls import observers
from .._wire import before_exit
from .._wire.in_flight import calls_in_flight
from .._wire.metric_table import AFTER_REPLY_PENDING, CALLS_IN_FLIGHT, MULTIPROCESS_DIRECTORY
from .._wire.value_file import FIRST_SIZE, allocate
from .call_metrics import CallMetrics
from .count import Counts
from .in_files import FileCounts

__all__ = ["enable"]

_SAMPLE_INTERVAL: Final = 0.2
"""Seconds between two writes of the gauges."""
_lock: Final = threading.Lock()
_enabled: CallMetrics | None = None


def enable(app: Any = None) -> None:
    """Count the calls of this process from now on. A second call does nothing, except for its application.

    The counts are in prometheus_client's default registry. If ``PROMETHEUS_MULTIPROC_DIR`` is set, they are in that
    directory, where prometheus_client's ``MultiProcessCollector`` finds them.

    :param app: a Flask application. The metrics of its hooks are exported from the beginning, with 0.
    :raises ImportError: if prometheus_client is not installed.
    """
    global _enabled
    with _lock:
        if _enabled is None:
            _enabled = _start()
    if app is not None:
        _enabled.prepare(app)


def _start() -> CallMetrics:
    directory = os.environ.get(MULTIPROCESS_DIRECTORY)
    _export_gauges(directory)
    counts: Counts
    if directory:
        counts = FileCounts(directory)
    else:
        from .in_registry import RegistryCounts

        counts = RegistryCounts()
    metrics = CallMetrics(counts)
    observers.append(metrics.record)
    return metrics


def _export_gauges(directory: str | None) -> None:
    """Export what this process is doing. With a directory, a thread writes it down there for other processes."""
    from prometheus_client import Gauge

    if directory:
        # prometheus_client does not make sure that there is room for its file.
        with open(os.path.join(directory, f"gauge_livesum_{os.getpid()}.db"), "ab") as file:
            allocate(file.fileno(), FIRST_SIZE)
    in_flight = Gauge(CALLS_IN_FLIGHT.name, CALLS_IN_FLIGHT.meaning, multiprocess_mode="livesum")
    pending = Gauge(AFTER_REPLY_PENDING.name, AFTER_REPLY_PENDING.meaning, multiprocess_mode="livesum")
    if not directory:
        in_flight.set_function(lambda: len(calls_in_flight))
        pending.set_function(before_exit.pending)
        return

    def sample() -> None:
        while True:
            in_flight.set(len(calls_in_flight))
            pending.set(before_exit.pending())
            time.sleep(_SAMPLE_INTERVAL)

    threading.Thread(target=sample, name="proxyhooks-metrics", daemon=True).start()
