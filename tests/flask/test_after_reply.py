"""after_reply: its threads and their bound, order, arguments, and what becomes of calls when the process ends."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import flask
import pytest
from flask import Flask

from proxyhooks import ConnectRequest, ConnectResult, ProxyHooks, RPCRequest, RPCResult, after_reply, current_request
from proxyhooks._flask import background_queue
from proxyhooks._flask.background_queue import BackgroundQueue, BackgroundTask
from proxyhooks._wire import before_exit
from proxyhooks.testing import ProxyClient
from tests.support.asking import Ask
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

LIMIT = 60.0
"""Seconds that a function of the tests waits at most."""
VARIABLE: ContextVar[int] = ContextVar("VARIABLE")


class Gate:
    """A function for ``after_reply`` that waits until the gate opens, and notes what it was called with."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.finished: list[Any] = []
        self._open = threading.Event()

    def __call__(self, value: Any) -> None:
        self.begun.append(value)
        assert self._open.wait(LIMIT)
        self.finished.append(value)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def no_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queues of other tests' applications are not to be given up."""
    monkeypatch.setattr(before_exit, "_all", set())


def queue_of(threads: int = 1, capacity: int = 10) -> BackgroundQueue:
    return BackgroundQueue(lambda task: task.run(), threads, capacity)


def task(run: Any, *args: Any, name: str = "work") -> BackgroundTask:
    return BackgroundTask(name, lambda: run(*args))


def test_it_passes_keyword_arguments(hooks: ProxyHooks, app: Flask) -> None:
    got: list[Any] = []

    def note(channel: str, /, *, data: int, function: str) -> None:
        got.append((flask.current_app.name, channel, data, function))

    @hooks.connect
    def hook(req: ConnectRequest) -> ConnectResult:
        after_reply(note, "news", data=1, function="any name")
        return ConnectResult(user="42")

    ProxyClient(app).connect()
    assert got == [("app", "news", 1, "any name")]


def test_the_test_client_waits_for_it_also_without_testing(hooks: ProxyHooks, app: Flask) -> None:
    ran: list[str] = []

    @hooks.connect
    def hook(req: ConnectRequest) -> ConnectResult:
        after_reply(lambda: ran.append(threading.current_thread().name))
        return ConnectResult(user="42")

    assert not app.testing
    ProxyClient(app).connect()
    assert ran == [threading.current_thread().name]


def test_the_traceback_of_its_function_has_no_exception_from_elsewhere(
    hooks: ProxyHooks, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError

    @hooks.connect
    def hook(req: ConnectRequest) -> ConnectResult:
        after_reply(fail)
        return ConnectResult(user="42")

    assert ProxyClient(app).connect().allowed
    (record,) = caplog.records
    assert record.exc_info is not None
    error = record.exc_info[1]
    assert isinstance(error, LookupError)
    assert error.__context__ is None


def test_on_a_page_and_outside_of_requests_its_error_names_what_to_use(app: Flask) -> None:
    @app.get("/page")
    def page() -> str:
        with pytest.raises(RuntimeError, match=r"on a page use response\.call_on_close\(function\)"):
            after_reply(print)
        return ""

    assert app.test_client().get("/page").status_code == 200
    with app.app_context(), pytest.raises(RuntimeError, match="elsewhere call the function itself"):
        after_reply(print)


def test_its_threads_are_a_setting(app: Flask, ask: Ask, gate: Gate) -> None:
    app.config["PROXYHOOKS_AFTER_REPLY_THREADS"] = 2
    hooks = ProxyHooks(app)

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(gate, req.data)
        return RPCResult()

    for number in range(5):
        ask("rpc", method="x", data=number).close()
    wait_until(lambda: len(gate.begun) == 2, "two functions begin")
    gate.open()
    wait_until(lambda: len(gate.finished) == 5, "all functions end")
    assert sum(thread.name.startswith("proxyhooks-after-reply") for thread in threading.enumerate()) >= 2


@pytest.mark.parametrize("where", ["hook", "after_request"])
def test_beyond_its_bound_the_client_gets_a_temporary_error_and_the_log_says_why(
    where: str, app: Flask, ask: Ask, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    app.config.update(PROXYHOOKS_AFTER_REPLY_THREADS=1, PROXYHOOKS_AFTER_REPLY_QUEUE=2)
    hooks = ProxyHooks(app)

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        if where == "hook":
            after_reply(gate, req.data)
        return RPCResult()

    @app.after_request
    def after(response: flask.Response) -> flask.Response:
        if where == "after_request":
            after_reply(gate, current_request.data)
        return response

    ask("rpc", method="x", data=0).close()
    wait_until(lambda: gate.begun, "the thread is busy")
    replies = [ask("rpc", method="x", data=number).json for number in range(1, 5)]
    busy = {"error": {"code": 111, "message": "too many requests", "temporary": True}}
    assert replies == [{"result": {}}, {"result": {}}, busy, busy]
    assert "the queue is full (PROXYHOOKS_AFTER_REPLY_QUEUE is 2)" in caplog.text
    assert caplog.text.count("the queue is full") == 1
    gate.open()
    wait_until(lambda: gate.finished == [0, 1, 2], "every accepted function ends")
    wait_until(lambda: ask("rpc", method="x", data=5).json == {"result": {}}, "calls are accepted again")


def test_calls_for_one_key_run_in_order_and_one_at_a_time(hooks: ProxyHooks, ask: Ask) -> None:
    running, most, order = [0], [0], list[int]()

    def work(number: int) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        threading.Event().wait(0.001 if number % 2 else 0)
        order.append(number)
        running[0] -= 1

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply.for_key("chat:1")(work, req.data)
        return RPCResult()

    for number in range(50):
        ask("rpc", method="x", data=number).close()
    wait_until(lambda: len(order) == 50, "all functions end")
    assert order == list(range(50))
    assert most == [1]


def test_calls_for_other_keys_do_not_wait(hooks: ProxyHooks, ask: Ask, gate: Gate) -> None:
    ran: list[str] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply.for_key(req.method)(gate if req.method == "slow" else ran.append, req.method)
        return RPCResult()

    for method in ("slow", "slow", "quick"):
        ask("rpc", method=method).close()
    wait_until(lambda: ran == ["quick"], "the function of the other key")
    assert gate.begun == ["slow"]


def test_a_key_that_is_not_hashable_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a hashable key, such as a channel, not one of type list"):
        after_reply.for_key(["secret"])  # type: ignore[arg-type]


def test_the_calls_of_one_hook_run_in_order(hooks: ProxyHooks, ask: Ask) -> None:
    order: list[int] = []

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        for number in range(20):
            after_reply(order.append, number)
        return RPCResult()

    ask("rpc", method="x").close()
    wait_until(lambda: len(order) == 20, "all functions end")
    assert order == list(range(20))


def test_a_call_does_not_see_the_context_variables_of_another_one() -> None:
    seen: list[Any] = []

    def work(number: int) -> None:
        seen.append(VARIABLE.get(None))
        VARIABLE.set(number)

    queue_of().submit([task(work, 1), task(work, 2)])
    wait_until(lambda: len(seen) == 2, "both functions end")
    assert seen == [None, None]


@pytest.mark.usefixtures("no_other_work")
def test_before_the_process_ends_waiting_calls_are_finished(gate: Gate) -> None:
    queue = queue_of()
    queue.submit([task(gate, 1), task(gate, 2), task(gate, 3)])
    threading.Timer(0.1, gate.open).start()
    before_exit.finish(LIMIT)
    assert gate.finished == [1, 2, 3]


@pytest.mark.usefixtures("no_other_work")
def test_what_is_lost_is_logged_by_name_and_number(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    queue = queue_of()
    queue.submit([task(gate, 1, name="first (app.py:1)")])
    wait_until(lambda: gate.begun, "the thread is busy")
    queue.submit([task(gate, 2, name=name) for name in ("push (app.py:7)", "push (app.py:7)", "mail (app.py:9)")])
    before_exit.finish(0)
    before_exit.finish(0)
    assert [record.getMessage() for record in caplog.records] == [
        "after_reply: the process ends, and 3 calls are lost: 2 of push (app.py:7), 1 of mail (app.py:9)",
        "after_reply: the process ends, and 1 call is interrupted: 1 of first (app.py:1)",
    ]
    queue.submit([task(gate, 3, name="late (app.py:2)")])
    assert caplog.messages[2:] == ["after_reply: the process ends, and 1 call is lost: 1 of late (app.py:2)"]
    assert not queue.is_busy()


def test_many_lost_functions_are_one_short_line(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    queue = queue_of()
    queue.submit([task(gate, number, name=f"function {number}") for number in range(200)])
    queue.give_up()
    assert all(message.endswith(", ...") and len(message) < 1000 for message in caplog.messages[:1])


def test_if_no_thread_can_be_started_the_next_call_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []
    queue, start = queue_of(), threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    queue.submit([task(ran.append, 1)])
    assert "could not start a thread" in caplog.text
    monkeypatch.setattr(threading.Thread, "start", start)
    queue.submit([task(ran.append, 2)])
    wait_until(lambda: ran == [1, 2], "both functions")


def test_a_log_handler_that_raises_costs_no_thread_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: raised.append(arguments.exc_type))

    def fail() -> None:
        raise LookupError

    ran: list[int] = []
    queue = queue_of()
    queue.submit([BackgroundTask("fail", fail, key="key")])
    queue.submit([BackgroundTask("run", lambda: ran.append(1), key="key")])
    wait_until(lambda: ran == [1] and not queue.is_busy(), "the second function")
    assert raised == [LookupError]


def test_a_thread_without_a_task_ends_and_no_longer_keeps_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_queue, "_MAX_IDLE", 0.01)
    threads: list[threading.Thread] = []
    queue = queue_of()
    for _ in range(2):  # the second time another thread starts
        queue.submit([task(lambda: threads.append(threading.current_thread()))])
        wait_until(lambda: threads, "the function")
        thread = threads.pop()
        thread.join(LIMIT)
        assert not thread.is_alive()
    kept = weakref.ref(queue)
    del queue
    gc.collect()
    assert kept() is None


FORK = """
import os, sys, threading, time
from proxyhooks._flask.background_queue import BackgroundQueue, BackgroundTask

begun, queue = threading.Event(), BackgroundQueue(lambda task: task.run(), 1, 10)
queue.submit([BackgroundTask("never ends", lambda: (begun.set(), time.sleep(600)))])
queue.submit([BackgroundTask("waits", print)])
begun.wait(60)
queue._changed.acquire()  # as another thread may, at any time
if os.fork():
    os.wait()
    os._exit(0)
queue.submit([BackgroundTask("of the child", lambda: print("ran in the child", flush=True))])
sys.exit()
"""


def test_a_forked_process_does_not_wait_for_the_functions_of_its_parent_and_runs_its_own() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=True)
    assert done.stdout == "ran in the child\n"
    assert not done.stderr
