"""Counting into files that all processes share a directory for: prometheus_client's multiprocess mode, but quicker.

prometheus_client needs five to ten times as long for a call, since each of its values asks for the process's number,
takes a lock and packs bytes.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections.abc import Sequence

from .._wire.metric_table import CALL_DURATION, CALLS, DURATION_BUCKETS, QUEUE_BUCKETS, QUEUE_DURATION, Metric
from .._wire.value_file import ValueFile
from .count import Count


class _Histogram:
    """The cells of a histogram with these values of its labels."""

    def __init__(self, file: ValueFile, metric: Metric, values: Sequence[str], buckets: Sequence[float]) -> None:
        labels = tuple(zip(metric.labels, values, strict=True))
        self.sum = file.cell(metric.name, f"{metric.name}_sum", labels, metric.meaning)
        bounds = [str(bound) for bound in buckets] + ["+Inf"]
        self.buckets = [
            file.cell(metric.name, f"{metric.name}_bucket", (*labels, ("le", bound)), metric.meaning)
            for bound in bounds
        ]


class FileCounts:
    """The counts of this process.

    :param directory: where ``MultiProcessCollector`` looks for files.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.start_anew()

    def start_anew(self) -> None:
        """Begin with other files: after a fork, the files belong to the parent."""
        self._lock = threading.Lock()
        self._files: dict[str, ValueFile] = {}
        self._durations: dict[tuple[str, str], _Histogram] = {}

    def count_of(self, event: str, hook: str, outcome: str, code: str) -> Count:
        with self._lock:
            calls, call_index = self._file("counter").cell(
                CALLS.name.removesuffix("_total"),
                CALLS.name,
                tuple(zip(CALLS.labels, (event, hook, outcome, code), strict=True)),
                CALLS.meaning,
            )
            histograms = self._file("histogram")
            duration = self._durations.get((event, hook))
            if duration is None:
                duration = _Histogram(histograms, CALL_DURATION, (event, hook), DURATION_BUCKETS)
                self._durations[event, hook] = duration
            queue = _Histogram(histograms, QUEUE_DURATION, (), QUEUE_BUCKETS)
        return _count(self._lock, calls, call_index, duration, queue)

    def _file(self, kind: str) -> ValueFile:
        """The file of this kind. Its name differs from that of prometheus_client, which may have one of this kind."""
        file = self._files.get(kind)
        if file is None:
            path = os.path.join(self._directory, f"{kind}_{os.getpid()}-proxyhooks.db")
            file = self._files[kind] = ValueFile(path)
        return file


def _count(
    lock: threading.Lock, calls: memoryview[float], index: int, duration: _Histogram, queue: _Histogram
) -> Count:
    """A function that counts one call of a kind."""
    duration_sum, duration_index = duration.sum
    duration_buckets = duration.buckets
    queue_sum, queue_index = queue.sum
    queue_buckets = queue.buckets
    duration_bounds, queue_bounds = DURATION_BUCKETS, QUEUE_BUCKETS

    def count(seconds: float, queue_time: float | None) -> None:
        with lock:
            calls[index] += 1.0
            duration_sum[duration_index] += seconds
            bucket, at = duration_buckets[bisect_left(duration_bounds, seconds)]
            bucket[at] += 1.0
            if queue_time is not None:
                queue_sum[queue_index] += queue_time
                bucket, at = queue_buckets[bisect_left(queue_bounds, queue_time)]
                bucket[at] += 1.0

    return count
