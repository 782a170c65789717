"""Calls async functions from synchronous code, in an event loop that each thread keeps.

Flask's own way, through asgiref, makes an event loop and a thread for each call, which takes far longer than a hook.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from .._dispatch.signatures import source_location
from .._wire.log import Trusted, rate_limited

_CANCEL_TIMEOUT: Final = 1.0
"""Seconds that a cancelled task, or one that closes an async generator, may take to end."""


def async_to_sync(function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    """A synchronous function that calls the async one in the event loop of the thread.

    - Context variables are those of the caller, who also sees what the function sets.
    - A task that the function leaves behind is cancelled, and a warning names it.
    - If an event loop is running in the thread already, and under gevent, the function runs in another thread, and the
      caller waits.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = functools.partial(_run_in_loop_of_thread, function, *args, **kwargs)
        if _threads_are_greenlets():
            return _run_in(sys.modules["gevent"].get_hub().threadpool.apply, run)
        return _run_in(_new_thread, run) if _is_loop_running() else run()

    return call


class _KeptLoop:
    """The event loop of a thread. The thread alone refers to this object, so that the loop is closed with the thread.

    A frame must not: an exception refers to its frames, and may be kept for longer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._process = os.getpid()
        self.started: list[asyncio.Task[Any]] = []
        """The tasks that the loop has started since the last look."""
        # Not a method of this object: in a circle of references __del__ would be called late.
        loop.set_task_factory(functools.partial(_create_task, self.started))

    def __del__(self) -> None:
        if os.getpid() == self._process:
            self.loop.close()
        else:
            # In a forked process, which shares the selector: to close the loop would remove the event that wakes the
            # loop of the parent. The loop must not do it either when it is deleted.
            methods: Any = self.loop
            methods.is_closed = lambda: True


class _OfThread(threading.local):
    """What belongs to the current thread."""

    kept: _KeptLoop | None = None


_of_thread: Final = _OfThread()


def _forget_loop_of_parent() -> None:
    _of_thread.kept = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_loop_of_parent)


def _loop_of_thread() -> tuple[asyncio.AbstractEventLoop, list[asyncio.Task[Any]]]:
    """The event loop of the thread, which is made when it is first needed, and the tasks that it has started."""
    if _of_thread.kept is None:
        # In an empty context, as a loop keeps the one in which it was made: that of a request, with the application.
        _of_thread.kept = _KeptLoop(contextvars.Context().run(asyncio.new_event_loop))
    return _of_thread.kept.loop, _of_thread.kept.started


def _create_task(
    started: list[asyncio.Task[Any]], loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
    started.append(task)
    return task


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_in_loop_of_thread(function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
    loop, started = _loop_of_thread()
    context = contextvars.copy_context()
    task: asyncio.Task[Any] = asyncio.Task(_call_and_stop(loop, function, args, kwargs), loop=loop, context=context)
    try:
        # A third quicker than run_until_complete, which needs one more turn of the loop.
        loop.run_forever()
        return task.result()
    finally:
        if not task.done():  # an exception has come from outside, such as Ctrl-C
            _cancel(loop, [task])
        elif not task.cancelled():
            task.exception()  # asyncio would log one that nobody has asked for: SystemExit comes out of the loop
        if started:
            _cancel_tasks_left_behind(loop, started, function)
        _copy_variables(context)
        del task  # with an exception, its traceback would refer to itself


async def _call_and_stop(
    loop: asyncio.AbstractEventLoop,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    begin, generators = sys.get_asyncgen_hooks().firstiter, 0

    def count(generator: AsyncGenerator[Any, Any]) -> None:
        nonlocal generators
        generators += 1
        if begin is not None:
            begin(generator)

    sys.set_asyncgen_hooks(firstiter=count)
    try:
        return await function(*args, **kwargs)
    finally:
        if generators:
            await asyncio.sleep(0)  # the loop starts the tasks that close generators
        loop.stop()


def _cancel_tasks_left_behind(
    loop: asyncio.AbstractEventLoop, started: list[asyncio.Task[Any]], function: Callable[..., Any]
) -> None:
    """Cancel tasks that the function has not awaited. They would go on in the next call, which is another user's."""
    left = [task for task in started if not task.done()]
    started.clear()
    # asyncio itself starts a task to close an async generator that was not read to its end.
    if closing := [task for task in left if not inspect.iscoroutine(task.get_coro())]:
        _wait(loop, closing)
        left = [task for task in left if not task.done()]
    if not left:
        return
    location = Trusted(source_location(function))
    names = ", ".join(sorted({_name(task) for task in left}))
    text = "%s leaves tasks running, which are cancelled: %s. Await them, or pass the function to after_reply"
    rate_limited.warning(text, location, Trusted(names), kind=("task", location))
    _cancel(loop, left)


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "?")


def _cancel(loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end. If one goes on, the thread gets another loop."""
    for task in tasks:
        task.cancel()
    _wait(loop, tasks)
    for task in tasks:
        name = Trusted(f"the task {_name(task)}")
        if not task.done():
            _of_thread.kept = None
            text = "%s goes on although it was cancelled, so its event loop is closed"
            rate_limited.error(text, name, kind=("goes on", name))
        elif not task.cancelled() and (error := task.exception()) is not None:
            rate_limited.error("%s failed when it was cancelled", name, kind=("failed", name), exc_info=error)


def _wait(loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for the end of tasks, for a limited time."""
    ended = loop.create_task(asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT))
    ended.add_done_callback(lambda _: loop.stop())
    while not ended.done():  # the function's own end stops the loop too
        loop.run_forever()


def _copy_variables(context: contextvars.Context) -> None:
    """Set the context variables that the async function has set."""
    for variable, value in context.items():
        if variable.get(None) is not value:
            variable.set(value)


def _threads_are_greenlets() -> bool:
    """Whether gevent has replaced threads. All of them share what asyncio calls the running loop of the thread."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _new_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work, name="proxyhooks-async")
    thread.start()
    thread.join()


def _run_in(call_in_thread: Callable[[Callable[[], None]], Any], run: Callable[[], Any]) -> Any:
    """Call the function in another thread.

    :param call_in_thread: calls its argument in another thread, and waits for it.
    """
    context = contextvars.copy_context()
    outcome: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(context.run(run))
        except BaseException as error:
            errors.append(error)

    call_in_thread(work)
    _copy_variables(context)
    if errors:
        raise errors.pop()  # an exception that this frame refers to would refer to itself
    return outcome[0]
