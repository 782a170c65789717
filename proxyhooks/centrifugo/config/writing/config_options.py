"""The options of ``flask centrifugo config``, and what makes one impossible."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ...._dispatch.events import EVENTS
from ...._settings.setting import shown, shown_url
from ...go.duration import parse_duration
from ..checks.origins import origin_problem
from ..names import NAME, NAME_RULE

_ORIGIN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[!-~]+")
_NOT_IN_HOST: Final = set("/?#{}")
_MAX_TIMEOUT: Final = 3600
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """What the generated configuration depends on besides the hooks."""

    base_url: str
    """The root of the application, as Centrifugo reaches it."""
    allowed_origins: Sequence[str]
    secret: str | None = field(default=None, repr=False)
    """The secret to write into the file; ``None``: the file refers to a variable."""
    timeout: str | None = None
    """The timeout of a call, in Go's notation; ``None``: the timeout of the application."""
    binary_encoding: bool = False
    repeat: Collection[str] = ()
    """Events whose requests Centrifugo may send again, besides the idempotent ones: their hooks may run twice."""
    namespaces: Collection[str] = ()
    """Namespaces to define besides those of the patterns: for hooks that serve every channel or method, and for
    channels that connect results name."""
    proxy_name: str | None = None
    """The prefix of named proxies, one for each event; ``None``: the default proxies."""
    pro: bool = False
    """Whether to include the events of Centrifugo PRO."""
    connection_rate_limit: int | None = None
    """New connections that a node accepts each second; ``None``: no limit. Centrifugo answers others with 503, and they
    come back later."""
    concurrency: int | None = None
    """Commands of one client that run at the same time; by default 1. With more, their order is undefined."""
    internal_port: int | None = None
    """The port of the endpoints that are not for clients; ``None``: they share the clients' port."""


def check_options(options: ConfigOptions) -> None:
    """Refuse options that cannot work.

    :raises ValueError: if there is one; the message says what works.
    """
    if not is_root(options.base_url):
        raise ValueError(
            "the base URL must be the root of the application, such as http://127.0.0.1:8070, not "
            f"{shown_url(options.base_url)}"
        )
    for origin in options.allowed_origins:
        has_user = "@" in origin
        if not has_user and (problem := origin_problem(origin)):
            raise ValueError(f"no browser sends the origin {shown_url(origin)}: {'; '.join(problem)}")
        host = origin.partition("://")[2]
        if has_user or (origin != "*" and (not _ORIGIN.fullmatch(origin) or _NOT_IN_HOST & set(host))):
            raise ValueError(f"an origin is a scheme and a host, such as https://example.com, not {shown_url(origin)}")
    seconds = parse_duration(options.timeout) if options.timeout is not None else None
    if options.timeout is not None and (seconds is None or not 0 < seconds <= _MAX_TIMEOUT):
        text = "a timeout is up to an hour and needs a unit, such as 3s or 500ms, not"
        raise ValueError(f"{text} {shown(options.timeout)}")
    if options.secret is not None and "${" in options.secret:
        raise ValueError("the secret contains ${, which Centrifugo takes for a variable: choose another secret")
    for name in options.repeat:
        if name not in EVENTS:
            raise ValueError(f"there is no event {name!r} to repeat: the events are {', '.join(EVENTS)}")
    for name in (*options.namespaces, *([options.proxy_name] if options.proxy_name else [])):
        if not NAME.fullmatch(name):
            raise ValueError(f"Centrifugo refuses the name {name!r}: it must be {NAME_RULE}")


def is_root(text: str) -> bool:
    """Whether the text is an HTTP URL without user, password, query and fragment."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and not set(" ?#@") & set(text)
    return is_plain and url.scheme in ("http", "https") and bool(url.hostname) and port != 0
