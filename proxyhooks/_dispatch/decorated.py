"""Hooks with ``decorators``: these run before the payload is loaded, and call a function that loads it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .. import messages as m
from ..exceptions import SetupError
from .signatures import check_callable, copy_metadata, is_async, source_location


class PendingPayload:
    """The payload of a call whose hook has ``decorators``. It is loaded when they have all called the next one.

    :param message: the request of the call.
    :param load: converts the payload.
    """

    def __init__(self, message: m.Request, load: Callable[[Any], Any]) -> None:
        self._message = message
        self._load = load
        self._loaded: list[Any] = []

    def load_into(self, message: Any) -> None:
        """Load the payload of a message, unless it is loaded: a decorator may repeat the call.

        :param message: what the decorators pass on: the request, or a copy that they have changed.
        """
        if any(message.data is loaded for loaded in self._loaded):
            return
        self._loaded.append(self._load(message.data))
        for one in (self._message, message):
            set_field(one, "data", self._loaded[-1])


pending_payload: ContextVar[PendingPayload | None] = ContextVar("proxyhooks.pending_payload", default=None)
"""Set while decorators run. The arguments cannot carry it: decorators pass on those of the hook."""


def set_field(message: m.Request, field: str, value: Any) -> None:
    """Set a field of a message that no hook has seen yet. A copy would take longer than loading the value."""
    object.__setattr__(message, field, value)  # messages are frozen


def decorated(function: Callable[..., Any], decorators: object, has_payload: bool) -> Callable[..., Any] | None:
    """The function of a hook inside its decorators, the first outermost; None without decorators.

    :param has_payload: whether a payload is loaded before the function is called.
    :raises SetupError: if they are not a list of decorators.
    """
    location = source_location(function)
    if not isinstance(decorators, list | tuple) or not all(map(callable, decorators)):
        raise SetupError(f"hook {location}: decorators must be a list of decorators, not {decorators!r}")
    if not decorators:
        return None
    inner = _loading_payload(function, location) if has_payload else function
    for decorator in reversed(decorators):
        inner = decorator(inner)
        check_callable(inner, f"what {source_location(decorator)} returns for hook {location}")
    return inner


def _loading_payload(function: Callable[..., Any], location: str) -> Callable[..., Any]:
    def load_and_call(message: m.Request, /, **variables: Any) -> Any:
        payload = pending_payload.get()
        if payload is None:
            raise RuntimeError(
                f"a decorator of hook {location} calls it outside of the call, such as in another thread: call it with "
                "contextvars.copy_context().run"
            )
        payload.load_into(message)
        return function(message, **variables)

    async def load_and_await(message: m.Request, /, **variables: Any) -> Any:  # decorators of async hooks await it
        return await load_and_call(message, **variables)

    if is_async(function):
        return functools.update_wrapper(load_and_await, function)
    return copy_metadata(function, load_and_call)
