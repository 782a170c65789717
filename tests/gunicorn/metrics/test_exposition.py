"""What is served: the sums over the files of all processes, also while files change."""

from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxyhooks._wire.metric_table import METRICS
from proxyhooks._wire.value_file import ValueFile
from proxyhooks.gunicorn.metrics.directory import Directory
from proxyhooks.gunicorn.metrics.exposition import Totals

log = logging.getLogger("metrics")


def write(here: Path, number: int, value: float, kind: str = "counter") -> None:
    file = ValueFile(str(here / f"{kind}_{number}-proxyhooks.db"))
    view, index = file.cell("calls", "calls_total", [("event", "rpc")], "Calls.")
    view[index] = value


def total(here: Path) -> float:
    """The sum of the counters."""
    totals = Totals(Directory(str(here)), log)
    return sum(float(s.value) for metric in totals.collect() for s in metric.samples if s.name == "calls_total")


def test_the_counts_of_all_processes_are_added(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, 1, 2)
    write(tmp_path, 4_000_000, 3)
    assert total(tmp_path) == 5
    assert not caplog.records


def entry(key: bytes) -> bytes:
    """A file with one entry."""
    padded = key.ljust((len(key) + 4) // 8 * 8 + 4)
    return struct.pack("ii", 8 + 4 + len(padded) + 16, 0) + struct.pack("i", len(key)) + padded + bytes(16)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(struct.pack("iiii", 4096, 0, 1_000_000, 0) + bytes(8000), id="length of a key"),
        pytest.param(b"x", id="short"),
        pytest.param(struct.pack("ii", 1_000_000, 0) + bytes(100), id="size"),
        pytest.param(entry(b'["calls", "calls_total", ["rpc"], "Calls."]'), id="labels"),
        pytest.param(entry(b'[1, "calls_total", {}, "Calls."]'), id="name"),
        pytest.param(entry(b"7"), id="no list"),
        pytest.param(entry(b"\xff"), id="no text"),
    ],
)
def test_a_damaged_file_is_left_out_and_logged_once(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 1, 2)
    damaged = tmp_path / "counter_2.db"
    damaged.write_bytes(content)
    (tmp_path / "counter_3.db").touch()  # a process is about to write its first value
    totals = Totals(Directory(str(tmp_path)), log)
    for _ in range(2):
        assert [s.value for m in totals.collect() for s in m.samples if s.name == "calls_total"] == [2]
    assert [str(damaged) in record.getMessage() for record in caplog.records] == [True]
    assert Directory(str(tmp_path)).take_over(2) == [str(damaged)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_files_that_get_another_name_meanwhile_count_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    write(tmp_path, 4_000_000, 2)
    write(tmp_path, 1, 5)
    directory = Directory(str(tmp_path))
    looks = 0

    class Renaming(Directory):
        def value_files(self) -> list[str]:
            nonlocal looks
            looks += 1
            if looks == 1 and moment == "before":
                files = directory.value_files()
                directory.take_over(os.getpid())
                return files
            if looks == 2 and moment == "after":
                directory.take_over(os.getpid())
            return directory.value_files()

    collected = Totals(Renaming(str(tmp_path)), log).collect()
    assert [s.value for metric in collected for s in metric.samples if s.name == "calls_total"] == [7]
    assert looks > 2
    assert not caplog.records


GAUGES = """
import os, sys
from proxyhooks.gunicorn.metrics.directory import Directory
from proxyhooks.gunicorn.metrics.exposition import WorkerGauges, metrics_application
from proxyhooks.gunicorn.worker_table import SharedState, WorkerRecord

state = SharedState()
state.note_number_of_workers(4)
with state.table() as table:
    table.generation = 2
    states = ("starting", "serving", "serving", "stop_requested", "stopping")
    table.workers = {number: WorkerRecord(2, state) for number, state in enumerate(states)}
directory = Directory(os.environ["PROMETHEUS_MULTIPROC_DIR"])
directory.note_reload_failure()
application = metrics_application(directory, WorkerGauges(state), None)
body = application({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}, lambda *_: None)
sys.stdout.buffer.write(b"".join(body))
"""


def test_the_workers_are_exported_by_state_with_generation_and_failed_reloads(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", GAUGES], env=environ, capture_output=True, timeout=300, check=True)
    families: Any = text_string_to_metric_families
    samples = {(s.name, *s.labels.values()): s.value for m in families(run.stdout.decode()) for s in m.samples}
    assert samples == {
        ("proxyhooks_workers", "starting"): 1,
        ("proxyhooks_workers", "serving"): 3,
        ("proxyhooks_workers", "stopping"): 1,
        ("proxyhooks_workers_desired",): 4,
        ("proxyhooks_worker_generation",): 2,
        ("proxyhooks_reload_failures_total",): 1,
    }
    assert {name for name, *_ in samples} < {metric.name for metric in METRICS}
