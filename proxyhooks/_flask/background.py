"""Functions that run after the reply was sent: :func:`proxyhooks.after_reply`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

import flask
from flask import Flask

from .._dispatch.signatures import source_location
from .._wire.log import logger
from .request_state import BackgroundTask, require_request_state

_THREADS: Final = 8
_lock: Final = Lock()
_executor: ThreadPoolExecutor | None = None


def after_reply(function: Callable[..., object], /, *args: object) -> None:
    """Call the function when the reply has been sent, in the application's context. An exception is logged.

    It runs in another thread, whatever the reply is, and a graceful stop waits for it. While the application is
    being tested (``TESTING``) it runs in the same thread, as soon as the reply has been read.

    The request is over by then: pass what is needed from it, and from ``g``, as arguments. The function may be async.

    :raises TypeError: if it is not callable.
    :raises RuntimeError: if used elsewhere than in a hook and in the functions that run before or after it.
    """
    if not callable(function):
        raise TypeError(f"after_reply takes a function and its arguments, after_reply(f, 1), not {function!r}")
    state = require_request_state()
    if not state.guarded:
        raise RuntimeError("after_reply works in hooks only: in a view of your own use response.call_on_close")
    run = functools.partial(flask.current_app.ensure_sync(function), *args)
    state.background_tasks += (BackgroundTask(source_location(function), run),)


def run_in_background(app: Flask, tasks: Sequence[BackgroundTask]) -> None:
    """Run the tasks one after another, in another thread and in the application's context.

    The thread that sent the reply must not run them: it holds the connection, on which Centrifugo sends its next
    request as soon as it has read the reply. Only while the application is being tested does the caller wait.
    """
    if app.testing:
        _run(app, tasks)
        return
    global _executor
    with _lock:
        if _executor is None:  # made here, in the worker: gunicorn's master, which may import this, forks
            # The interpreter waits for its threads when the process ends, so a graceful stop loses no task.
            _executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="proxyhooks-after-reply")
        _executor.submit(_run, app, tasks)


def _run(app: Flask, tasks: Sequence[BackgroundTask]) -> None:
    for task in tasks:
        try:
            with app.app_context():
                task.run()
        except BaseException as error:  # an executor would keep it, and tell nobody
            logger.exception("%s, passed to after_reply, failed", task.name)
            if app.testing and not isinstance(error, Exception):  # such as Ctrl-C
                raise
