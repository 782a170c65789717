"""What is served at ``/metrics``: the counts of all processes, and what gunicorn's master knows.

Only the metrics process imports this module, because prometheus_client imports much: in a worker of gevent, that has to
come after gevent's patches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from prometheus_client.core import CounterMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..._wire.metric_table import RELOAD_FAILURES, WORKER_GENERATION, WORKERS, WORKERS_DESIRED
from ..worker_table import SharedState
from .directory import Directory

_TRIES: Final = 10
_STATES: Final = {"starting": "starting", "serving": "serving", "stop_requested": "serving", "stopping": "stopping"}
"""The exported state for each state in the worker table. A worker with a stop request serves."""


class Totals(Collector):
    """The sums over the files of all processes.

    :param log: gets a line for each damaged file, once.
    """

    def __init__(self, directory: Directory, log: Any) -> None:
        self._directory = directory
        self._log = log
        self._logged: set[str] = set()

    def collect(self) -> Iterable[Any]:
        yield from self._merge()
        failures = CounterMetricFamily(RELOAD_FAILURES.name, RELOAD_FAILURES.meaning)
        failures.add_metric((), self._directory.reload_failures())
        yield failures

    def _merge(self) -> Iterable[Any]:
        """Merge the files of one moment: if one gets another name meanwhile, its counts might be missing or double."""
        for _ in range(_TRIES):
            files = self._directory.value_files()
            try:
                merged = self._merge_undamaged(files)
            except FileNotFoundError:
                continue
            if self._directory.value_files() == files:
                return merged
        raise TimeoutError("the files of the metrics change all the time")

    def _merge_undamaged(self, files: list[str]) -> Iterable[Any]:
        try:
            return _merge(files)
        except FileNotFoundError:
            raise
        except Exception:  # prometheus_client does not say what it raises for a damaged file
            return _merge([file for file in files if not self._is_damaged(file)])

    def _is_damaged(self, file: str) -> bool:
        """Whether a file cannot be merged. If so, log it, unless no process has written to it yet."""
        try:
            _merge([file])
        except FileNotFoundError:
            raise
        except Exception as error:
            if os.stat(file).st_size > 0 and file not in self._logged:
                self._logged.add(file)
                self._log.error("Metrics: the file %s is damaged, and its counts are left out: %s", file, error)
            return True
        return False


def _merge(files: list[str]) -> Iterable[Any]:
    collector: Any = MultiProcessCollector
    merged: Iterable[Any] = collector.merge(files)
    return merged


class WorkerGauges:
    """What the master knows of its workers, as metrics of this process. Those of the masters of an upgrade add up."""

    def __init__(self, shared_state: SharedState | None) -> None:
        self._shared_state = shared_state

        def gauge(metric: Any, mode: Any) -> Gauge:
            return Gauge(metric.name, metric.meaning, metric.labels, multiprocess_mode=mode, registry=None)

        self._workers = gauge(WORKERS, "livesum")
        self._desired = gauge(WORKERS_DESIRED, "livesum")
        self._generation = gauge(WORKER_GENERATION, "livemax")

    def update(self) -> None:
        if self._shared_state is None:
            return
        table = self._shared_state.snapshot()
        states = [_STATES[record.state] for record in table.workers.values()]
        for state in dict.fromkeys(_STATES.values()):
            self._workers.labels(state).set(states.count(state))
        self._desired.set(self._shared_state.desired_workers)
        self._generation.set(table.generation)


def metrics_application(directory: Directory, gauges: WorkerGauges, log: Any) -> Callable[..., list[bytes]]:
    """The WSGI application of prometheus_client, which finds the format and the encoding that the client accepts."""
    registry = CollectorRegistry()
    registry.register(Totals(directory, log))
    application = make_wsgi_app(registry)

    def serve(environ: dict[str, str], start_response: Callable[..., Any]) -> list[bytes]:
        gauges.update()
        body: list[bytes] = application(environ, start_response)
        return body

    return serve
