"""Which namespaces of a configuration use which proxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...._dispatch.events import EVENTS, Event
from ..names import DEFAULT_PROXY
from ..switches import is_switched_on
from ..tree import Config, objects_at, value_at
from .places import Place


@dataclass(frozen=True, slots=True)
class ProxyUse:
    """An event that is on in a namespace."""

    event: str
    namespace: Place
    proxy: Place
    """The proxy that Centrifugo calls for it."""


def proxy_uses(config: Config) -> Iterator[ProxyUse]:
    """Yield each event that is on in a namespace of a typed tree."""
    for event in EVENTS.values():
        for place, namespace in _namespaces_for(config, event):
            if is_switched_on(event, namespace):
                proxy = proxy_place(event, value_at(namespace, event.proxy_name_option))
                yield ProxyUse(event.name, place, proxy)


def _namespaces_for(config: Config, event: Event) -> Iterator[tuple[Place, Config]]:
    """Yield the namespaces of a typed tree, with ``without_namespace``, in which an event could be on."""
    if event.section != "client":
        without = (event.section, "without_namespace")
        yield Place(without), value_at(config, ".".join(without)) or {}
        for _, namespace in objects_at(config, f"{event.section}.namespaces"):
            yield Place((), (event.section, "namespaces"), str(namespace.get("name", ""))), namespace


def proxy_place(event: Event, name: Any) -> Place:
    """The place of the proxy that a namespace names for an event."""
    is_default = (name or DEFAULT_PROXY) == DEFAULT_PROXY
    return Place(tuple(event.proxy.split("."))) if is_default else Place((), ("proxies",), str(name))
