"""Which async functions of an application are called in the event loop that a thread keeps."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from flask import Flask

from .request_state import request_state


class _AsyncToSync:
    """``Flask.async_to_sync``, except that the functions of hooks' requests are called in the thread's event loop.

    :param others: Flask's own way, for views of the application.
    """

    def __init__(self, others: Callable[..., Callable[..., Any]]) -> None:
        self._others = others

    def __call__(self, func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        return self._others(func) if request_state() is None else _in_event_loop(func)


def install_event_loops(app: Flask) -> None:
    """Have the async functions around hooks, such as ``before_request``, called as async hooks are.

    An application that has its own ``async_to_sync`` keeps it.
    """
    if type(app).async_to_sync is Flask.async_to_sync and "async_to_sync" not in vars(app):
        app.async_to_sync = _AsyncToSync(app.async_to_sync)  # type: ignore[method-assign]  # documented by Flask


def async_to_sync_of(app: Flask) -> Callable[..., Callable[..., Any]]:
    """How async hooks of the application are called."""
    return _in_event_loop if isinstance(app.async_to_sync, _AsyncToSync) else app.async_to_sync


def _in_event_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    # Imported when there is an async function: asyncio takes 20 ms, and gevent has to patch it before.
    from .event_loops import async_to_sync

    return async_to_sync(function)
