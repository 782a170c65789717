"""The index of hooks: which one answers a request."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from .. import messages as m
from ..exceptions import SetupError
from .events import EVENTS, Event
from .patterns import SYMBOLS, ChannelPattern
from .tree import PatternTree


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """A function, registered."""

    event: Event
    pattern: ChannelPattern | None
    function: Callable[..., Any]
    data_schema: Schema | Callable[[Any], Any] | None
    result_schema: Schema | None
    name: str
    source_location: str
    """Its name, file and line, for messages."""


@dataclass(slots=True)
class Route:
    """A hook as it is found: ready to be called, with what runs around it."""

    hook: Hook
    call: Callable[..., Any]
    before: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...]
    """Each before_hook, as written and ready to be called."""
    reads_json: bool = field(init=False)
    """Whether a schema reads the payload, which may come as bytes, and not a function."""
    load: Callable[[Any], Any] | None = field(init=False)
    """Makes of the payload what the hook gets; by its data_schema."""
    dump: Callable[[Any], Any] | None = field(init=False)
    """Makes of the result's data what is sent; by its result_schema."""

    def __post_init__(self) -> None:
        data_schema, result_schema = self.hook.data_schema, self.hook.result_schema
        self.reads_json = isinstance(data_schema, Schema)
        self.load = data_schema.load if isinstance(data_schema, Schema) else data_schema
        self.dump = None if result_schema is None else result_schema.dump


@dataclass(slots=True)
class _Routes:
    tree: PatternTree = field(default_factory=PatternTree)
    any: Route | None = None
    patterns: dict[str, Route] = field(default_factory=dict)


class Index:
    """All hooks, by event and shape, built once.

    :raises SetupError: if two have the same shape.
    """

    def __init__(self, hooks: Any, ready: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None) -> None:
        self._events: dict[str, _Routes] = {}
        self._ready = ready or (lambda function: function)
        self._add(hooks, "", ())

    def serves(self, event: Event) -> bool:
        return event.name in self._events

    def find(self, event: Event, request: m.Request) -> tuple[Route, dict[str, Any]] | None:
        """The route of a request and the variables of its pattern."""
        routes = self._events[event.name]
        if event.routed_on is not None:
            found = routes.tree.find(getattr(request, event.routed_on))
            if found is not None:  # the variable of a bare hook behind an rpc_prefix is no argument of the hook
                route, variables = found
                return route, variables if route.hook.pattern else {}
        return None if routes.any is None else (routes.any, {})

    def near(self, event: Event, name: str) -> list[str]:
        """A few patterns that begin or are like the name, for the log."""
        start = name[: next((n for n, character in enumerate(name, 1) if character in SYMBOLS + "."), len(name))]
        patterns = self._events[event.name].patterns
        same_start = [text for text in patterns if text.startswith(start)][:3] if start else []
        return same_start or difflib.get_close_matches(name, list(itertools.islice(patterns, 1000)), 1, 0.5)

    def routes(self) -> Iterator[tuple[Event, str | None, Route]]:
        """Every event that is served, the pattern as it is found (behind its rpc_prefix), and the route."""
        for name, routes in self._events.items():
            for pattern, route in routes.patterns.items():
                yield EVENTS[name], pattern, route
            if routes.any is not None:
                yield EVENTS[name], None, routes.any

    def _add(self, hooks: Any, rpc_prefix: str, before: tuple[Callable[..., Any], ...]) -> None:
        before = (*before, *hooks._before)
        for hook in hooks._hooks:
            self._add_hook(hook, rpc_prefix, before)
        for included, prefix in hooks._included:
            self._add(included, rpc_prefix + prefix, before)

    def _add_hook(self, hook: Hook, rpc_prefix: str, before: tuple[Callable[..., Any], ...]) -> None:
        routes = self._events.setdefault(hook.event.name, _Routes())
        pattern = hook.pattern
        if rpc_prefix and hook.event.routed_on == "method":
            pattern = ChannelPattern(rpc_prefix + (pattern.text if pattern else "<path:_>"))
        if not issubclass(hook.event.request, m.UserRequest):
            before = ()
        route = Route(hook, self._ready(hook.function), tuple((function, self._ready(function)) for function in before))
        if pattern is None:
            there, routes.any = routes.any, route
        else:
            there = routes.tree.add(pattern, route)
            routes.patterns[pattern.text] = route
        # One Hooks may come in by two ways; that is the same hook, unless different things run before it.
        if there is not None and (there.hook is not hook or [f for f, _ in there.before] != list(before)):
            shape = f"{pattern.text!r}" if pattern else f"every {hook.event.routed_on or 'request'}"
            raise SetupError(
                f"{hook.event.name} for {shape} has two hooks: {there.hook.source_location} and {hook.source_location}"
            )
