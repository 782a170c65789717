"""Errors that must not end gunicorn: those of server hooks for what a server can do without."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_R = TypeVar("_R")


def log_errors(text: str) -> Callable[[Callable[..., _R]], Callable[..., _R | None]]:
    """Decorate a function: have an exception logged, and None returned. In a server hook it would end the process.

    The first argument of the function is gunicorn's master or worker.

    :param text: the line in the log.
    """

    def decorate(function: Callable[..., _R]) -> Callable[..., _R | None]:
        @functools.wraps(function)
        def logging_errors(process: Any, *args: Any) -> _R | None:
            try:
                return function(process, *args)
            except Exception:
                process.log.exception(text)
                return None

        return logging_errors

    return decorate
