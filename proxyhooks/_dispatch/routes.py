"""Routes: the hooks of an index as one application calls them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from .. import messages as m
from .dumping import Dumper
from .index import Hook, Registration
from .patterns import ChannelPattern
from .signatures import copy_metadata, is_async

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Returns the function itself, or a synchronous function in place of an async one, as ``Flask.ensure_sync`` does."""


class Payload:
    """The payload of a call whose hook has ``decorators``. The function that they wrap loads it.

    :param load: called with the data and whether there is any; None without a ``data_schema``.
    :param has_data: whether the message of the call has a payload.
    """

    def __init__(self, load: Callable[[Any, bool], Any] | None, has_data: bool) -> None:
        self._load = load
        self._has_data = has_data
        self._loaded: list[Any] = []

    def load_into(self, message: m.Request) -> None:
        """Give the message the loaded payload. A decorator may call the hook again, or with a copy of the message."""
        if self._load is None:
            return
        data: Any = getattr(message, "data")  # noqa: B009  # only events with a payload have a data_schema
        if not any(data is loaded for loaded in self._loaded):
            self._loaded.append(self._load(data, self._has_data or data is not None))
            set_field(message, "data", self._loaded[-1])

    def load_published(self, message: m.Request) -> None:
        """Give the message of the call what the hook got last; a decorator may have called it with a copy, or never."""
        if self._loaded:
            set_field(message, "data", self._loaded[-1])
        self.load_into(message)


def set_field(message: m.Request, field: str, value: Any) -> None:
    # Messages are frozen. A copy would take longer than loading the value.
    object.__setattr__(message, field, value)


current_payload: ContextVar[Payload] = ContextVar("proxyhooks.payload")
"""Set while decorators run. The arguments cannot carry it: decorators pass on those of the hook."""


@dataclass(slots=True, eq=False)
class Route:
    """A registration, ready to be called in one application."""

    hook: Hook
    pattern: ChannelPattern | None
    """The registration's, which may have an ``rpc_prefix``."""
    call_hook: Callable[..., Any]
    before_hooks: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...]
    """Each function as it was registered, for messages, and the synchronous function to call."""
    load: Callable[[Any], Any] | None
    """Converts the payload of the request; None without a ``data_schema``."""
    loads_json: bool
    """Whether ``load`` is that of a schema, which loads JSON. A function gets bytes as they are."""
    dump: Dumper | None
    """Dumps the ``data`` of the result; None without a ``result_schema``."""
    dump_loaded: Dumper | None
    """Dumps a loaded payload that is published; None if the ``result_schema`` does, or if it is published as it is."""

    @classmethod
    def of(cls, registration: Registration, ensure_sync: EnsureSync) -> Route:
        hook = registration.hook
        data_schema, result_schema = hook.data_schema, hook.result_schema
        loaded_by = data_schema if hook.publish_loaded and result_schema is None else None
        return cls(
            hook=hook,
            pattern=registration.pattern,
            call_hook=_call_decorated(hook, ensure_sync) if hook.decorators else ensure_sync(hook.function),
            before_hooks=tuple((function, ensure_sync(function)) for function in registration.before_hooks),
            load=(lambda data: data_schema.load(data)) if isinstance(data_schema, Schema) else data_schema,
            loads_json=isinstance(data_schema, Schema),
            dump=None if result_schema is None else Dumper(result_schema, "data"),
            dump_loaded=Dumper(loaded_by, "the loaded data") if isinstance(loaded_by, Schema) else None,
        )


@dataclass(slots=True, eq=False)
class Match:
    """The hook that serves a request."""

    route: Route
    variables: dict[str, Any]
    """The values of the pattern's variables."""


def _call_decorated(hook: Hook, ensure_sync: EnsureSync) -> Callable[..., Any]:
    def load_and_call(message: m.Request, /, **variables: Any) -> Any:
        try:
            payload = current_payload.get()
        except LookupError:
            raise LookupError(
                f"a decorator of hook {hook.source_location} calls it outside of the call, such as in another thread: "
                "call it with contextvars.copy_context().run"
            ) from None
        payload.load_into(message)
        return hook.function(message, **variables)

    async def load_and_await(message: m.Request, /, **variables: Any) -> Any:  # decorators of async hooks await it
        return await load_and_call(message, **variables)

    if is_async(hook.function):
        decorated: Callable[..., Any] = functools.update_wrapper(load_and_await, hook.function)
    else:
        decorated = copy_metadata(hook.function, load_and_call)
    for decorator in reversed(hook.decorators):
        decorated = decorator(decorated)
    return ensure_sync(decorated)
