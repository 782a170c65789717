"""What earlier runs of ``config`` wrote for hooks that are gone.

A proxy is ours if its endpoint is the URL of one of the application's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ...._dispatch.events import EVENTS, Event
from ..backend import Backend
from ..static_headers import IDEMPOTENCY_HEADER, IDEMPOTENCY_VALUE, STATIC_HEADERS
from ..tree import Config, objects_at
from .changes import Change, Step
from .config_options import ConfigOptions
from .generate import endpoint
from .places import Place, values_by_place
from .proxy_uses import proxy_uses

_CONNECT_UNASKED: Final = ("client.allow_anonymous_connect_without_token", "client.insecure")
"""Options that let a client connect without a token if there is no connect proxy."""


class Removal(NamedTuple):
    """Changes that remove something that no hook needs."""

    changes: Step
    opening: str = ""
    """The option that then allows clients without asking a hook what the hook could refuse; empty if none does."""


@dataclass(frozen=True)
class Obsolete:
    """The parts of a configuration that no hook needs now."""

    existing: Config
    generated: Config
    backend: Backend
    options: ConfigOptions

    @cached_property
    def events(self) -> dict[str, Event]:
        """The events by the URLs of their hooks."""
        # Without --pro, the generated configuration has no events of PRO, although they may have hooks.
        hooks = self.backend.hooks_by_event()
        return {
            endpoint(self.backend, self.options, event): event
            for name, event in EVENTS.items()
            if self.options.pro or not event.pro or name not in hooks
        }

    def switches(self) -> Iterator[Removal]:
        """Yield the removal of each switch in a namespace where no hook has a pattern."""
        wanted = {(use.event, use.namespace) for use in proxy_uses(self.generated)}
        for use in proxy_uses(self.existing):
            event, namespace = EVENTS[use.event], use.namespace
            calls_us = self.events.get(use.proxy.below("endpoint").value_in(self.existing)) is event
            if event.option and calls_us and (event.name, namespace) not in wanted:
                *parents, key = event.option.split(".")
                operation = key.removesuffix("_proxy_enabled")
                allowing = [f"allow_{operation}_for_{who}" for who in ("client", "subscriber")]
                options = [namespace.below(*path.split(".")) for path in (event.option, event.proxy_name_option)]
                yield Removal(
                    tuple(Change(option, None) for option in options),
                    self._first_on(namespace.below(*parents, option) for option in allowing),
                )

    def proxies(self) -> Iterator[Removal]:
        """Yield the removal of each proxy for an event without hooks."""
        default = [Place(tuple(event.proxy.split("."))) for event in EVENTS.values()]
        named = [Place((), ("proxies",), proxy.get("name", "")) for _, proxy in objects_at(self.existing, "proxies")]
        for proxy in (*default, *named):
            event = self.events.get(proxy.below("endpoint").value_in(self.existing))
            if event is not None and proxy.value_in(self.generated) is None:
                allowing = [Place(tuple(path.split("."))) for path in _CONNECT_UNASKED if event.name == "connect"]
                yield Removal((Change(proxy, None),), self._first_on(allowing))

    def repeats(self) -> Iterator[Removal]:
        """Yield the removal of the header that allows repeated calls, for each proxy whose hooks may not run twice."""
        for place, _ in values_by_place(self.generated):
            header = place._replace(keys=place.keys[:-1]).below(*STATIC_HEADERS.split("."), IDEMPOTENCY_HEADER)
            is_there = header.value_in(self.existing) == IDEMPOTENCY_VALUE
            if place.keys[-1] == "endpoint" and is_there and header.value_in(self.generated) is None:
                yield Removal((Change(header, None),))

    def _first_on(self, options: Iterable[Place]) -> str:
        """The first of some options that is on, or ``""``."""
        return next((str(option) for option in options if option.value_in(self.existing)), "")
