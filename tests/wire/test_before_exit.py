"""The work that a process finishes before it ends."""

from __future__ import annotations

import pytest

from proxyhooks._wire import before_exit


class Work:
    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.given_up = False

    def is_busy(self) -> bool:
        self.turns -= 1
        return self.turns >= 0

    def give_up(self) -> None:
        self.given_up = True

    def start_anew(self) -> None:
        self.turns = 0

    def pending(self) -> int:
        return max(0, self.turns)


class Interrupted(Work):
    def is_busy(self) -> bool:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def no_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_exit, "_all", set())


def test_work_is_waited_for_until_it_is_done() -> None:
    work = Work(turns=3)
    before_exit.register(work)
    before_exit.finish(60)
    assert work.turns < 0
    assert work.given_up


def test_what_is_pending_is_added_up() -> None:
    assert before_exit.pending() == 0
    for turns in (3, 4):
        before_exit.register(Work(turns=turns))
    assert before_exit.pending() == 7


def test_work_is_given_up_when_the_time_is_over() -> None:
    work = Work(turns=10**9)
    before_exit.register(work)
    before_exit.finish(0.05)
    assert work.given_up
    assert work.turns > 0


def test_work_is_given_up_also_if_a_signal_ends_the_waiting() -> None:
    work = Interrupted(turns=1)
    before_exit.register(work)
    with pytest.raises(KeyboardInterrupt):
        before_exit.finish(60)
    assert work.given_up
