"""Who of gunicorn's workers may stop; the rest of it is seen in tests/reliability."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest

from proxyhooks.gunicorn.worker_table import Board, Entry, Notes, State

context = multiprocessing.get_context("fork")


def notes(*workers: tuple[int, State], failed: bool = False) -> Notes:
    """With workers of a generation, in a state, numbered from 1."""
    entries = {str(number): Entry(generation, state) for number, (generation, state) in enumerate(workers, 1)}
    return Notes(max(generation for generation, _ in workers), failed, entries)


@pytest.mark.parametrize(
    ("workers", "failed", "decision"),
    [
        # A reload: the first was told to make room.
        ([(0, "asked"), (0, "asked"), (1, "starting"), (1, "starting")], False, "wait"),
        ([(0, "asked"), (0, "asked"), (1, "serving"), (1, "starting")], False, "wait"),
        ([(0, "asked"), (0, "asked"), (1, "serving"), (1, "serving")], False, "stop"),
        ([(0, "asked"), (0, "asked"), (1, "serving")], True, "stop"),  # one of two has failed, another is to come
        ([(0, "asked"), (0, "asked"), (1, "starting")], True, "wait"),
        ([(0, "asked"), (0, "asked")], False, "stay"),
        ([(0, "asked"), (1, "asked")], False, "stop"),
        ([(0, "asked"), (1, "stopping")], False, "wait"),
        # One of its generation.
        ([(0, "asked"), (0, "serving")], False, "stop"),
        ([(0, "asked"), (0, "asked")], False, "stop"),
        ([(0, "asked"), (0, "stopping")], False, "wait"),
        ([(0, "asked"), (0, "starting")], False, "wait"),
        ([(0, "asked"), (0, "serving"), (0, "starting")], False, "wait"),
        ([(0, "asked"), (0, "serving"), (0, "stopping")], False, "wait"),
        ([(0, "asked")], False, "wait"),
    ],
)
def test_the_first_may(workers: list[tuple[int, State]], failed: bool, decision: str) -> None:
    given = notes(*workers, failed=failed)
    if decision == "stay":
        given.generation, given.failed = 1, True
    assert given.decide(1, alone=False) == decision


def test_two_that_are_asked_never_rely_on_each_other() -> None:
    given = notes((0, "asked"), (0, "asked"))
    assert (given.decide(1, alone=False), given.decide(2, alone=False)) == ("stop", "wait")


def test_a_successor_that_has_not_failed_yet_is_waited_for() -> None:
    given = notes((0, "asked"))
    given.generation = 1
    assert given.decide(1, alone=False) == "wait"


def test_the_only_one_has_a_spare_started() -> None:
    assert notes((0, "asked")).decide(1, alone=True) == "spare"
    assert notes((0, "asked"), (0, "starting")).decide(1, alone=True) == "wait"
    assert notes((0, "asked"), (0, "serving")).decide(1, alone=True) == "stop"


def _add(board: Board, times: int) -> None:
    for _ in range(times):
        with board.notes() as found:
            found.generation += 1


def test_processes_share_a_board_and_lose_nothing_of_it() -> None:
    board = Board()
    processes: list[Any] = [context.Process(target=_add, args=(board, 200)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with board.notes() as found:
        assert found.generation == 800


def _end(board: Board) -> None:
    board.ending = True


def test_processes_share_the_end() -> None:
    board = Board()
    assert not board.ending
    process: Any = context.Process(target=_end, args=(board,))
    process.start()
    process.join()
    assert board.ending
    board.ending = False
    assert not board.ending


def test_a_change_is_kept_only_if_it_was_made_whole() -> None:
    board = Board()

    def fail(found: Notes) -> None:
        found.generation = 7
        raise RuntimeError

    with pytest.raises(RuntimeError), board.notes() as found:
        fail(found)
    with board.notes() as found:
        assert found == Notes()
