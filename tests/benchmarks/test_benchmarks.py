"""The benchmarks run, and a hook takes no more instructions than before. Times are not compared."""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from flask import Flask
from opentelemetry.trace import get_current_span

from proxyhooks.signals import hook_finished

from . import __main__ as commands
from . import in_process, instructions, observability, scale, served, served_instructions, spans
from .contestants import CONTESTANTS, LEVELS, hook, hook_async

# Instructions of a hook divided by those of a bare Flask view, by level and version of Python. Lower a value when a
# hook needs fewer.
EXPECTED = {
    "hook": {(3, 11): 0.318, (3, 12): 0.327, (3, 13): 0.326},
    "hook_flask_context": {(3, 11): 0.687, (3, 12): 0.663, (3, 13): 0.690},
    "hook_off": {(3, 11): 0.989, (3, 12): 0.934, (3, 13): 0.985},
}
# The same for an empty function in the worker of proxyhooks, divided by those in gthread.
EXPECTED_IN_WORKER = {(3, 11): 0.235}
TOLERANCE = 1.1


def test_in_process_measures_every_contestant(capsys: pytest.CaptureFixture[str]) -> None:
    values = in_process.measure(rounds=1, calls=2)
    assert values.keys() == CONTESTANTS.keys() | LEVELS.keys()
    commands.print_table("µs", values)
    printed = capsys.readouterr().out
    assert "**a hook**" in printed
    assert all(text in printed for text in LEVELS.values())


@pytest.mark.parametrize("row", served.ROWS, ids=lambda row: f"{row.server}: {row.app}")
def test_every_server_answers_as_the_others(row: served.Row, tmp_path: Path) -> None:
    with served.running(row, tmp_path / "log") as port:
        served.check_reply(row, port)


@pytest.mark.skipif(not served.available(), reason="wrk is not on PATH, or there is one core only")
def test_served_measures_rates_and_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (served.HOOK, served.SLEEPING_HOOK)
    results = served.measure(rows, rounds=1, seconds=1)
    assert results.keys() == set(rows)
    assert all(result.rate > 0 and 0 < result.p50 <= result.p99 for result in results.values())
    commands.print_served(results, rows, compared=served.HOOK)
    assert "a hook that sleeps" in capsys.readouterr().out


WRK = """\
  Latency Distribution
     50%    1.50ms
     75%    1.60ms
     90%    1.70ms
     99%    {p99}
  9000 requests in 1.00s, 1.50MB read
{problem}Requests/sec:   9000.50
Transfer/sec:      1.50MB
"""


@pytest.mark.parametrize(
    ("p99", "milliseconds"), [("500.00us", 0.5), ("2.25ms", 2.25), ("1.20s ", 1200), ("1.00m ", 60_000)]
)
def test_the_output_of_wrk_is_read_in_all_units(p99: str, milliseconds: float) -> None:
    assert served.parse_output(WRK.format(p99=p99, problem="")) == served.Result(9000.5, 1.5, milliseconds)


@pytest.mark.parametrize(
    "problem",
    ["  Non-2xx or 3xx responses: 1\n", "  Socket errors: connect 0, read 1, write 0, timeout 0\n"],
)
def test_a_failed_call_is_no_result(problem: str) -> None:
    with pytest.raises(RuntimeError, match=problem.strip()):
        served.parse_output(WRK.format(p99="2ms", problem=problem))


@pytest.mark.parametrize(
    "part",
    [
        lambda: scale.without_accelerators(1, 1),
        lambda: scale.functions_around(1, 1),
        lambda: scale.patterns((1, 10), 1, 1),
        lambda: scale.payloads((100, 1000), 1),
        lambda: scale.threads(2, 2, 1),
        lambda: scale.memory(20, 10),
    ],
)
def test_scale_measures(
    part: Callable[[], Iterable[tuple[object, object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    commands.print_rows(part)
    assert capsys.readouterr().out.startswith("| ")


def test_observability_is_measured_and_leaves_no_receiver(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(hook_finished.receivers)
    commands.print_rows(lambda: observability.measure(rounds=1, calls=2))
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == [
        "| no receiver",
        "| a receiver that does nothing",
        "| metrics",
        "| the event log, as text",
        "| the event log, as JSON",
    ]
    assert before.issuperset(hook_finished.receivers)  # those of applications that are gone may vanish meanwhile


def test_spans_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    commands.print_rows(lambda: spans.measure(rounds=1, calls=2))
    rows = capsys.readouterr().out.splitlines()
    assert [len(row.split(" | ")) for row in rows] == [4] * 4


@pytest.mark.parametrize("named", [True, False])
def test_the_spans_that_are_compared_differ_by_their_names(named: bool) -> None:
    app, names, name_of = spans.instrumented(named=named), list[str](), operator.attrgetter("name")
    app.teardown_request(lambda exc: names.append(name_of(get_current_span())))
    for _ in range(2):
        in_process.call(app)
    assert names == ["rpc say" if named else "POST /centrifugo/rpc"] * 2


@pytest.mark.skipif(not instructions.available(), reason="valgrind is not on PATH")
@pytest.mark.parametrize("level", EXPECTED)
def test_a_call_takes_no_more_instructions_than_it_did(level: str, counted: dict[str, float]) -> None:
    expected = EXPECTED[level].get(sys.version_info[:2])
    if expected is None:
        pytest.skip(f"Python {sys.version_info[0]}.{sys.version_info[1]} has no expected value for {level}")
    ratio = counted[level] / counted["bare"]
    assert ratio < expected * TOLERANCE, (
        f"{ratio:.3f} of the instructions of a bare view, above {expected} by more than a tenth"
    )


def test_an_async_hook_calls_at_most_three_times_as_many_functions_as_a_hook() -> None:
    """In all threads: with an event loop for each call, it would be six times as many."""
    assert function_calls(hook_async()) < 3 * function_calls(hook())


def function_calls(app: Flask) -> int:
    """Count the functions that are called for some calls of the hook, after its first ones."""
    counts = {"call": 0, "c_call": 0}

    def count(frame: object, event: str, argument: object) -> None:
        if event in counts:
            counts[event] += 1

    for profile in (None, count, None):
        threading.setprofile(profile)  # of threads that start later
        sys.setprofile(profile)
        for _ in range(10):
            in_process.call(app)
    return sum(counts.values())


@pytest.mark.skipif(not served_instructions.available(), reason="the system does not let tests count instructions")
def test_a_call_in_the_worker_takes_no_more_instructions_than_it_did() -> None:
    expected = EXPECTED_IN_WORKER.get(sys.version_info[:2])
    if expected is None:
        pytest.skip(f"Python {sys.version_info[0]}.{sys.version_info[1]} has no expected value for the worker")
    worker, gthread = (served_instructions.instructions(server) for server in ("the worker of proxyhooks", "gthread"))
    assert worker / gthread < expected * TOLERANCE, (
        f"{worker / gthread:.3f} of the instructions of gthread, above {expected} by more than a tenth"
    )


@pytest.fixture(scope="module")
def counted() -> dict[str, float]:
    return instructions.measure(["bare", *EXPECTED])
