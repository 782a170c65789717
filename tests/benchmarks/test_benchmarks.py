"""The benchmarks run, and a hook takes no more instructions than before. Times are not compared."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from . import __main__ as commands
from . import in_process, instructions, scale, served
from .contestants import CONTESTANTS, LEVELS

# Instructions of a hook divided by those of a bare Flask view, by level and version of Python. Lower a value when a
# hook needs fewer.
EXPECTED = {
    "hook": {(3, 11): 0.297, (3, 12): 0.345, (3, 13): 0.353},
    "hook_flask_context": {(3, 11): 0.625, (3, 12): 0.663, (3, 13): 0.717},
    "hook_off": {(3, 11): 0.930, (3, 12): 0.934, (3, 13): 0.991},
}
TOLERANCE = 1.1


def test_in_process_measures_every_contestant(capsys: pytest.CaptureFixture[str]) -> None:
    values = in_process.measure(rounds=1, calls=2)
    assert values.keys() == CONTESTANTS.keys() | LEVELS.keys()
    commands.print_table("µs", values, more_is_better=False)
    printed = capsys.readouterr().out
    assert "**a hook**" in printed
    assert all(text in printed for text in LEVELS.values())


@pytest.mark.skipif(not served.available(), reason="wrk is not on PATH, or there is one core only")
def test_served_measures_every_contestant() -> None:
    assert all(rate > 0 for rate in served.measure(rounds=1, seconds=1).values())


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
def test_scale_measures(part: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    commands.print_rows(part)
    assert capsys.readouterr().out.startswith("| ")


@pytest.mark.skipif(not instructions.available(), reason="valgrind is not on PATH")
@pytest.mark.parametrize("level", EXPECTED)
def test_a_call_takes_no_more_instructions_than_it_did(level: str, bare_instructions: float) -> None:
    expected = EXPECTED[level].get(sys.version_info[:2])
    if expected is None:
        pytest.skip(f"Python {sys.version_info[0]}.{sys.version_info[1]} has no expected value for {level}")
    ratio = instructions.instructions(level) / bare_instructions
    assert ratio < expected * TOLERANCE, (
        f"{ratio:.3f} of the instructions of a bare view, above {expected} by more than a tenth"
    )


@pytest.fixture(scope="module")
def bare_instructions() -> float:
    return instructions.instructions("bare")
