"""Functions that run after the reply was sent: :data:`proxyhooks.after_reply`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Final, ParamSpec

from flask import Flask

from .. import errors
from .._dispatch.return_values import close_coroutine
from .._dispatch.signatures import is_async, source_location, yields
from .._settings.settings import AFTER_REPLY_QUEUE, AFTER_REPLY_THREADS
from .._wire.log import Trusted, logger, rate_limited
from .async_functions import async_to_sync_of
from .background_queue import BackgroundQueue, BackgroundTask
from .call_log import about_call, call_fields
from .opentelemetry import in_current_trace
from .request_state import RequestState, request_state

_QUEUE_KEY: Final = "proxyhooks.after_reply"
"""The key of the queue in ``app.extensions``."""
_P = ParamSpec("_P")


class AfterReply:
    """Call a function when the reply has been sent, in the application's context. An exception is logged.

    ``after_reply(function, *args, **kwargs)``: the function runs in another thread, whatever the reply is. While the
    application is being tested (``TESTING``, or by a ``ProxyClient``) it runs in the same thread, as soon as the reply
    has been read. The functions of one request run in order. A stopping worker finishes those that wait while there is
    time (``graceful_timeout``), and logs how many of which functions are lost.

    ``after_reply.for_key(channel)(function, *args, **kwargs)``: the functions of equal keys run in the order of their
    replies, one at a time. Each worker has an order of its own.

    The request is over by then: pass what is needed from it, and from ``g``, as arguments. The function may be async.
    """

    def __init__(self, *key: Hashable) -> None:
        self._key = key

    def __call__(self, function: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Call the function when the reply has been sent.

        :raises TypeError: if it is not callable, or yields.
        :raises RuntimeError: if used elsewhere than in a hook and in the functions that run before or after it.
        :raises errors.TooManyRequests: if too many functions wait (``PROXYHOOKS_AFTER_REPLY_QUEUE``).
        """
        if not callable(function):
            raise TypeError(f"after_reply takes a function and its arguments, after_reply(f, 1), not {function!r}")
        state = request_state()
        if state is None:
            raise RuntimeError(
                "after_reply works in hooks, and in functions that run before or after them; there is no request from "
                "Centrifugo here: on a page use response.call_on_close(function), elsewhere call the function itself"
            )
        if not state.guarded:
            raise RuntimeError("after_reply works in hooks only: in a view of your own use response.call_on_close")
        name = source_location(function)
        if yields(function):
            raise TypeError(f"after_reply would run nothing of {name}, which yields: pass a plain or async function")
        if not state.tasks_in_place and _queue_of(state.app).is_full():
            _refuse(state.app, name)
        call = async_to_sync_of(state.app)(function) if is_async(function) else function
        run = in_current_trace(state.app, functools.partial(call, *args, **kwargs))
        state.background_tasks += (BackgroundTask(name, run, call_fields(state), self._key or None),)

    def for_key(self, key: Hashable) -> AfterReply:
        """Return an ``after_reply`` whose functions run one at a time, in the order of their replies.

        :param key: what the order is for, such as a channel.
        :raises TypeError: if it is not hashable.
        """
        try:
            hash(key)
        except TypeError:
            text = "after_reply.for_key takes a hashable key, such as a channel, not one of type"
            raise TypeError(f"{text} {type(key).__name__}") from None
        return AfterReply(key)


after_reply: Final = AfterReply()


def install_queue(app: Flask, threads: int, capacity: int) -> None:
    """Give the application its queue for ``after_reply``."""
    app.extensions[_QUEUE_KEY] = BackgroundQueue(functools.partial(_run, app), threads, capacity)


def run_in_background(state: RequestState, tasks: Sequence[BackgroundTask]) -> None:
    """Run the tasks of a request in other threads and in the application's context.

    The thread that sent the reply must not run them: it holds the connection, on which Centrifugo sends its next
    request as soon as it has read the reply. Only while the application is being tested does the caller wait.
    """
    if not state.tasks_in_place:
        _queue_of(state.app).submit(tasks)
        return
    for task in tasks:
        if (error := _run(state.app, task)) is not None and not isinstance(error, Exception):  # such as Ctrl-C
            raise error


def _run(app: Flask, task: BackgroundTask) -> BaseException | None:
    """Run the task. Return what it raises, which the log has then."""
    with about_call(task.call):
        return _run_and_log(app, task)


def _run_and_log(app: Flask, task: BackgroundTask) -> BaseException | None:
    try:
        with app.app_context():
            returned = task.run()
            if inspect.isawaitable(returned) or inspect.isgenerator(returned) or inspect.isasyncgen(returned):
                close_coroutine(returned)
                kind = type(returned).__name__
                raise TypeError(
                    f"it returned a {kind}, which has not run: pass after_reply the function and its arguments"
                )
    except BaseException as error:  # a thread would end, and tell nobody
        logger.exception("%s, passed to after_reply, failed", task.name)
        return error
    return None


def _queue_of(app: Flask) -> BackgroundQueue:
    queue: BackgroundQueue = app.extensions[_QUEUE_KEY]
    return queue


def _refuse(app: Flask, name: str) -> None:
    """Refuse another task.

    :raises errors.TooManyRequests: always.
    """
    text = (
        "after_reply: the queue is full (%s is %d), so a call of %s is refused with error 111. Make the functions "
        "quicker, or raise %s"
    )
    capacity, location = _queue_of(app).capacity, Trusted(name)
    keys = Trusted(AFTER_REPLY_QUEUE.key), Trusted(AFTER_REPLY_THREADS.key)
    rate_limited.error(text, keys[0], capacity, location, keys[1], kind=("after_reply", location))
    raise errors.TooManyRequests
