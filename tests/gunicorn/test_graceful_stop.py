"""When a worker stops; tests/reliability has the same with gunicorn around it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks._wire import before_exit, probes
from proxyhooks.gunicorn.graceful_stop import GracefulStop, give_up_work_in_time, time_to_finish
from proxyhooks.gunicorn.worker_table import SharedState, WorkerRecord
from tests.support.waiting import wait_until


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return lambda text: self.lines.append((level, text))


def make_worker(
    nr: int = 0, max_requests: int = 10**9, workers: int = 2, graceful_timeout: int = 10**9, timeout: int = 0
) -> Any:
    cfg = SimpleNamespace(workers=workers, graceful_timeout=graceful_timeout, timeout=timeout)
    return SimpleNamespace(nr=nr, max_requests=max_requests, cfg=cfg, log=Log(), sockets=[], ppid=os.getpid())


def make_state(second: WorkerRecord | None = None) -> SharedState:
    """Return a state with worker 1, which is of generation 0 and serves, and perhaps worker 2."""
    state = SharedState()
    with state.table() as table:
        table.workers[1] = WorkerRecord(0, "serving")
        if second is not None:
            table.workers[2] = second
            table.generation = second.generation
    return state


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The signals that have reached gunicorn's own handler."""
    monkeypatch.setattr(probes, "_drains", False)
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: received.append(signum))
    yield received
    signal.signal(signal.SIGTERM, before)


def state_of(state: SharedState, number: int) -> str:
    with state.table() as table:
        return table.workers[number].state


def test_the_signal_reaches_gunicorn_once_another_worker_serves(stops: list[int]) -> None:
    state, worker = make_state(WorkerRecord(1, "starting")), make_worker()
    GracefulStop(worker, state, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: state_of(state, 1) == "stop_requested", "the stop request in the table")
    time.sleep(0.4)
    with state.table() as table:
        assert (table.workers[1].state, stops) == ("stop_requested", [])
        assert not probes.is_draining()
        table.workers[2].state = "serving"
    wait_until(lambda: stops, "the signal to gunicorn's handler")
    assert state_of(state, 1) == "stopping"
    assert probes.is_draining()


def test_a_worker_that_reaches_max_requests_logs_it_once_and_waits(stops: list[int]) -> None:
    state, worker = make_state(), make_worker(nr=5, max_requests=5)
    with state.table() as table:
        table.generation, table.load_failed = 1, True
    GracefulStop(worker, state, 1)
    wait_until(lambda: worker.log.lines, "a line in the log")
    time.sleep(0.6)
    text = "This worker has reached max_requests: it stops once another worker serves"
    assert worker.log.lines == [("info", text)]
    assert stops == []
    with state.table() as table:
        table.workers[2] = WorkerRecord(1, "serving")
    wait_until(lambda: stops, "the signal to gunicorn's handler")


def test_a_worker_whose_replacement_fails_keeps_serving_and_can_be_stopped_later(stops: list[int]) -> None:
    state, worker = make_state(), make_worker()
    with state.table() as table:
        table.generation, table.load_failed = 1, True
    GracefulStop(worker, state, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: worker.log.lines, "a line in the log")
    text = "The application could not be reloaded: this worker keeps serving"
    assert (worker.log.lines[0], stops) == (("error", text), [])
    with state.table() as table:
        assert table.workers[1].state == "serving"
        table.workers[2] = WorkerRecord(1, "serving")
    time.sleep(0.3)
    assert not stops
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stops, "the signal to gunicorn's handler")


def test_when_the_server_shuts_down_no_worker_waits_for_another(stops: list[int]) -> None:
    state, worker = make_state(), make_worker()
    GracefulStop(worker, state, 1)
    state.note_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stops, "the signal to gunicorn's handler")


def test_the_only_worker_has_a_replacement_started_and_notes_it_for_the_master(stops: list[int]) -> None:
    received: list[int] = []
    signals = (signal.SIGTTIN, signal.SIGTTOU)
    before = {signum: signal.signal(signum, lambda signum, frame: received.append(signum)) for signum in signals}
    try:
        state, worker = make_state(), make_worker(nr=1, max_requests=1, workers=1)
        GracefulStop(worker, state, 1)
        wait_until(lambda: received, "a signal to the master")
        time.sleep(0.3)
        assert (received, stops) == ([signal.SIGTTIN], [])
        with state.table() as table:
            assert table.workers[1].has_replacement
            table.workers[2] = WorkerRecord(0, "serving")
        wait_until(lambda: stops, "the signal to gunicorn's handler")
        assert received == [signal.SIGTTIN]
        with state.table() as table:
            assert table.workers[1].has_replacement
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def test_a_worker_that_is_not_in_the_table_stops(stops: list[int]) -> None:
    state, worker = make_state(), make_worker()
    GracefulStop(worker, state, 7)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stops, "the signal to gunicorn's handler")


def test_a_worker_that_finds_a_damaged_table_stops(stops: list[int], caplog: pytest.LogCaptureFixture) -> None:
    state: Any = make_state(WorkerRecord(0, "serving"))
    state._memory[:] = bytes(len(state._memory))
    GracefulStop(make_worker(), state, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stops, "the signal to gunicorn's handler")
    assert "The table of workers is damaged" in caplog.text
    assert len(caplog.records) == 1


def test_a_worker_that_cannot_lock_the_table_stops(stops: list[int]) -> None:
    worker = make_worker()
    state: Any = make_state()
    os.close(state._lock_file)
    GracefulStop(worker, state, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stops, "the signal to gunicorn's handler")
    assert worker.log.lines == [("exception", "The table of workers cannot be used: this worker stops now")]


@pytest.mark.parametrize(
    ("graceful_timeout", "timeout", "seconds"), [(30, 60, 29), (120, 60, 59), (30, 0, 29), (1, 60, 0), (0, 60, 0)]
)
def test_a_stopping_worker_has_until_shortly_before_the_master_kills_it(
    graceful_timeout: int, timeout: int, seconds: float
) -> None:
    assert time_to_finish(make_worker(graceful_timeout=graceful_timeout, timeout=timeout).cfg) == seconds


def test_without_the_table_work_is_given_up_in_time_from_the_signal_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[bool] = []
    worker = make_worker(graceful_timeout=1)
    worker.alive = True
    work = SimpleNamespace(is_busy=lambda: True, give_up=lambda: given_up.append(worker.alive))
    monkeypatch.setattr(before_exit, "_all", [work])
    give_up_work_in_time(worker)
    time.sleep(0.3)
    assert given_up == []
    worker.alive = False  # as gunicorn's handler of SIGTERM does, while a call still runs
    wait_until(lambda: given_up, "the work is given up")
    assert given_up == [False]


def test_work_is_given_up_in_time_also_if_a_hook_keeps_the_worker_from_stopping(
    stops: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[bool] = []
    work = SimpleNamespace(is_busy=lambda: True, give_up=lambda: given_up.append(True))
    monkeypatch.setattr(before_exit, "_all", [work])
    state = make_state()
    GracefulStop(make_worker(graceful_timeout=1), state, 1)
    state.note_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: given_up, "the work is given up")
    # With a graceful_timeout of a second there is no time left, so this may be before the signal has arrived.
    wait_until(lambda: stops, "gunicorn's own handler")
    assert given_up == [True]
