"""What an application serves, as far as a configuration of Centrifugo has to fit it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..._dispatch.events import Event
from ..._dispatch.patterns import ChannelPattern
from ..._settings.settings import TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One hook."""

    event: Event
    pattern: str | None
    """As it is found, behind its ``rpc_prefix``; ``None``: every channel, every method."""
    source_location: str
    """Function, file and line."""

    @property
    def namespace(self) -> str | None:
        """Of the channels or methods; ``""``: those without one, ``None``: every."""
        return None if self.pattern is None else ChannelPattern(self.pattern).namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One ``ProxyHooks`` of an application."""

    name: str
    url_prefix: str
    """``/centrifugo``: the URLs are ``<url_prefix>/<event>``."""
    served: tuple[Served, ...]
    http_headers: tuple[str, ...] = ()
    emulated_headers: tuple[str, ...] = ()
    meta: bool = False
    """Whether there is a ``meta_schema``."""
    timeout: float = TIMEOUT.default
    """Seconds; ``PROXYHOOKS_TIMEOUT``."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The accepted values; none where ``PROXYHOOKS_INSECURE`` is set."""

    def events(self) -> dict[str, list[Served]]:
        """The hooks by event, in the order of the table of events."""
        found: dict[str, list[Served]] = {}
        for served in self.served:
            found.setdefault(served.event.name, []).append(served)
        return found
