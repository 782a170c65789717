"""What a generated configuration changes in an existing one.

What concerns the hooks is ours and replaces what is there: endpoints, the secret's header, the switches of events with
hooks, and the names of their proxies. So does what an option asks for. Lists get the items that they lack. Everything
else is a suggestion, written only where nothing is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ...._dispatch.events import EVENTS, Event
from ...._settings.secrets import SECRET_HEADER
from ...go.duration import Duration, read_duration
from ..names import DEFAULT_PROXY
from ..tree import Config
from .config_options import ConfigOptions
from .places import Place, values_by_place

_NEEDED: Final = {
    "timeout": "its hooks assume PROXYHOOKS_TIMEOUT",
    "include_connection_meta": "the application has a meta_schema, so that every call without meta fails",
    "subscription_type": "hooks for another type of subscription are never called",
}
"""Suggestions that the application relies on, each with the reason."""
_POLLS: Final = EVENTS["shared_poll_refresh"]
_OF_EVERY_TYPE: Final = ("name", "subscription_type", _POLLS.proxy_name_option)
"""Options of a namespace that are compared even if its type is the operator's."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value that a configuration is to have."""

    place: Place
    value: Any
    """``None``: no value."""
    kind: Literal["ours", "suggested", "items"] = "ours"
    """``ours``: replaces what is there; ``items``: what a list must contain."""

    def is_due(self, config: Config) -> bool:
        """Whether a configuration lacks the value."""
        current = self.place.value_in(config)
        if self.kind == "suggested":
            return current is None or bool(current == "")
        if self.kind == "items":
            return bool(self.wanted(config) != (current or []))
        if self.value == DEFAULT_PROXY:
            current = current or DEFAULT_PROXY
        return not _is_equal(current, self.value)

    def wanted(self, config: Config) -> Any:
        """The value to write."""
        if self.kind != "items":
            return self.value
        current = self.place.value_in(config) or []
        # Neither headers nor origins depend on letter case.
        present = {item.lower() for item in current}
        return [*current, *(item for item in self.value if item.lower() not in present)]

    def contradiction(self, config: Config) -> str | None:
        """A note if the application relies on this suggestion, and the configuration has another value."""
        reason = _NEEDED.get(self.place.keys[-1]) if self.place.keys and self.kind == "suggested" else None
        current = self.place.value_in(config)
        if reason is None or self.is_due(config) or _is_equal(current, self.value):
            return None
        return f"{self.place} stays {in_json(current)}, and the application needs {in_json(self.value)}: {reason}"


def _is_equal(current: Any, value: Any) -> bool:
    expected: object = read_duration(value) if isinstance(current, Duration) else value
    return bool(current == expected)


def in_json(value: Any) -> str:
    return json.dumps(str(value) if isinstance(value, Duration) else value, ensure_ascii=False)


Step: TypeAlias = tuple[Change, ...]
"""Changes that are made together or not at all."""


def additions(existing: Config, generated: Config, options: ConfigOptions) -> list[Step]:
    """The steps that bring a generated configuration into an existing one."""
    steps: dict[str, list[Change]] = {}
    for place, value in values_by_place(generated):
        namespace, path = _namespace_and_path(place)
        event = _switched_by(namespace, path) if namespace else None
        if namespace and event is None and _keeps_type(existing, namespace) and path not in _OF_EVERY_TYPE:
            continue
        step = steps.setdefault(_name_of_step(place, namespace, event), [])
        step.append(Change(place, value, _kind(place, value, options)))
        if namespace and options.proxy_name is None:
            switched = event or (_POLLS if value == _POLLS.subscription_type else None)
            if switched is not None:
                step.append(Change(namespace.below(*switched.proxy_name_option.split(".")), DEFAULT_PROXY))
    return [tuple(step) for step in steps.values()]


def _namespace_and_path(place: Place) -> tuple[Place | None, str]:
    """The namespace that a place is in, or ``None``, and the path in it."""
    if place.list_keys[-1:] == ("namespaces",):
        return place._replace(keys=()), ".".join(place.keys)
    if place.keys[1:2] == ("without_namespace",):
        return place._replace(keys=place.keys[:2]), ".".join(place.keys[2:])
    return None, ""


def _switched_by(namespace: Place, path: str) -> Event | None:
    """The event that an option of a namespace switches on, or whose proxy it names."""
    section = (namespace.list_keys or namespace.keys)[0]
    events = (event for event in EVENTS.values() if event.option and event.section == section)
    return next((event for event in events if path in (event.option, event.proxy_name_option)), None)


def _keeps_type(existing: Config, namespace: Place) -> bool:
    return bool(namespace.below("subscription_type").value_in(existing))


def _name_of_step(place: Place, namespace: Place | None, event: Event | None) -> str:
    """A name that is the same for the changes of one step."""
    if namespace:
        part = event.name if event else "name" if place.keys == ("name",) else "type"
        return f"{namespace} {part}"
    if place.list_keys:
        return place.name
    return next((event.proxy for event in EVENTS.values() if str(place).startswith(f"{event.proxy}.")), str(place))


def _kind(place: Place, value: Any, options: ConfigOptions) -> Literal["ours", "suggested", "items"]:
    if isinstance(value, list):
        return "items"
    key = place.keys[-1]
    enables_proxy = place.keys[:2] == ("client", "proxy") and key == "enabled"
    is_wish = getattr(options, key, None) is not None  # a key has the name of its option
    is_ours = key in ("endpoint", SECRET_HEADER) or key.endswith(("proxy_enabled", "proxy_name")) or enables_proxy
    return "ours" if is_ours or is_wish else "suggested"
