"""Checks of the configuration as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..findings import Finding
from ..reader import value_at
from .context import Context


def no_allowed_origin(context: Context) -> Iterator[Finding]:
    if not value_at(context.config, "client.allowed_origins"):
        yield Finding(
            id="PH015",
            path="client.allowed_origins",
            text="no origin is allowed, so every browser is refused with 403, even for a page of the same host",
            fix='"allowed_origins": ["https://your.site"]',
        )


def tokens_besides_connect(context: Context) -> Iterator[Finding]:
    token = value_at(context.config, "client.token")
    if isinstance(token, dict) and any(token.values()) and value_at(context.config, "client.proxy.connect.enabled"):
        text = "Centrifugo calls the connect hook only for clients that bring no token"
        yield Finding(id="PH023", path="client.token", text=text, fix="remove client.token, unless this is intended")


SERVER_CHECKS: Final = (no_allowed_origin, tokens_besides_connect)
