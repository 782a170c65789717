"""The option of a namespace that has Centrifugo call the proxy for an event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..._dispatch.events import Event
from .tree import Config, value_at

MAP_SUBSCRIPTIONS_REFUSED: Final = (
    "Centrifugo v6.9.1 refuses every map subscription with 107 where the subscribe proxy is on"
)
MAP_ACCESS: Final = "let clients in with subscription tokens, or all of them with allow_subscribe_for_client"
"""How clients subscribe to maps instead."""


def switch_of(event: Event) -> str:
    """The option. Shared polls have no switch of their own: the ``subscription_type`` is theirs."""
    return event.option or "subscription_type"


def is_switched_on(event: Event, namespace: Config) -> bool:
    """Whether the event is on in a namespace with these options."""
    value = value_at(namespace, switch_of(event))
    return bool(value) if event.option else bool(value == event.subscription_type)


def type_options(events: Iterable[Event]) -> Config:
    """The options of a new namespace for the type of subscriptions that the events need; empty if they need none."""
    types = {event.subscription_type for event in events}
    if "map" in types:
        return {"subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}}
    if "shared_poll" in types:
        # Clients can only poll keys that the backend signed, so everybody may subscribe.
        return {
            "subscription_type": "shared_poll",
            "allow_subscribe_for_client": True,
            "shared_poll": {"refresh_interval": "10s"},
        }
    return {}


def events_to_switch_on(events: Iterable[Event]) -> list[Event]:
    """The events without those that open subscriptions to maps.

    Centrifugo v6.9.1 refuses every subscription to a map in whose namespace the subscribe proxy is on.
    """
    events = list(events)
    has_map = any(event.subscription_type == "map" for event in events)
    return [event for event in events if not (has_map and event.opens == "subscription")]
