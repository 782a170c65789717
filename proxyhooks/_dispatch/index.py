"""The index of hooks: which hook serves a request."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from .. import messages as m
from ..exceptions import SetupError
from .events import Event
from .patterns import SYMBOLS, ChannelPattern, Prefixes
from .tree import PatternTree


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """A function that serves an event."""

    event: Event
    pattern: ChannelPattern | None
    function: Callable[..., Any]
    data_schema: Schema | Callable[[Any], Any] | None
    result_schema: Schema | None
    decorated: Callable[..., Any] | None
    """The function inside its ``decorators``; None without."""
    name: str
    """The function's qualified name."""
    source_location: str
    """The function's name, file and line, for messages."""
    publish_loaded: bool = False
    """Whether a result without data publishes the loaded payload."""


@dataclass(frozen=True, slots=True)
class BeforeHook:
    """A function that runs before the hooks of a collection."""

    function: Callable[..., Any]
    every_event: bool
    """Whether it runs for the events whose request has no ``user`` too."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """A hook in a collection that has it or includes it."""

    hook: Hook
    pattern: ChannelPattern | None
    """The hook's pattern behind the prefixes of each including collection; ``None`` matches every request."""
    before_hooks: tuple[Callable[..., Any], ...]
    """The functions that run before the hook, in this order."""

    def within(self, prefixes: Prefixes, before_hooks: Sequence[BeforeHook]) -> Registration:
        """This registration as it is in a collection with these before_hooks that includes it behind the prefixes."""
        event = self.hook.event
        pattern = prefixes.before(self.pattern, event.routed_on)
        has_user = issubclass(event.request, m.UserRequest)
        functions = (before.function for before in before_hooks if before.every_event or has_user)
        return Registration(self.hook, pattern, (*functions, *self.before_hooks))


@dataclass(slots=True)
class _EventIndex:
    """The registrations of one event."""

    tree: PatternTree = field(default_factory=PatternTree)
    by_pattern: dict[str, Registration] = field(default_factory=dict)
    without_pattern: Registration | None = None


class Index:
    """The registrations of a collection, by event and pattern.

    :raises SetupError: if two hooks match the same requests.
    """

    def __init__(self, registrations: Iterable[Registration] = ()) -> None:
        self._events: dict[str, _EventIndex] = {}
        for registration in registrations:
            self._check_one(registration)
            self._add_one(registration)

    def check(self, registrations: Sequence[Registration]) -> None:
        """Check that :meth:`add` can add them all.

        :raises SetupError: if two of them, or one of them and one in the index, match the same requests.
        """
        if len(registrations) > 1:
            Index(registrations)  # raises if two of them conflict
        for registration in registrations:
            self._check_one(registration)

    def add(self, registrations: Iterable[Registration]) -> None:
        """Add registrations for which :meth:`check` has raised nothing."""
        for registration in registrations:
            self._add_one(registration)

    def serves(self, event: Event) -> bool:
        return event.name in self._events

    def find(self, event: Event, request: m.Request) -> tuple[Registration, dict[str, Any]] | None:
        """The registration that matches a request, and the values of its pattern's variables.

        :raises KeyError: if no hook serves the event.
        """
        event_index = self._events[event.name]
        if event.routed_on is not None:
            match = event_index.tree.find(getattr(request, event.routed_on))
            if match is not None:
                registration, variables = match
                # Behind a prefix even a hook without a pattern has one, whose variable the hook does not take.
                return registration, variables if registration.hook.pattern else {}
        return None if event_index.without_pattern is None else (event_index.without_pattern, {})

    def similar_patterns(self, event: Event, name: str) -> list[str]:
        """Patterns for the log: up to three that start like the channel or method, else one that resembles it."""
        start = name[: next((n for n, character in enumerate(name, 1) if character in SYMBOLS + "."), len(name))]
        patterns = self._events[event.name].by_pattern
        same_start = [text for text in patterns if text.startswith(start)][:3] if start else []
        return same_start or difflib.get_close_matches(name, list(itertools.islice(patterns, 1000)), 1, 0.5)

    def registrations(self) -> Iterator[Registration]:
        """Every registration, grouped by event."""
        for event_index in self._events.values():
            yield from event_index.by_pattern.values()
            if event_index.without_pattern is not None:
                yield event_index.without_pattern

    def _check_one(self, new: Registration) -> None:
        event_index = self._events.get(new.hook.event.name)
        if event_index is None:
            return
        present = event_index.without_pattern if new.pattern is None else event_index.tree.find_same_shape(new.pattern)
        # A collection that is included in two ways brings its hooks twice. With the same before_hooks that is harmless.
        # With others it is a conflict, since only one registration is used.
        if present is None or (present.hook is new.hook and present.before_hooks == new.before_hooks):
            return
        event = new.hook.event
        requests = repr(new.pattern.text) if new.pattern else f"every {event.routed_on or 'request'}"
        raise SetupError(
            f"{event.name} for {requests} has two hooks: {present.hook.source_location} and {new.hook.source_location}"
        )

    def _add_one(self, new: Registration) -> None:
        event_index = self._events.setdefault(new.hook.event.name, _EventIndex())
        if new.pattern is None:
            event_index.without_pattern = new
        elif event_index.tree.add(new.pattern, new) is None:
            event_index.by_pattern[new.pattern.text] = new
