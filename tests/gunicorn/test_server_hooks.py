"""The server hooks, called as gunicorn calls them; test_gunicorn and tests/reliability have them in whole servers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks.gunicorn import server_hooks
from proxyhooks.gunicorn.worker_table import SharedState, WorkerRecord, WorkerTable

BOOT_ERROR, LOAD_ERROR = 3, 4


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda text, *values: self.lines.append(f"{level}: {text % values}")


class Worker:
    def __init__(self, age: int, server: Server) -> None:
        self.age, self.cfg, self.log, self.alive = age, server.cfg, server.log, True


class Server:
    """gunicorn's arbiter, as far as the hooks need it."""

    WORKER_BOOT_ERROR, APP_LOAD_ERROR = BOOT_ERROR, LOAD_ERROR

    def __init__(self) -> None:
        hooks = {name: getattr(server_hooks, name) for name in server_hooks.__all__}
        self.cfg: Any = SimpleNamespace(worker_tmp_dir=None, worker_class_str="tornado", **hooks)
        self.log = Log()
        self.worker_age = 0
        self.WORKERS: dict[int, Worker] = {}

    def fork(self) -> Worker:
        self.worker_age += 1
        worker = Worker(self.worker_age, self)
        server_hooks.pre_fork(self, worker)
        self.WORKERS[1000 + worker.age] = worker
        return worker

    def reap(self, worker: Worker) -> None:
        self.WORKERS = {pid: other for pid, other in self.WORKERS.items() if other is not worker}
        server_hooks.child_exit(self, worker)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> SharedState:
    state = SharedState()
    monkeypatch.setattr(server_hooks, "_shared_state", state)
    monkeypatch.setattr(server_hooks, "GracefulStop", lambda worker, state, number: None)
    monkeypatch.setattr(server_hooks, "_RETRY_DELAY", 0)
    return state


@pytest.fixture
def server(state: SharedState) -> Server:
    return Server()


def workers(state: SharedState) -> dict[int, tuple[int, str]]:
    with state.table() as table:
        return {number: (record.generation, record.state) for number, record in table.workers.items()}


def damage(state: Any) -> None:
    state._memory[:] = bytes(len(state._memory))


def exit_code(server: Server, worker: Worker, code: int) -> object:
    """Return the code of a worker that exits with *code*, after its hook."""
    try:
        try:
            raise SystemExit(code)
        finally:
            server_hooks.worker_exit(server, worker)
    except SystemExit as error:
        return error.code


def test_workers_are_recorded_until_they_end(server: Server, state: SharedState) -> None:
    first, second = server.fork(), server.fork()
    server_hooks.post_worker_init(first)
    assert workers(state) == {1: (0, "serving"), 2: (0, "starting")}
    server_hooks.on_reload(server)
    server.fork()
    assert workers(state) == {1: (0, "serving"), 2: (0, "starting"), 3: (1, "starting")}
    server.reap(second)
    server.reap(first)
    assert workers(state) == {3: (1, "starting")}


def test_a_worker_that_is_to_stop_while_it_starts_is_stopping(server: Server, state: SharedState) -> None:
    worker = server.fork()
    worker.alive = False
    server_hooks.post_worker_init(worker)
    assert workers(state) == {1: (0, "stopping")}


def test_a_worker_without_pre_fork_names_the_remedy(server: Server) -> None:
    with pytest.raises(RuntimeError, match=r"does not call proxyhooks\.gunicorn\.pre_fork: add the call"):
        server_hooks.post_worker_init(Worker(1, server))


def test_a_failed_load_ends_the_server_only_if_no_worker_serves(server: Server, state: SharedState) -> None:
    first = server.fork()
    assert exit_code(server, first, LOAD_ERROR) == LOAD_ERROR
    server_hooks.post_worker_init(first)
    second = server.fork()
    for code, expected in ((BOOT_ERROR, 1), (LOAD_ERROR, 1), (0, 0), (7, 7)):
        assert exit_code(server, second, code) == expected
    assert server.log.lines == ["error: This worker could not load the application: the other workers keep serving"] * 2


def test_an_overridden_pre_fork_ends_a_server_that_starts(server: Server, state: SharedState) -> None:
    assert exit_code(server, Worker(1, server), BOOT_ERROR) == BOOT_ERROR


def test_workers_that_a_failed_reload_leaves_are_younger_than_the_reload(server: Server, state: SharedState) -> None:
    old = [server.fork(), server.fork()]
    for worker in old:
        server_hooks.post_worker_init(worker)
    server_hooks.on_reload(server)
    new = [server.fork(), server.fork()]
    server.reap(new[0])
    assert [worker.age for worker in old] == [1, 2]
    server.reap(new[1])
    assert [worker.age for worker in old] == [5, 6]
    assert workers(state) == {1: (0, "serving"), 2: (0, "serving")}
    with state.table() as table:
        assert table.load_failed
    server_hooks.post_worker_init(server.fork())
    with state.table() as table:
        assert not table.load_failed


def test_a_worker_that_served_and_ends_is_no_failed_reload(server: Server, state: SharedState) -> None:
    worker = server.fork()
    server_hooks.post_worker_init(worker)
    server.reap(worker)
    with state.table() as table:
        assert table == WorkerTable()


def test_the_number_of_workers_says_whether_all_stop(server: Server, state: SharedState) -> None:
    for number, shutting_down in ((2, False), (0, True), (1, False)):
        server_hooks.nworkers_changed(server, number, None)
        assert state.shutting_down == shutting_down


@pytest.fixture
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_says_that_all_stop_and_reaches_gunicorn(server: Server, state: SharedState, sigterm: None) -> None:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    server_hooks.when_ready(server)
    assert not state.shutting_down
    signal.raise_signal(signal.SIGTERM)
    assert (state.shutting_down, received) == (True, [signal.SIGTERM])
    # gunicorn acts on a TTIN or a HUP that came before the TERM only now.
    server_hooks.nworkers_changed(server, 2, 1)
    assert state.shutting_down
    assert server.log.lines == []


def test_sigterm_to_a_worker_that_was_just_forked_does_not_stop_the_others(
    server: Server, state: SharedState, sigterm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    server_hooks.when_ready(server)
    with monkeypatch.context() as in_worker:
        in_worker.setattr(os, "getpid", lambda: 1)
        signal.raise_signal(signal.SIGTERM)
    assert not state.shutting_down


def test_overridden_hooks_are_logged(server: Server, sigterm: None) -> None:
    server.cfg.post_fork = server.cfg.child_exit = lambda server, worker: None
    server_hooks.when_ready(server)
    assert server.log.lines == [
        f"info: {name} is overridden: it has to call proxyhooks.gunicorn.{name}, or calls may be lost"
        for name in ("child_exit", "post_fork")
    ]


def test_the_state_is_created_once_and_not_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_hooks, "_shared_state", None)
    server = Server()
    server_hooks.nworkers_changed(server, 2, None)
    created = server_hooks._shared_state
    assert created is not None
    server_hooks.pre_fork(server, Worker(1, server))
    assert server_hooks._shared_state is created
    assert workers(created) == {1: (0, "starting")}


# A damaged table, found by each of the hooks


def test_the_master_restores_a_damaged_table_at_a_reload(server: Server, state: SharedState) -> None:
    for worker in (server.fork(), server.fork()):
        server_hooks.post_worker_init(worker)
    damage(state)
    server_hooks.on_reload(server)
    server.fork()
    assert workers(state) == {1: (0, "serving"), 2: (0, "serving"), 3: (1, "starting")}
    with state.table() as table:
        table.workers[1].state = "stop_requested"
        assert table.decide(1, only_worker=False) == "wait"


def test_the_master_restores_a_damaged_table_when_it_forks(server: Server, state: SharedState) -> None:
    server_hooks.post_worker_init(server.fork())
    damage(state)
    server.fork()
    assert workers(state) == {1: (0, "serving"), 2: (0, "starting")}


def test_a_worker_ends_with_a_damaged_table(server: Server, state: SharedState) -> None:
    workers_before = [server.fork(), server.fork()]
    damage(state)
    server.reap(workers_before[0])
    server.fork()
    assert workers(state) == {2: (0, "serving"), 3: (0, "starting")}


def test_a_worker_starts_with_a_damaged_table(server: Server, state: SharedState) -> None:
    worker = server.fork()
    damage(state)
    server_hooks.post_worker_init(worker)
    assert workers(state) == {1: (0, "serving")}


def test_a_failed_load_with_a_damaged_table_does_not_end_the_server(server: Server, state: SharedState) -> None:
    worker = server.fork()
    damage(state)
    assert exit_code(server, worker, LOAD_ERROR) == 1


def test_records_of_workers_that_are_gone_go(server: Server, state: SharedState) -> None:
    with state.table() as table:
        table.workers[77] = WorkerRecord(0, "starting")
    server.fork()
    assert workers(state) == {1: (0, "starting")}


def test_the_hooks_forget_modules_of_the_package_in_a_worker(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(sys, "modules", {"proxyhooks": sys, "proxyhooks.x": sys, "proxyhooks_y": sys, "z": sys})
    server.cfg.worker_class_str, server.cfg.preload_app = "gevent", True
    server_hooks.post_fork(server, Worker(1, server))
    assert list(sys.modules) == ["proxyhooks", "proxyhooks.x", "proxyhooks_y", "z"]
    server.cfg.preload_app = False
    server_hooks.post_fork(server, Worker(1, server))
    assert list(sys.modules) == ["proxyhooks_y", "z"]
