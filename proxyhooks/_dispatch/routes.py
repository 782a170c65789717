"""Routes: the hooks of an index as one application calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from .dumping import Dumper
from .index import Hook, Registration
from .patterns import ChannelPattern

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Returns the function itself, or a synchronous function in place of an async one, as ``Flask.ensure_sync`` does."""


@dataclass(slots=True, eq=False)
class Route:
    """A registration, ready to be called in one application."""

    hook: Hook
    pattern: ChannelPattern | None
    """The registration's, with the prefixes of the including collections."""
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
            call_hook=ensure_sync(hook.function if hook.decorated is None else hook.decorated),
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
