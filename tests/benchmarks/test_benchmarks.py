"""That what measures works; and that a call takes no more instructions than it did, which is no matter of time."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from . import __main__ as commands
from . import in_process, instructions, scale, served
from .contestants import CONTESTANTS, LEVELS

# Of a hook's instructions to those of a bare Flask view, by version of Python. When they become less, lower them.
EXPECTED = {(3, 11): 0.311, (3, 12): 0.324, (3, 13): 0.325}
SLIP = 1.1


def test_in_process_measures_every_contestant(capsys: pytest.CaptureFixture[str]) -> None:
    values = in_process.measure(rounds=1, calls=2)
    assert values.keys() == CONTESTANTS.keys() | LEVELS.keys()
    commands.table("µs", values, more_is_better=False)
    printed = capsys.readouterr().out
    assert "**a hook**" in printed
    assert all(text in printed for text in LEVELS.values())


@pytest.mark.skipif(not served.available(), reason="wrk is not on PATH, or there is one core only")
def test_served_measures_every_contestant() -> None:
    assert all(rate > 0 for rate in served.measure(rounds=1, seconds=1).values())


@pytest.mark.parametrize(
    "part",
    [
        lambda: scale.without(1, 1),
        lambda: scale.around(1, 1),
        lambda: scale.patterns((1, 10), 1, 1),
        lambda: scale.payloads((100, 1000), 1),
        lambda: scale.threads(2, 2, 1),
        lambda: scale.memory(20, 10),
    ],
)
def test_scale_measures(part: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    commands.rows(part)
    assert capsys.readouterr().out.startswith("| ")


@pytest.mark.skipif(not instructions.available(), reason="valgrind is not on PATH")
def test_a_call_takes_no_more_instructions_than_it_did() -> None:
    expected = EXPECTED.get(sys.version_info[:2])
    if expected is None:
        pytest.skip(f"what Python {sys.version_info[0]}.{sys.version_info[1]} needs was not counted")
    ratio = instructions.instructions("hook") / instructions.instructions("bare")
    assert ratio < expected * SLIP, f"{ratio:.3f} of a bare view, where it was {expected}"
