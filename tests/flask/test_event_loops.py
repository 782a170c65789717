"""Async hooks and async functions around them: each thread keeps one event loop for them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar, copy_context
from typing import Any

import flask
import pytest
from flask import Flask, g, request

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, after_reply, errors
from proxyhooks._flask.event_loops import async_to_sync
from proxyhooks.signals import hook_finished
from tests.support.asking import Ask
from tests.support.paths import ROOT

LIMIT = 60.0
"""Seconds."""
VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="")


class Halt(BaseException):
    """As gevent's exceptions: it derives from BaseException."""


def in_thread(function: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(LIMIT)
    return results[0]


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_a_thread_keeps_its_event_loop_and_other_threads_have_others() -> None:
    call = async_to_sync(running_loop)
    assert call() is call()
    assert in_thread(call) is not call()


def test_the_event_loop_is_closed_when_the_thread_ends() -> None:
    loop = in_thread(async_to_sync(running_loop))
    assert loop.is_closed()


def test_the_event_loop_is_closed_with_the_thread_also_if_an_exception_is_kept() -> None:
    async def fail() -> None:
        raise ValueError

    def work() -> tuple[Any, ValueError]:
        with pytest.raises(ValueError) as raised:
            async_to_sync(fail)()
        return async_to_sync(running_loop)(), raised.value

    loop, error = in_thread(work)
    assert error.__traceback__ is not None
    assert loop.is_closed()


def test_the_event_loop_does_not_keep_the_context_of_the_first_call() -> None:
    variable: ContextVar[object] = ContextVar("variable")

    def work() -> bool:
        value = Halt()
        kept, context = weakref.ref(value), copy_context()
        context.run(variable.set, value)
        context.run(async_to_sync(running_loop))
        del value, context
        gc.collect()
        return kept() is None

    assert in_thread(work)


def test_threads_leave_no_file_descriptors_behind() -> None:
    call = async_to_sync(running_loop)
    in_thread(call)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        in_thread(call)
    assert len(os.listdir("/proc/self/fd")) <= before


FORK = """
import asyncio, os, threading, time
from proxyhooks._flask.event_loops import async_to_sync

@async_to_sync
async def call():
    return await asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(0.1) or os.getpid())

def work():
    call()
    begun.set()
    forked.wait(60)
    assert call() == os.getpid()

begun, forked = threading.Event(), threading.Event()
thread = threading.Thread(target=work, daemon=True)
thread.start()
begun.wait(60)
call()
if os.fork() == 0:
    assert call() == os.getpid()
    raise SystemExit
assert os.wait()[1] == 0
forked.set()
assert call() == os.getpid()
thread.join()
"""


def test_a_fork_disturbs_no_event_loop_and_the_new_process_has_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_async_hook_and_the_async_functions_around_it_share_the_loop(app: Flask, ask: Ask) -> None:
    hooks = ProxyHooks(app)
    loops: list[Any] = []

    async def note(*_: Any, **__: Any) -> None:
        loops.append(asyncio.get_running_loop())

    async def pass_on(response: Any) -> Any:
        await note()
        return response

    app.before_request(note)
    app.after_request(pass_on)
    app.teardown_request(note)
    hooks.before_hook(note)

    @hooks.rpc
    async def hook(req: RPCRequest) -> RPCResult:
        await note()
        await asyncio.sleep(0)
        g.user = req.user
        return RPCResult(data=[flask.current_app.name, request.path, g.user])

    with hook_finished.connected_to(note, app):
        reply = ask("rpc", method="x", user="42").json
    assert reply == {"result": {"data": ["app", "/centrifugo/rpc", "42"]}}
    assert len(loops) == 6
    assert len(set(loops)) == 1


@pytest.mark.parametrize("fast", [True, False])
def test_async_hooks_and_the_async_functions_around_them_need_no_asgiref(
    fast: bool, app: Flask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asgiref", None)
    monkeypatch.setitem(sys.modules, "asgiref.sync", None)
    app.testing, app.config["PROXYHOOKS_FAST"] = True, fast
    hooks = ProxyHooks(app)
    ran: list[str] = []

    def note(name: str) -> Callable[..., Any]:
        async def run(*arguments: Any, **_: Any) -> Any:
            ran.append(name)
            return arguments[0] if name == "after_request" else None

        return run

    for register in (app.before_request, app.after_request, app.teardown_request):
        register(note(register.__name__))
    hooks.before_hook(note("before_hook"))

    @hooks.rpc
    async def hook(req: RPCRequest) -> RPCResult:
        after_reply(note("after_reply"))
        return RPCResult(data=1)

    @app.get("/page")
    async def page() -> str: ...

    with hook_finished.connected_to(note("hook_finished"), app):
        assert ask("rpc", method="x").json == {"result": {"data": 1}}
    order = ["before_request", "before_hook", "after_request", "teardown_request", "hook_finished", "after_reply"]
    assert ran == order
    with pytest.raises(RuntimeError, match="Install Flask with the 'async' extra"):  # as in any Flask application
        app.test_client().get("/page")


def test_views_of_the_application_are_called_as_flask_calls_them(app: Flask, hooks: ProxyHooks) -> None:
    @app.get("/page")
    async def page() -> str:
        return str(id(asyncio.get_running_loop()))

    assert app.test_client().get("/page").text != str(id(async_to_sync(running_loop)()))


def test_an_application_keeps_its_own_way_to_call_async_functions(ask: Ask, app: Flask) -> None:
    called: list[str] = []

    def own(func: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            called.append(func.__name__)
            return asyncio.run(func(*args, **kwargs))

        return call

    app.async_to_sync = own
    hooks = ProxyHooks(app)

    @hooks.rpc
    async def hook(req: RPCRequest) -> RPCResult:
        return RPCResult()

    assert ask("rpc", method="x").json == {"result": {}}
    assert called == ["hook"]


def test_arguments_may_have_any_name() -> None:
    """Such as the variables of a pattern."""

    async def hook(req: int, **variables: int) -> tuple[int, dict[str, int]]:
        return req, variables

    variables = {"function": 1, "loop": 2, "args": 3, "self": 4}
    assert async_to_sync(hook)(0, **variables) == (0, variables)


def test_context_variables_go_in_and_come_back() -> None:
    async def change() -> str:
        before = VARIABLE.get()
        await asyncio.sleep(0)
        VARIABLE.set(f"{before} and back")
        return before

    VARIABLE.set("there")
    assert async_to_sync(change)() == "there"
    assert VARIABLE.get() == "there and back"


@pytest.mark.parametrize(
    "error", [errors.PermissionDenied(), ValueError("no"), asyncio.CancelledError(), Halt(), SystemExit(3)]
)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_exception_comes_out_as_it_is_and_the_loop_goes_on(error: BaseException, at_once: bool) -> None:
    async def fail() -> None:
        if not at_once:
            await asyncio.sleep(0)
        raise error

    loop = async_to_sync(running_loop)()
    with pytest.raises(type(error)) as raised:
        async_to_sync(fail)()
    assert raised.value is error or isinstance(error, asyncio.CancelledError)
    assert raised.value.__context__ is None
    assert async_to_sync(running_loop)() is loop


def test_an_exception_and_its_arguments_are_freed_at_once() -> None:
    class Payload:
        pass

    async def fail(payload: Payload) -> None:
        raise ValueError

    payload = Payload()
    gone = weakref.ref(payload)
    gc.disable()
    try:
        with pytest.raises(ValueError):
            async_to_sync(fail)(payload)
        del payload
        assert gone() is None
    finally:
        gc.enable()


def test_a_task_that_is_left_behind_is_cancelled_and_a_warning_names_it(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(LIMIT)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def hook() -> None:
        asyncio.get_running_loop().create_task(linger())
        await asyncio.sleep(0)

    async_to_sync(hook)()
    assert seen == ["cancelled"]
    assert "hook (" in caplog.text
    assert "leaves tasks running, which are cancelled: " in caplog.text
    assert "linger. Await them, or pass the function to after_reply" in caplog.text


def test_an_async_generator_that_is_not_read_to_its_end_is_closed_within_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[bool] = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.01)  # as a database gives a connection back
            closed.append(True)

    async def first_row() -> int:
        async for row in rows():
            return row
        raise AssertionError

    call = async_to_sync(first_row)
    assert [call(), len(closed), call(), len(closed)] == [1, 1, 1, 2]
    assert not caplog.records


def test_tasks_that_are_awaited_are_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def hook() -> int:
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(3)]
        return sum(task.result() for task in tasks) + await asyncio.to_thread(int, "1")

    assert async_to_sync(hook)() == 4
    assert not caplog.records


def test_a_task_that_goes_on_after_its_cancellation_loses_its_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("proxyhooks._flask.event_loops._CANCEL_TIMEOUT", 0.01)

    async def stay() -> None:
        while True:
            try:
                await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                continue

    async def hook() -> asyncio.AbstractEventLoop:
        asyncio.get_running_loop().create_task(stay())
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    def work() -> tuple[Any, Any]:
        return async_to_sync(hook)(), async_to_sync(running_loop)()

    old, new = in_thread(work)
    assert old is not new
    assert "goes on although it was cancelled" in caplog.text
    del old, new
    gc.collect()  # asyncio logs a pending task that is freed: here, and not at the end of all tests


def test_an_exception_from_outside_cancels_the_hook() -> None:
    """As Ctrl-C and a signal handler of gunicorn's sync worker, which raises SystemExit."""
    seen: list[str] = []

    def interrupt() -> None:
        raise SystemExit(3)

    async def hook() -> None:
        asyncio.get_running_loop().call_soon(interrupt)
        try:
            await asyncio.sleep(LIMIT)
        finally:
            seen.append("cleaned up")

    with pytest.raises(SystemExit):
        async_to_sync(hook)()
    assert seen == ["cleaned up"]


def test_under_a_running_event_loop_the_hook_runs_in_another_thread() -> None:
    async def inner() -> tuple[int, str]:
        VARIABLE.set(f"{VARIABLE.get()} and back")
        await asyncio.sleep(0)
        return threading.get_ident(), VARIABLE.get()

    async def outer() -> tuple[int, str]:
        VARIABLE.set("there")
        ident, text = async_to_sync(inner)()
        assert text == VARIABLE.get()
        return ident, text

    ident, text = asyncio.run(outer())
    assert ident != threading.get_ident()
    assert text == "there and back"


def test_under_a_running_event_loop_an_exception_comes_out_too() -> None:
    async def inner() -> None:
        raise errors.PermissionDenied

    async def outer() -> None:
        async_to_sync(inner)()

    with pytest.raises(errors.PermissionDenied):
        asyncio.run(outer())
    gc.collect()  # a loop that is not closed would be a warning, and so an error


UNDER_GEVENT = """
from gevent import monkey

monkey.patch_all()
import asyncio
import os

import gevent

from proxyhooks._flask.event_loops import async_to_sync


async def work(number):
    await asyncio.sleep(0.01)
    return number


greenlets = [gevent.spawn(async_to_sync(work), number) for number in range(100)]
gevent.joinall(greenlets, timeout=30)
assert [greenlet.value for greenlet in greenlets] == list(range(100)), [greenlet.exception for greenlet in greenlets]
assert len(os.listdir("/proc/self/fd")) < 100  # a loop has three descriptors, and not every greenlet has a loop
"""


def test_under_gevent_async_hooks_run_at_the_same_time_with_few_loops() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_async_functions_asyncio_is_not_imported() -> None:
    """It takes a while, and gevent has to patch it before."""
    code = "import sys, flask, proxyhooks; proxyhooks.ProxyHooks(flask.Flask('a'), secrets=['s']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert "asyncio" not in done.stdout.split()


def test_after_reply_takes_async_functions(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    ran: list[Any] = []

    async def work(text: str, *, end: str) -> None:
        await asyncio.sleep(0)
        ran.append((flask.current_app.name, text + end))

    @hooks.rpc
    async def hook(req: RPCRequest) -> RPCResult:
        after_reply(work, "done", end="!")
        return RPCResult()

    assert ask("rpc", method="x").json == {"result": {}}
    assert ran == [("app", "done!")]


def test_after_reply_takes_an_object_with_an_async_call(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.testing = True
    called: list[int] = []

    class Push:
        async def __call__(self, number: int) -> None:
            called.append(number)

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(Push(), 7)
        return RPCResult()

    assert ask("rpc", method="x").json == {"result": {}}
    assert called == [7]


def test_a_coroutine_that_a_function_of_after_reply_returns_is_an_error_in_the_log(
    app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.testing = True

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        after_reply(lambda: asyncio.sleep(0))
        return RPCResult()

    assert ask("rpc", method="x").json == {"result": {}}
    assert "it returned a coroutine, which has not run: pass after_reply the function and its arguments" in caplog.text
