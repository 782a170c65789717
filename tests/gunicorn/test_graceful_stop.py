"""When a worker comes to its end; with gunicorn around it this is seen in tests/reliability."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks.gunicorn.graceful_stop import Retirement
from proxyhooks.gunicorn.worker_table import Board, Entry


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return lambda text: self.lines.append((level, text))


def worker(nr: int = 0, max_requests: int = 10**9, workers: int = 2) -> Any:
    cfg = SimpleNamespace(workers=workers)
    return SimpleNamespace(nr=nr, max_requests=max_requests, cfg=cfg, log=Log(), sockets=[], ppid=os.getpid())


def board(**entries: Entry) -> Board:
    """With worker 1 of generation 0, and others."""
    made = Board()
    with made.notes() as notes:
        notes.workers = {"1": Entry(0, "serving"), **{name[1:]: entry for name, entry in entries.items()}}
        notes.generation = max(entry.generation for entry in notes.workers.values())
    return made


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """What gunicorn's own handler was told."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    yield told
    signal.signal(signal.SIGTERM, before)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_gunicorn_hears_of_the_signal_when_another_one_serves(stopped: list[int]) -> None:
    shared, me = board(_2=Entry(1, "starting")), worker()
    Retirement(me, shared, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.4)
    with shared.notes() as notes:
        assert (notes.workers["1"].state, stopped) == ("asked", [])
        notes.workers["2"].state = "serving"
    wait_for(lambda: stopped)
    with shared.notes() as notes:
        assert notes.workers["1"].state == "stopping"


def test_one_that_is_worn_says_so_once_and_waits(stopped: list[int]) -> None:
    shared, me = board(), worker(nr=5, max_requests=5)
    with shared.notes() as notes:
        notes.generation, notes.failed = 1, True
    Retirement(me, shared, 1)
    time.sleep(0.7)
    assert me.log.lines == [("info", "max_requests is reached: the worker stops when another one serves")]
    assert stopped == []
    with shared.notes() as notes:
        notes.workers["2"] = Entry(1, "serving")
    wait_for(lambda: stopped)


def test_one_whose_successor_fails_stays_and_can_be_asked_again(stopped: list[int]) -> None:
    shared, me = board(), worker()
    with shared.notes() as notes:
        notes.generation, notes.failed = 1, True
    Retirement(me, shared, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for(lambda: me.log.lines)
    level, text = me.log.lines[0]
    assert (level, "this worker goes on with the one it has" in text, stopped) == ("error", True, [])
    with shared.notes() as notes:
        assert notes.workers["1"].state == "serving"
        notes.workers["2"] = Entry(1, "serving")
    time.sleep(0.3)
    assert not stopped
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for(lambda: stopped)


def test_when_everything_ends_nobody_is_waited_for(stopped: list[int]) -> None:
    shared, me = board(), worker()
    Retirement(me, shared, 1)
    shared.ending = True
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for(lambda: stopped)


def test_the_only_one_asks_for_a_spare_and_gives_it_back(stopped: list[int]) -> None:
    told: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: told.append(number)) for number in (21, 22)}
    assert set(before) == {signal.SIGTTIN, signal.SIGTTOU}
    try:
        shared, me = board(), worker(nr=1, max_requests=1, workers=1)
        Retirement(me, shared, 1)
        wait_for(lambda: told)
        time.sleep(0.3)
        assert (told, stopped) == ([signal.SIGTTIN], [])
        with shared.notes() as notes:
            notes.workers["2"] = Entry(0, "serving")
        wait_for(lambda: stopped)
        assert told == [signal.SIGTTIN, signal.SIGTTOU]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_one_that_cannot_see_the_board_stops(stopped: list[int]) -> None:
    shared, me = board(), worker()
    Retirement(me, shared, 7)  # which is not on it
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for(lambda: stopped)
    assert me.log.lines == [("exception", "Whether another worker serves cannot be seen")]
