"""What functions return that decide: a value, or something that has not run.

A function with a ``yield`` by mistake, for example, does not run: it returns a generator, and that is no refusal.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncContextDecorator, ContextDecorator
from typing import Final

from .value_kinds import value_or_class

_VALUES: Final = frozenset({dict, list, str, int, float, bool, bytes, tuple, type(None)})


def why_no_value(returned: object) -> str | None:
    """Why what a function returned is no value; None if it is one. Close a coroutine, so that Python does not warn."""
    if type(returned) in _VALUES:
        return None
    if inspect.isawaitable(returned) or isinstance(returned, AsyncIterator):
        close_coroutine(returned)
        return f"returned {value_or_class(returned)}, so it has not run: make it a plain function"
    if isinstance(returned, ContextDecorator | AsyncContextDecorator):
        return f"returned {value_or_class(returned)}, which runs only in a with statement: return the value"
    if isinstance(returned, Iterator):
        return f"returned {value_or_class(returned)}, which runs only when it is read: return the whole value"
    if isinstance(returned, BaseException) or (isinstance(returned, type) and issubclass(returned, BaseException)):
        return f"returned {value_or_class(returned)}: raise it"
    return "returned NotImplemented" if returned is NotImplemented else None


def close_coroutine(value: object) -> None:
    """Close a coroutine that is not awaited, so that Python does not warn of it."""
    if inspect.iscoroutine(value):
        value.close()
