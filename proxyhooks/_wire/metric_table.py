"""The table of metrics, for what counts calls and for what serves the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that switches prometheus_client's multiprocess mode on, and says where its files are."""
DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. Those of Centrifugo's ``centrifugo_proxy_duration_seconds_histogram``."""
QUEUE_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.5, 5.0)
"""Seconds. With 0.2, and half of the default timeout: calls that wait longer are refused."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    """One sentence, for ``# HELP`` and the documentation."""


CALLS: Final = Metric(
    "proxyhooks_calls_total", "counter", ("event", "hook", "outcome", "code"), "Requests to the URLs of hooks."
)
CALL_DURATION: Final = Metric(
    "proxyhooks_call_duration_seconds",
    "histogram",
    ("event", "hook"),
    "Time from the start of the middleware to the reply, in Centrifugo's own buckets.",
)
QUEUE_DURATION: Final = Metric(
    "proxyhooks_queue_duration_seconds",
    "histogram",
    (),
    "Time that requests waited for a thread; left out if the server does not tell.",
)
CALLS_IN_FLIGHT: Final = Metric(
    "proxyhooks_calls_in_flight", "gauge", (), "Requests to the URLs of hooks that are being answered."
)
AFTER_REPLY_PENDING: Final = Metric(
    "proxyhooks_after_reply_pending", "gauge", (), "Functions of after_reply that wait or run."
)
WORKERS: Final = Metric(
    "proxyhooks_workers", "gauge", ("state",), "Workers of gunicorn, which are starting, serving or stopping."
)
WORKERS_DESIRED: Final = Metric(
    "proxyhooks_workers_desired", "gauge", (), "Workers that gunicorn is to have, by its configuration, TTIN and TTOU."
)
WORKER_GENERATION: Final = Metric("proxyhooks_worker_generation", "gauge", (), "Reloads since the start of the master.")
RELOAD_FAILURES: Final = Metric(
    "proxyhooks_reload_failures_total",
    "counter",
    (),
    "Reloads after which no new worker could load the application, so that the old workers went on.",
)

METRICS: Final = (
    CALLS,
    CALL_DURATION,
    QUEUE_DURATION,
    CALLS_IN_FLIGHT,
    AFTER_REPLY_PENDING,
    WORKERS,
    WORKERS_DESIRED,
    WORKER_GENERATION,
    RELOAD_FAILURES,
)
