"""What it costs to observe calls: the same hook, with one receiver of ``hook_finished`` or none, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from typing import Any

from proxyhooks._flask.event_log import EventLog
from proxyhooks._wire.environ_keys import RECEIVED
from proxyhooks.metrics.call_metrics import CallMetrics
from proxyhooks.metrics.in_files import FileCounts
from proxyhooks.signals import hook_finished

from . import contestants
from .in_process import environ, start_response

Receiver = Callable[..., Any]


def do_nothing(app: Any, call: Any) -> None:
    """The cheapest receiver."""


@contextmanager
def receivers() -> Iterator[dict[str, Receiver | None]]:
    """What observes calls, by what it is in the table."""
    with ExitStack() as stack:
        metrics = CallMetrics(FileCounts(stack.enter_context(tempfile.TemporaryDirectory())))
        lines = stack.enter_context(tempfile.TemporaryFile("w", buffering=1))  # as standard error is
        stack.enter_context(redirect_stderr(lines))
        yield {
            "no receiver": None,
            "a receiver that does nothing": do_nothing,
            "metrics": metrics.record,
            "the event log, as text": EventLog("text"),
            "the event log, as JSON": EventLog("json"),
        }


def call_often(app: Any, calls: int) -> float:
    """Microseconds of CPU for a call, as a worker makes it that knows when the request was received."""
    environs = [environ() for _ in range(calls)]
    start = time.thread_time()
    for one in environs:
        one[RECEIVED] = time.monotonic()
        b"".join(app(one, start_response))
    return (time.thread_time() - start) / calls * 1e6


def measure(rounds: int = 100, calls: int = 300) -> Iterator[tuple[str, str]]:
    """The median for each receiver, how much more that is than without one, and the ratio."""
    app = contestants.hook()
    call_often(app, calls)
    with receivers() as observing:
        times: dict[str, list[float]] = {name: [] for name in observing}
        for _ in range(rounds):
            for name, receiver in observing.items():
                if receiver is not None:
                    hook_finished.connect(receiver)
                try:
                    times[name].append(call_often(app, calls))
                finally:
                    if receiver is not None:
                        hook_finished.disconnect(receiver)
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    for name, microseconds in medians.items():
        yield name, f"{microseconds:.1f} µs | {microseconds - first:+.1f} µs | {microseconds / first:.2f}"
