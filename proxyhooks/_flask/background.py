"""What an application wants done when the reply has been sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, TypeAlias

from flask import Flask

from .._wire.log import logger

_THREADS: Final = 8
_lock: Final = Lock()
_executor: ThreadPoolExecutor | None = None


BackgroundTask: TypeAlias = tuple[str, Callable[[], object]]
"""A function and its name."""


def run_in_background(app: Flask, functions: Sequence[BackgroundTask]) -> None:
    """Run the functions one after another in a thread of their own, in the application's context.

    Not in the thread that sent the reply: it would keep the connection, on which Centrifugo sends its next request
    as soon as it has read the reply. Only when the application is being tested does the caller wait.
    """
    if app.testing:
        _run(app, functions)
        return
    global _executor
    with _lock:
        if _executor is None:  # made late, so that it belongs to the worker's process
            # Its threads are waited for when the process ends, so a graceful stop loses nothing.
            _executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="proxyhooks-after-reply")
        _executor.submit(_run, app, functions)


def _run(app: Flask, functions: Sequence[BackgroundTask]) -> None:
    for name, function in functions:
        try:
            with app.app_context():
                function()
        except Exception:
            logger.exception("%s, given to after_reply, failed", name)
