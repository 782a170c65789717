"""Counting with prometheus_client's own metrics, for a server with one process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from .._wire.metric_table import CALL_DURATION, CALLS, DURATION_BUCKETS, QUEUE_BUCKETS, QUEUE_DURATION
from .count import Count


class RegistryCounts:
    """The counts of this process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._calls = Counter(CALLS.name, CALLS.meaning, CALLS.labels, registry=registry)
        self._durations = Histogram(
            CALL_DURATION.name,
            CALL_DURATION.meaning,
            CALL_DURATION.labels,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._queue = Histogram(QUEUE_DURATION.name, QUEUE_DURATION.meaning, buckets=QUEUE_BUCKETS, registry=registry)

    def start_anew(self) -> None:
        """Do nothing: a process that was forked counts on in its copy."""

    def count_of(self, event: str, hook: str, outcome: str, code: str) -> Count:
        calls = self._calls.labels(event, hook, outcome, code)
        duration = self._durations.labels(event, hook)
        queue = self._queue

        def count(seconds: float, queue_time: float | None) -> None:
            calls.inc()
            duration.observe(seconds)
            if queue_time is not None:
                queue.observe(queue_time)

        return count
