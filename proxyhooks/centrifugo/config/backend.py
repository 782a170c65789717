"""The facts about an application that a configuration of Centrifugo must match."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..._dispatch.events import Event
from ..._dispatch.index import Index
from ..._dispatch.patterns import ChannelPattern
from ..._settings.settings import TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedHook:
    """One hook of the application."""

    event: Event
    pattern: str | None
    """The pattern behind its ``rpc_prefix``; ``None``: every channel, method or request."""
    source_location: str
    """Function, file and line."""

    def namespace_in(self, boundary: str, private_prefix: str) -> str | None:
        """The namespace of the channels or methods; ``""``: those without a namespace, ``None``: all, or it varies.

        The settings are those of :meth:`ChannelPattern.namespace_in`.
        """
        return None if self.pattern is None else ChannelPattern(self.pattern).namespace_in(boundary, private_prefix)


def served_hooks(index: Index) -> tuple[ServedHook, ...]:
    """The hooks of an index."""
    return tuple(
        ServedHook(
            event=registration.hook.event,
            pattern=registration.pattern.text if registration.pattern else None,
            source_location=registration.hook.source_location,
        )
        for registration in index.registrations()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One ``ProxyHooks`` of an application."""

    name: str
    url_prefix: str
    """The path before the event in the URLs, such as ``/centrifugo``."""
    served: tuple[ServedHook, ...]
    publications: tuple[ChannelPattern, ...] = ()
    """The patterns of the declared publications."""
    http_headers: tuple[str, ...] = ()
    emulated_headers: tuple[str, ...] = ()
    meta: bool = False
    """Whether the ``ProxyHooks`` has a ``meta_schema``."""
    timeout: float = TIMEOUT.default
    """Seconds; ``PROXYHOOKS_TIMEOUT``."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The accepted secrets; empty with ``PROXYHOOKS_INSECURE``."""

    def hooks_by_event(self) -> dict[str, list[ServedHook]]:
        """The hooks of each event that has one."""
        hooks: dict[str, list[ServedHook]] = {}
        for hook in self.served:
            hooks.setdefault(hook.event.name, []).append(hook)
        return hooks
