"""Applications, as far as a configuration of Centrifugo has to match them."""

from __future__ import annotations

from typing import Any

from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.backend import Backend, ServedHook


def backend(*hooks: tuple[str, str | None], **fields: Any) -> Backend:
    """An application with a hook for each pair of an event and a pattern."""
    served = tuple(ServedHook(event=EVENTS[event], pattern=pattern, source_location="here") for event, pattern in hooks)
    defaults: dict[str, Any] = {"name": "proxyhooks", "url_prefix": "/centrifugo", "secrets": ("s3cret",)}
    return Backend(**(defaults | fields), served=served)
