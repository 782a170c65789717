"""Which gunicorn worker may stop, and the memory in which workers share that; tests/reliability has whole servers."""

from __future__ import annotations

import errno
import logging
import mmap
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.gunicorn import worker_table
from proxyhooks.gunicorn.worker_table import SharedState, State, WorkerRecord, WorkerTable
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

context = multiprocessing.get_context("fork")


def make_table(*workers: tuple[int, State], load_failed: bool = False) -> WorkerTable:
    """Return a table of workers, each with a generation and a state, numbered from 1."""
    records = {number: WorkerRecord(generation, state) for number, (generation, state) in enumerate(workers, 1)}
    return WorkerTable(max(generation for generation, _ in workers), load_failed, records)


@pytest.mark.parametrize(
    ("workers", "load_failed", "decision"),
    [
        # A reload: the first worker is of the old generation.
        ([(0, "stop_requested"), (0, "stop_requested"), (1, "starting"), (1, "starting")], False, "wait"),
        ([(0, "stop_requested"), (0, "stop_requested"), (1, "serving"), (1, "starting")], False, "wait"),
        ([(0, "stop_requested"), (0, "stop_requested"), (1, "serving"), (1, "serving")], False, "stop"),
        # One of two replacements has failed, and is started again.
        ([(0, "stop_requested"), (0, "stop_requested"), (1, "serving")], True, "stop"),
        ([(0, "stop_requested"), (0, "stop_requested"), (1, "starting")], True, "wait"),
        ([(0, "stop_requested"), (1, "stop_requested")], False, "stop"),
        ([(0, "stop_requested"), (1, "stopping")], False, "wait"),
        # No reload.
        ([(0, "stop_requested"), (0, "serving")], False, "stop"),
        ([(0, "stop_requested"), (0, "stop_requested")], False, "stop"),
        ([(0, "stop_requested"), (0, "stopping")], False, "wait"),
        ([(0, "stop_requested"), (0, "starting")], False, "wait"),
        ([(0, "stop_requested"), (0, "serving"), (0, "starting")], False, "wait"),
        ([(0, "stop_requested"), (0, "serving"), (0, "stopping")], False, "wait"),
        ([(0, "stop_requested")], False, "wait"),
    ],
)
def test_the_decision_for_the_first_worker(workers: list[tuple[int, State]], load_failed: bool, decision: str) -> None:
    assert make_table(*workers, load_failed=load_failed).decide(1, only_worker=False) == decision


def test_two_workers_with_a_stop_request_never_rely_on_each_other() -> None:
    table = make_table((0, "stop_requested"), (0, "stop_requested"))
    assert (table.decide(1, only_worker=False), table.decide(2, only_worker=False)) == ("stop", "wait")


@pytest.mark.parametrize(("load_failed", "decision"), [(False, "wait"), (True, "cancel")])
def test_a_worker_of_an_old_generation_waits_until_its_replacement_has_failed(load_failed: bool, decision: str) -> None:
    table = make_table((0, "stop_requested"), (0, "stop_requested"), load_failed=load_failed)
    table.generation = 1
    assert table.decide(1, only_worker=False) == decision


def test_the_only_worker_has_a_replacement_started() -> None:
    cases: list[tuple[list[tuple[int, State]], str]] = [
        ([], "start_replacement"),
        ([(0, "starting")], "wait"),
        ([(0, "serving")], "stop"),
    ]
    for others, decision in cases:
        table = make_table((0, "stop_requested"), *others)
        assert table.decide(1, only_worker=True) == decision
        assert table.workers[1].has_replacement == (decision == "start_replacement")


@pytest.mark.parametrize(
    "table",
    [
        WorkerTable(),
        make_table((7, "starting"), (2**32 - 1, "stopping"), load_failed=True),
        WorkerTable(workers={1: WorkerRecord(0, "stopping", has_replacement=True), 2: WorkerRecord(0, "serving")}),
    ],
)
def test_a_table_survives_packing(table: WorkerTable) -> None:
    assert WorkerTable.unpack(table.pack()) == table


def join(process: Any, *, exit_code: int = 0) -> None:
    process.join(DEFAULT_TIMEOUT)
    assert process.exitcode == exit_code


def count_reloads(state: SharedState, times: int) -> None:
    for _ in range(times):
        with state.table() as table:
            table.generation += 1


def test_processes_share_a_table_and_lose_no_update() -> None:
    state = SharedState()
    processes: list[Any] = [context.Process(target=count_reloads, args=(state, 200)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        join(process)
    with state.table() as table:
        assert table.generation == 800


def in_a_process(function: Any, *arguments: Any) -> None:
    process: Any = context.Process(target=function, args=arguments)
    process.start()
    join(process)


def test_processes_share_that_the_server_shuts_down() -> None:
    state = SharedState()
    assert not state.shutting_down
    in_a_process(state.note_number_of_workers, 0)
    assert state.shutting_down
    in_a_process(state.note_number_of_workers, 2)
    assert not state.shutting_down
    in_a_process(state.note_sigterm)
    assert state.shutting_down
    in_a_process(state.note_number_of_workers, 2)
    assert state.shutting_down


def test_an_update_that_raises_changes_nothing() -> None:
    state = SharedState()

    def fail(table: WorkerTable) -> None:
        table.generation = 7
        raise RuntimeError

    with pytest.raises(RuntimeError), state.table() as table:
        fail(table)
    with state.table() as table:
        assert table == WorkerTable()


# A process that is killed during an update


def advance(state: SharedState) -> None:
    """Change every part of the table, so that a mixture of an old and a new table can be told from both."""
    with state.table() as table:
        table.generation += 1
        table.load_failed = not table.load_failed
        table.workers = {number: WorkerRecord(table.generation) for number in range(table.generation % 30)}


def generation_of_complete_table(state: SharedState) -> int:
    with state.table() as table:
        assert table.load_failed == (table.generation % 2 == 1)
        assert table.workers == {number: WorkerRecord(table.generation) for number in range(table.generation % 30)}
        return table.generation


class DeadlyMemory(mmap.mmap):
    """Shared memory; the write with a number, counted from 0, is done by half and kills its process."""

    deadly_write = -1
    writes = -1

    def __setitem__(self, place: Any, value: Any) -> None:
        self.writes += 1
        if self.writes != self.deadly_write:
            super().__setitem__(place, value)
            return
        if isinstance(place, slice):
            half = len(value) // 2
            super().__setitem__(slice(place.start, place.start + half), value[:half])
        os.kill(os.getpid(), signal.SIGKILL)


def advance_and_die(state: Any, deadly_write: int) -> None:
    state._memory.deadly_write = deadly_write
    state._memory.writes = -1
    advance(state)


@pytest.mark.parametrize("deadly_write", [0, 1])
def test_a_kill_at_any_write_leaves_the_last_table_and_no_lock(
    deadly_write: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mmap, "mmap", DeadlyMemory)
    state = SharedState()
    for generation in range(1, 40):
        process: Any = context.Process(target=advance_and_die, args=(state, deadly_write))
        process.start()
        join(process, exit_code=-signal.SIGKILL)
        assert generation_of_complete_table(state) == generation - 1
        advance(state)
        assert generation_of_complete_table(state) == generation
    assert not caplog.records


def test_an_update_has_no_further_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The previous test kills at each of them."""
    monkeypatch.setattr(mmap, "mmap", DeadlyMemory)
    state = SharedState()
    process: Any = context.Process(target=advance_and_die, args=(state, 2))
    process.start()
    join(process)
    assert generation_of_complete_table(state) == 1


def advance_until(state: SharedState, deadline: float) -> None:
    while time.monotonic() < deadline:
        advance(state)


def test_kills_at_random_leave_a_complete_table(caplog: pytest.LogCaptureFixture) -> None:
    state = SharedState()
    chance = random.Random(1)
    end = time.monotonic() + 600
    processes: list[Any] = []
    last = 0

    def has_advanced() -> bool:
        return generation_of_complete_table(state) > last

    for _ in range(40):
        while len(processes) < 3:
            processes.append(context.Process(target=advance_until, args=(state, end)))
            processes[-1].start()
        wait_until(has_advanced, "a process that writes")
        time.sleep(chance.uniform(0, 0.02))
        killed = processes.pop(chance.randrange(3))
        killed.kill()
        join(killed, exit_code=-signal.SIGKILL)
        generation = generation_of_complete_table(state)
        assert generation >= last
        last = generation
    for process in processes:
        process.kill()
        join(process, exit_code=-signal.SIGKILL)
    assert generation_of_complete_table(state) >= last
    assert not caplog.records


# A damaged table


@pytest.mark.parametrize("damage", [b"\0", b"\xff", bytes(range(256))], ids=["zeros", "ones", "everything"])
@pytest.mark.parametrize("current", [0, 1, 77])
def test_a_damaged_table_is_logged_once_and_starts_again_empty(
    damage: bytes, current: int, caplog: pytest.LogCaptureFixture
) -> None:
    state: Any = SharedState()
    advance(state)
    size = len(state._memory)
    state._memory[:] = (damage * (size // len(damage) + 1))[:size]
    state._memory[worker_table._CURRENT_COPY_OFFSET] = current
    for generation in range(3):
        with state.table() as table:
            assert table == WorkerTable(generation)
            table.generation += 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "The table of workers is damaged and starts again empty" in caplog.text


def test_random_bytes_are_a_damaged_table(caplog: pytest.LogCaptureFixture) -> None:
    state: Any = SharedState()
    chance = random.Random(1)
    starts = [worker_table._COPIES_OFFSET + worker_table._COPY_SIZE * copy for copy in (0, 1)]
    for _ in range(2000):
        # Lengths that are possible, too.
        length = chance.choice([chance.randbytes(4), chance.randrange(200).to_bytes(4, sys.byteorder)])
        for start in starts:
            state._memory[start : start + 300] = chance.randbytes(4) + length + chance.randbytes(292)
        state._memory[: worker_table._COPIES_OFFSET] = chance.randbytes(worker_table._COPIES_OFFSET)
        caplog.clear()
        with state.table() as table:
            assert table == WorkerTable()
        assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_every_changed_bit_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    state: Any = SharedState()
    with state.table() as table:
        table.workers = {1: WorkerRecord(0, "serving")}
    with state.table() as table:
        table.workers[2] = WorkerRecord(0, "starting")
    start = worker_table._COPIES_OFFSET + worker_table._COPY_SIZE * state._memory[worker_table._CURRENT_COPY_OFFSET]
    good = bytes(state._memory)
    for offset in range(worker_table._PREFIX.size + len(table.pack())):
        for bit in range(8):
            state._memory[:] = good
            state._memory[start + offset] ^= 1 << bit
            caplog.clear()
            with state.table() as table:
                assert table == WorkerTable()
            assert len(caplog.records) == 1


def test_an_update_that_raises_after_damage_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    state: Any = SharedState()
    state._memory[:] = bytes(len(state._memory))
    for _ in range(2):
        with pytest.raises(KeyError), state.table() as table:
            table.decide(1, only_worker=True)
    assert len(caplog.records) == 1


# Without the lock


def test_a_snapshot_needs_no_lock_and_changes_nothing() -> None:
    state = SharedState()
    with state.table() as table:
        table.workers[1] = WorkerRecord(0, "serving")
    with state.table() as table:
        table.generation = 7
        assert state.snapshot() == WorkerTable(0, False, {1: WorkerRecord(0, "serving")})
    assert state.snapshot().generation == 7


def test_a_snapshot_of_a_damaged_table_is_empty_and_leaves_the_damage_to_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state: Any = SharedState()
    state._memory[:] = bytes(len(state._memory))
    assert state.snapshot() == WorkerTable()
    assert not any(state._memory[:100])
    assert not caplog.records


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ([(0, "starting")], False),
        ([(0, "serving"), (0, "starting")], True),
        ([(0, "stop_requested"), (1, "starting")], True),
        ([(0, "stopping")], False),
    ],
)
def test_a_server_serves_while_a_worker_accepts_connections(workers: list[tuple[int, State]], expected: bool) -> None:
    state = SharedState()
    assert not state.is_serving()
    with state.table() as table:
        table.workers = make_table(*workers).workers
    assert state.is_serving() is expected
    state.note_sigterm()
    assert not state.is_serving()


# The file for the lock


def test_the_state_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.mkstemp", lambda **options: pytest.fail("a temporary file"))
    state = SharedState()
    advance(state)
    assert generation_of_complete_table(state) == 1


def refuse(name: str) -> int:
    raise PermissionError(errno.EACCES, "refused", name)


@pytest.mark.parametrize("memfd_create", [None, refuse], ids=["missing", "refused"])
def test_without_memfd_the_lock_is_in_the_directory(
    memfd_create: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if memfd_create is None:
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", memfd_create)
    state: Any = SharedState(str(tmp_path))
    assert os.readlink(f"/proc/self/fd/{state._lock_file}").startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    advance(state)
    assert generation_of_complete_table(state) == 1


def test_without_any_file_the_table_cannot_be_used_but_the_flags_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "memfd_create", refuse)
    monkeypatch.setattr("tempfile.mkstemp", lambda **options: os.open(tmp_path / "missing" / "file", os.O_CREAT))
    state = SharedState(str(tmp_path))
    assert "No file can be made for the lock of the table of workers" in caplog.text
    with pytest.raises(OSError, match="no file for its lock"), state.table():
        pass
    state.note_sigterm()
    assert state.shutting_down
