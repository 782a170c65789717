"""What a span of OpenTelemetry costs: the same hook without one, with Flask's instrumentation alone, and with names."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, Sampler

from proxyhooks._flask import opentelemetry

from . import contestants
from .in_process import call


def instrumented(*, named: bool = True, sampler: Sampler | None = None) -> Flask:
    """The hook, with spans that nothing exports.

    :param named: False: the spans are as Flask's instrumentation makes them.
    """
    app = contestants.hook()
    provider = TracerProvider(sampler=sampler)
    FlaskInstrumentor.instrument_app(app, tracer_provider=provider, meter_provider=MeterProvider())
    if not named:
        app.extensions[opentelemetry.SPANS_KEY] = None  # as if the functions around the span were there
    return app


def measure(rounds: int = 40, calls: int = 50) -> Iterator[tuple[str, str]]:
    """The median for each, how much more that is than without spans, and the ratio."""
    apps = {
        "nothing": contestants.hook(),
        "spans of OpenTelemetry's Flask instrumentation alone": instrumented(named=False),
        "spans with the names, attributes and links of this package": instrumented(),
        "these spans, 1 % of them kept": instrumented(sampler=ParentBasedTraceIdRatio(0.01)),
    }
    times: dict[str, list[float]] = {name: [] for name in apps}
    for app in apps.values():
        for _ in range(2):  # the first call of a hook goes through Flask
            call(app)
    for _ in range(rounds):
        for name, app in apps.items():
            start = time.thread_time()
            for _ in range(calls):
                call(app)
            times[name].append((time.thread_time() - start) / calls * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = medians["nothing"]
    for name, microseconds in medians.items():
        yield name, f"{microseconds:.1f} µs | {microseconds - first:+.1f} µs | {microseconds / first:.2f}"
