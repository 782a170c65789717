"""The server hooks, called as gunicorn calls them; test_gunicorn and tests/reliability have them in whole servers."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxyhooks._wire import before_exit
from proxyhooks.gunicorn import fresh_import, server_hooks
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
        self.cfg: Any = SimpleNamespace(worker_tmp_dir=None, preload_app=False, worker_class_str="tornado", **hooks)
        self.cfg.graceful_timeout, self.cfg.timeout, self.cfg.env = 30, 60, {}
        self.cfg.address, self.cfg.backlog, self.LISTENERS = [], 2048, list[Any]()
        self.systemd, self.master_pid, self.reexec_pid = False, 0, 0
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


@pytest.fixture(autouse=True)
def unfinished(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that workers had for the work that is left when they exit."""
    seconds: list[float] = []
    monkeypatch.setattr(before_exit, "finish", seconds.append)
    return seconds


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> SharedState:
    state = SharedState()
    monkeypatch.setattr(server_hooks, "_shared_state", state)
    monkeypatch.setattr(server_hooks, "GracefulStop", lambda worker, state, number: None)
    monkeypatch.setattr(server_hooks, "_RETRY_DELAY", 0)
    monkeypatch.setattr(server_hooks, "_sigterm_received", False)
    for module in (server_hooks, fresh_import):
        monkeypatch.setattr(module, "find_holder", lambda: None)
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


def test_a_worker_that_ends_finishes_its_work_unless_it_was_aborted(server: Server, unfinished: list[float]) -> None:
    worker = server.fork()
    server_hooks.post_worker_init(worker)
    assert exit_code(server, worker, 0) == 0
    assert exit_code(server, worker, 1) == 1
    assert unfinished == [29, 0]
    server_hooks.worker_exit(server, worker)  # the master calls it, too, for a worker that is gone
    assert unfinished == [29, 0]


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
    worker = server.fork()
    with monkeypatch.context() as in_worker:
        in_worker.setattr(os, "getpid", lambda: 1)
        signal.raise_signal(signal.SIGTERM)
        server_hooks.post_worker_init(worker)
    assert not state.shutting_down
    assert not worker.alive
    assert workers(state) == {1: (0, "stopping")}


def test_overridden_hooks_are_logged_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_hooks, "_numbers", {})
    server.cfg.post_fork = server.cfg.when_ready = lambda *_: None
    for _ in range(2):
        server.fork()
    assert server.log.lines == [
        f"warning: {name} is overridden: it has to call proxyhooks.gunicorn.{name}, or calls may be lost"
        for name in ("post_fork", "when_ready")
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


# A table that cannot be used: a full disk, a descriptor that is gone


def break_state(state: Any) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    state.table = state.note_number_of_workers = fail


def test_no_error_of_the_table_ends_the_master(server: Server, state: SharedState, sigterm: None) -> None:
    worker = server.fork()
    break_state(state)
    server_hooks.nworkers_changed(server, 3, 2)
    server_hooks.when_ready(server)
    server_hooks.on_reload(server)
    server.reap(server.fork())
    server.reap(worker)
    text = "exception: The table of workers cannot be used: workers may stop before others serve"
    assert server.log.lines == [text] * 5  # nworkers_changed, on_reload, pre_fork, and twice child_exit


def test_a_worker_serves_without_the_table(server: Server, state: SharedState, monkeypatch: pytest.MonkeyPatch) -> None:
    stops: list[object] = []
    monkeypatch.setattr(server_hooks, "GracefulStop", lambda *arguments: stops.append(arguments))
    worker = server.fork()
    break_state(state)
    server_hooks.post_worker_init(worker)
    assert stops == [(worker, state, 1)]
    assert exit_code(server, worker, LOAD_ERROR) == 1  # the others may serve


def test_a_state_that_cannot_be_created_does_not_end_the_master(
    server: Server, monkeypatch: pytest.MonkeyPatch, sigterm: None
) -> None:
    def fail(directory: object) -> SharedState:
        raise MemoryError

    monkeypatch.setattr(server_hooks, "_shared_state", None)
    monkeypatch.setattr(server_hooks, "SharedState", fail)
    server_hooks.nworkers_changed(server, 2, None)
    server_hooks.when_ready(server)
    waiting: list[object] = []
    monkeypatch.setattr(server_hooks, "give_up_work_in_time", waiting.append)
    worker = server.fork()
    server_hooks.post_worker_init(worker)
    assert len(server.log.lines) == 4
    assert waiting == [worker]


# A worker that has had another one started


@pytest.mark.parametrize(
    ("has_replacement", "now", "configured", "afterwards"),
    [(True, 2, 1, 1), (False, 2, 1, 2), (True, 1, 1, 1), (True, 4, 4, 4)],
    ids=["it asked", "the operator asked", "a reload took it back", "a reload changed the number"],
)
def test_the_number_of_workers_falls_when_a_worker_with_a_replacement_ends(
    has_replacement: bool, now: int, configured: int, afterwards: int, server: Any, state: SharedState
) -> None:
    worker = server.fork()
    server.num_workers, server.cfg.workers = now, configured
    with state.table() as table:
        table.workers[1].has_replacement = has_replacement
    server.reap(worker)
    assert server.num_workers == afterwards


# SIGTERM


def test_after_sigterm_the_master_starts_no_worker_and_no_reload(
    server: Server, state: SharedState, sigterm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StopIteration is what gunicorn's own handler raises."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    old = [server.fork(), server.fork()]
    server_hooks.when_ready(server)
    server_hooks.on_reload(server)
    last_age = server.worker_age
    new = server.fork()
    signal.raise_signal(signal.SIGTERM)
    # gunicorn's reload waits for workers that are not younger than this.
    assert min(worker.age for worker in [*old, new]) > last_age
    for hook in (lambda: server_hooks.on_reload(server), server.fork):
        with pytest.raises(StopIteration):
            hook()
    assert workers(state) == {1: (0, "starting"), 2: (0, "starting"), 3: (1, "starting")}


# The package's own code after an upgrade


@pytest.mark.parametrize(
    ("holder", "preload_app", "forgets"), [(None, False, True), (None, True, False), ("app", False, False)]
)
def test_a_worker_forgets_the_package_if_nobody_holds_it(
    holder: str | None, preload_app: bool, forgets: bool, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(server_hooks, "find_holder", lambda: holder)
    monkeypatch.setattr(server_hooks, "forget_package", lambda: forgotten.append(True))
    server.cfg.worker_class_str, server.cfg.preload_app = "gevent", preload_app
    server_hooks.post_fork(server, Worker(1, server))
    assert bool(forgotten) == forgets


def test_the_holder_is_logged_once(server: Server, sigterm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_import, "_holder_logged", False)
    holders = [None, "app.models", "app.models"]
    monkeypatch.setattr(fresh_import, "find_holder", lambda: holders.pop(0))
    server_hooks.when_ready(server)
    assert server.log.lines == []
    server_hooks.on_reload(server)
    server_hooks.on_reload(server)
    assert server.log.lines == [
        "info: app.models has imported proxyhooks before the workers start: after an upgrade of proxyhooks, restart "
        "gunicorn (USR2); a reload (HUP) does not load the new code of proxyhooks"
    ]
