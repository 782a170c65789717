"""A client for tests of hooks: :class:`ProxyClient`."""

from __future__ import annotations

from .client import ProxyClient
from .exchange import Exchange, MisreadReply

__all__ = ["Exchange", "MisreadReply", "ProxyClient"]
