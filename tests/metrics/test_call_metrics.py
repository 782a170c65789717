"""Counting calls: what a call adds, in the files of a process and in prometheus_client's registry."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from proxyhooks import ProxyHooks, RPCResult
from proxyhooks._flask.finished_calls import observers
from proxyhooks._wire.metric_table import CALL_DURATION, DURATION_BUCKETS, QUEUE_BUCKETS
from proxyhooks.metrics import call_metrics as module
from proxyhooks.metrics.call_metrics import CallMetrics
from proxyhooks.metrics.in_files import FileCounts
from proxyhooks.metrics.in_registry import RegistryCounts
from proxyhooks.signals import FinishedCall
from tests.support.asking import Ask

Samples = dict[tuple[str, ...], float]


def finished(**fields: Any) -> FinishedCall:
    known = {"event": "rpc", "hook": "app.echo", "pattern": "echo", "outcome": "result", "code": None, "status": 200,
             "duration": 0.004, "queue_time": 0.0004, "request": None, "error": None}  # fmt: skip
    return FinishedCall(**known | fields)


def as_dict(metrics: Any) -> Samples:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for metric in metrics
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture(params=["in files", "in the registry"])
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[CallMetrics, Callable[[], Samples]]:
    """What counts, and a function that reads the counts as they are exported."""
    collector: Any = MultiProcessCollector
    if request.param == "in files":
        merge: Any = collector.merge
        return CallMetrics(FileCounts(str(tmp_path))), lambda: as_dict(merge([str(f) for f in tmp_path.iterdir()]))
    registry = CollectorRegistry()
    return CallMetrics(RegistryCounts(registry)), lambda: as_dict(registry.collect())


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({}, ("", "rpc", "app.echo", "result")),
        ({"outcome": "error", "code": 107}, ("107", "rpc", "app.echo", "error")),
        ({"outcome": "error", "code": 100, "status": 500}, ("100", "rpc", "app.echo", "error")),
        ({"outcome": "disconnect", "code": 4501}, ("4501", "rpc", "app.echo", "disconnect")),
        ({"outcome": "failed", "status": 500}, ("500", "rpc", "app.echo", "failed")),
        ({"outcome": "failed", "status": 403, "hook": None, "pattern": None}, ("403", "rpc", "", "failed")),
    ],
)
def test_calls_are_counted_by_event_hook_outcome_and_code(
    counting: tuple[CallMetrics, Callable[[], Samples]], fields: dict[str, Any], labels: tuple[str, ...]
) -> None:
    metrics, read = counting
    metrics.record(None, call=finished(**fields))
    metrics.record(None, call=finished(**fields))
    calls = {name[1:]: value for name, value in read().items() if name[0] == "proxyhooks_calls_total"}
    assert calls == {labels: 2}


def test_durations_and_times_in_the_queue_are_in_their_buckets(
    counting: tuple[CallMetrics, Callable[[], Samples]],
) -> None:
    metrics, read = counting
    durations = [0.0, *DURATION_BUCKETS, 11.0]
    for duration in durations:
        metrics.record(None, call=finished(duration=duration, queue_time=None))
    for queue_time in (0.2, 0.3):
        metrics.record(None, call=finished(duration=0.0, queue_time=queue_time))
    samples, name = read(), CALL_DURATION.name
    bounds = [str(bound) for bound in DURATION_BUCKETS]
    cumulative = [samples[f"{name}_bucket", "rpc", "app.echo", bound] for bound in (*bounds, "+Inf")]
    assert cumulative == [*range(4, len(durations) + 2), len(durations) + 2]
    assert samples[f"{name}_sum", "rpc", "app.echo"] == pytest.approx(sum(durations))
    queue = {
        name[-1]: value for name, value in samples.items() if name[0] == "proxyhooks_queue_duration_seconds_bucket"
    }
    assert (queue["0.1"], queue["0.2"], queue["0.5"], queue["+Inf"]) == (0, 1, 2, 2)
    assert len(queue) == len(QUEUE_BUCKETS) + 1
    assert samples["proxyhooks_queue_duration_seconds_sum",] == pytest.approx(0.5)


def test_threads_lose_no_call(counting: tuple[CallMetrics, Callable[[], Samples]]) -> None:
    metrics, read = counting

    def count() -> None:
        for _ in range(2000):
            metrics.record(None, call=finished())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert read()["proxyhooks_calls_total", "", "rpc", "app.echo", "result"] == 8000
    assert read()["proxyhooks_call_duration_seconds_count", "rpc", "app.echo"] == 8000


def test_the_metrics_of_hooks_are_exported_before_the_first_call(
    counting: tuple[CallMetrics, Callable[[], Samples]],
) -> None:
    metrics, read = counting
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])

    @hooks.rpc("echo")
    def echo(req: Any) -> Any: ...

    metrics.prepare(app)
    metrics.prepare(object())  # what is no Flask application
    calls = {name[1:]: value for name, value in read().items() if name[0] == "proxyhooks_calls_total"}
    hook = f"{__name__}.{echo.__qualname__}"
    assert calls == {
        ("", "rpc", hook, "result"): 0,
        ("500", "rpc", hook, "failed"): 0,
        ("403", "rpc", "", "failed"): 0,
        ("503", "rpc", "", "failed"): 0,
    }


def test_codes_without_end_are_counted_as_other(
    counting: tuple[CallMetrics, Callable[[], Samples]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_KINDS", 10)
    metrics, read = counting
    for code in range(400, 430):
        metrics.record(None, call=finished(outcome="error", code=code))
    calls = {name[1]: value for name, value in read().items() if name[0] == "proxyhooks_calls_total"}
    assert len(calls) == 11
    assert calls["other"] == 20
    assert sum(calls.values()) == 30


def test_a_call_that_cannot_be_counted_is_answered_and_logged(
    app: Flask, ask: Ask, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = ProxyHooks(app)

    @hooks.rpc("echo")
    def echo(req: Any) -> RPCResult:
        return RPCResult(data=1)

    metrics = CallMetrics(FileCounts(str(tmp_path / "gone")))
    observers.append(metrics.record)
    request.addfinalizer(lambda: observers.remove(metrics.record))
    assert ask("rpc", method="echo").json == {"result": {"data": 1}}
    assert ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"}).status_code == 403
    assert "an observer of calls, failed" in caplog.text
    assert "FileNotFoundError" in caplog.text
    (tmp_path / "gone").mkdir()  # or there is room again
    ask("rpc", method="echo")
    assert {path.name.partition("_")[0] for path in (tmp_path / "gone").iterdir()} == {"counter", "histogram"}


def _record_in_child(metrics: CallMetrics, path: Path) -> None:
    metrics.record(None, call=finished())
    os._exit(0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_the_application_forks_has_files_of_its_own(tmp_path: Path) -> None:
    metrics = CallMetrics(FileCounts(str(tmp_path)))
    metrics.record(None, call=finished())
    child = multiprocessing.get_context("fork").Process(target=_record_in_child, args=(metrics, tmp_path))
    child.start()
    child.join(60)
    metrics.record(None, call=finished())
    collector: Any = MultiProcessCollector
    files = [str(file) for file in tmp_path.iterdir()]
    assert len(files) == 4
    assert as_dict(collector.merge(files))["proxyhooks_calls_total", "", "rpc", "app.echo", "result"] == 3
