"""The option of a namespace that has Centrifugo call the proxy for an event."""

from __future__ import annotations

from ..._dispatch.events import Event
from .tree import Config, value_at


def switch_of(event: Event) -> str:
    """The option. Shared polls have no switch of their own: the ``subscription_type`` is theirs."""
    return event.option or "subscription_type"


def is_switched_on(event: Event, namespace: Config) -> bool:
    """Whether the event is on in a namespace with these options."""
    value = value_at(namespace, switch_of(event))
    return bool(value) if event.option else bool(value == event.subscription_type)
