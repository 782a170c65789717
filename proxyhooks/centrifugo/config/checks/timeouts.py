"""Checks of each proxy's timeout against the application and its server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...go.duration import Duration
from ..findings import Finding
from .context import Context, Proxy

_SHORTEST: Final = Duration(1_000_000)
"""No call is faster."""


def timeout_too_short(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if proxy.timeout < _SHORTEST:
        text = f"Centrifugo waits {proxy.timeout} for a reply, so every call fails"
        if proxy.timeout.nanoseconds > 0:
            text += "; a number without a unit means nanoseconds"
        yield _finding("PH010", proxy, text, _timeout_of(context))


def timeout_too_long(context: Context, proxy: Proxy) -> Iterator[Finding]:
    limit = context.server_timeout
    if limit is not None and proxy.timeout.seconds > limit:
        text = f"gunicorn's sync worker is killed after {limit:g} s, and Centrifugo waits {proxy.timeout} for a reply"
        yield _finding(
            "PH011", proxy, text, f"use another worker, or gunicorn with --timeout {proxy.timeout.seconds + 1:.0f}"
        )


def timeout_differs(context: Context, proxy: Proxy) -> Iterator[Finding]:
    expected = context.backend.timeout
    if proxy.timeout >= _SHORTEST and proxy.timeout.seconds != expected:
        default = "" if proxy.has_own_timeout else ", its default,"
        text = f"Centrifugo waits {proxy.timeout}{default} for a reply, and PROXYHOOKS_TIMEOUT says {expected:g} s"
        yield _finding("PH028", proxy, text, _timeout_of(context))


def _timeout_of(context: Context) -> str:
    return f'"timeout": "{context.backend.timeout:g}s"'


def _finding(id_: str, proxy: Proxy, text: str, fix: str) -> Finding:
    return Finding(id=id_, path=f"{proxy.path}.timeout", text=text, fix=fix)


TIMEOUT_CHECKS: Final = (timeout_too_short, timeout_too_long, timeout_differs)
