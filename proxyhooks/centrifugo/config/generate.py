"""A configuration of Centrifugo v6 for the hooks of an application."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ..._dispatch.events import EVENTS, Event
from ..._settings.secrets import SECRET_HEADER
from ..._settings.settings import TIMEOUT
from ..._wire.requests import ClientRequest, UserRequest
from .backend import Backend, Served
from .reader import NAME, Config, seconds

VARIABLE: Final = "CENTRIFUGO_VAR_PROXYHOOKS_SECRET"
"""What Centrifugo's environment has the secret in."""
_ORIGIN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[!-~]+")
_NOT_IN_ORIGIN: Final = set("/?#[]{}\\")
_LONGEST: Final = 3600
_API_KEY: Final = "CENTRIFUGO_HTTP_API_KEY"
_POLL_KEY: Final = "CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY"

_KINDS: Final = ("map_publish", "map_remove", "shared_poll_refresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the two servers are to meet."""

    base_url: str
    """The root of the application, as Centrifugo reaches it."""
    allowed_origins: Sequence[str]
    secret: str | None = field(default=None, repr=False)
    """To be written into the file; else it is named as a variable."""
    timeout: str = f"{TIMEOUT.default:g}s"
    """Of a call, in Go's notation."""
    binary_encoding: bool = False
    repeat: Collection[str] = ()
    """Further events whose hooks may run twice for one request."""
    namespaces: Collection[str] = ()
    """Further namespaces, for hooks that serve every channel or method."""
    proxy_name: str | None = None
    """The prefix of named proxies, one for each event; else the default proxies are used."""
    pro: bool = False
    """Whether to configure what only Centrifugo PRO asks."""
    connection_rate_limit: int | None = None
    """New connections a second that a node accepts, others are told 503 and come back later; by default 500."""
    concurrency: int | None = None
    """Commands of one client that run at a time, by default 1; with more they may overtake each other."""


@dataclass(slots=True)
class Generated:
    config: Config = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Sentences about what the file cannot say."""


def check_options(options: Options) -> None:
    """:raises ValueError: if they cannot work; the text says what would."""
    if not _is_root(options.base_url):
        raise ValueError(
            f"the base URL must be the root of the application, such as http://127.0.0.1:8070, not {options.base_url!r}"
        )
    for origin in options.allowed_origins:
        if origin != "*" and (not _ORIGIN.fullmatch(origin) or _NOT_IN_ORIGIN & set(origin.partition("://")[2])):
            raise ValueError(f"an origin is a scheme and a host, such as https://example.com, not {origin!r}")
    length = seconds(options.timeout)
    if length is None or not 0 < length <= _LONGEST:
        raise ValueError(f"a timeout is up to an hour and needs a unit, such as 3s or 500ms, not {options.timeout!r}")
    if options.secret is not None and "${" in options.secret:
        raise ValueError("the secret has ${ in it, which Centrifugo would take for a variable: choose another one")
    for name in options.repeat:
        if name not in EVENTS:
            raise ValueError(f"there is no event {name!r} to repeat: there are {', '.join(EVENTS)}")
    for name in (*options.namespaces, *([options.proxy_name] if options.proxy_name else [])):
        if not NAME.fullmatch(name):
            raise ValueError(f"Centrifugo refuses the name {name!r}: two or more of A-Z a-z 0-9 - _ .")


def _is_root(text: str) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not set(" ?#") & set(text)
    return plain and url.scheme in ("http", "https") and bool(url.hostname) and port != 0


def generate(backend: Backend, options: Options) -> Generated:
    """The configuration, and what is to be said besides.

    :raises ValueError: if the options cannot work.
    """
    check_options(options)
    return _Making(backend, options).make()


@dataclass(slots=True)
class _Making:
    backend: Backend
    options: Options
    made: Generated = field(default_factory=Generated)

    def make(self) -> Generated:
        config = self.made.config
        config["client"] = {
            "allowed_origins": list(dict.fromkeys(self.options.allowed_origins)),
            "connection_rate_limit": _or(self.options.connection_rate_limit, 500),
            "concurrency": _or(self.options.concurrency, 1),
        }
        hooks = self.backend.events()
        events = [event for name, event in EVENTS.items() if name in hooks and (self.options.pro or not event.pro)]
        for event in events:
            self.proxy(event)
        self.namespaces("channel", [event for event in events if event.proxy.startswith("channel.")], hooks)
        self.namespaces("rpc", [event for event in events if event.proxy.startswith("rpc.")], hooks)
        config["health"] = {"enabled": True}
        config["prometheus"] = {"enabled": True}
        self.say(hooks)
        return self.made

    def proxy(self, event: Event) -> None:
        options, base = self.options, self.options.base_url.rstrip("/")
        headers: dict[str, str] = {}
        if self.backend.secrets:
            headers[SECRET_HEADER] = options.secret if options.secret is not None else f"${{{VARIABLE}}}"
        if event.idempotent or event.name in options.repeat:
            # With this header Go repeats a request whose kept connection was closed under it.
            headers["Idempotency-Key"] = "proxyhooks"
        proxy: Config = {"enabled": True} if event.proxy.startswith("client.") else {}
        proxy |= {"endpoint": f"{base}{self.backend.url_prefix}/{event.name}", "timeout": options.timeout}
        if issubclass(event.request, ClientRequest):
            proxy |= {"http_headers": list(self.backend.http_headers)} if self.backend.http_headers else {}
            emulated = list(self.backend.emulated_headers)
            proxy |= {"emulated_headers": emulated} if emulated else {}
        if self.backend.meta and issubclass(event.request, UserRequest):
            proxy["include_connection_meta"] = True
        if options.binary_encoding:
            proxy["binary_encoding"] = True
        if headers:
            proxy["http"] = {"static_headers": headers}
        if options.proxy_name and not event.proxy.startswith("client."):
            self.made.config.setdefault("proxies", []).append({"name": self.named(event), **proxy})
        else:
            _set(self.made.config, event.proxy, proxy)

    def named(self, event: Event) -> str:
        return f"{self.options.proxy_name}_{event.name}"

    def namespaces(self, section: str, events: Sequence[Event], hooks: dict[str, list[Served]]) -> None:
        """Switch the events on where there are hooks for them."""
        asked: dict[str, list[Event]] = {}
        everywhere: list[Event] = []
        for event in events:
            for name in sorted({served.namespace for served in hooks[event.name]}, key=str):
                if name is None:
                    everywhere.append(event)
                elif not name or NAME.fullmatch(name):
                    asked.setdefault(name, []).append(event)
                else:
                    self.made.notes.append(
                        f"{event.name}: Centrifugo refuses {name!r} as the name of a namespace (two or more of A-Z a-z "
                        "0-9 - _ .), so these hooks are never asked: rename it"
                    )
        if everywhere:
            for name in ("", *self.options.namespaces):
                asked.setdefault(name, [])
            names = ", ".join(event.name for event in everywhere)
            self.made.notes.append(
                f"{names}: hooks serve every {everywhere[0].routed_on}, but Centrifugo knows only the namespaces of "
                f"the configuration ({', '.join(filter(None, sorted(asked))) or 'none'}): add others with --namespace"
            )
        for name in sorted(asked):
            # What kind of channels a namespace has is not for a hook to say that serves every channel.
            kind = [event for event in everywhere if event.name in _KINDS]
            free = not asked[name] or name in self.options.namespaces
            wanted = [
                event
                for event in events
                if event in asked[name] or (event in everywhere and (free or event not in kind))
            ]
            options = self.switches(name, wanted)
            if name:
                found: Config = self.made.config.setdefault(section, {})
                found.setdefault("namespaces", []).append({"name": name} | options)
            else:
                _set(self.made.config, f"{section}.without_namespace", options)

    def switches(self, name: str, events: Sequence[Event]) -> Config:
        options: Config = {}
        names = {event.name for event in events}
        shown = name or "without_namespace"
        if names & {"map_publish", "map_remove"} and "shared_poll_refresh" in names:
            self.made.notes.append(
                f"{name or 'without_namespace'}: it cannot be maps and shared polls both; it is maps"
            )
            names.discard("shared_poll_refresh")
        if names & {"map_publish", "map_remove"}:
            options |= {"subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}}
            self.made.notes.append(_MAPS.format(name=shown))
            events = [event for event in events if event.name != "subscribe"]
        elif "shared_poll_refresh" in names:
            # What may be tracked is signed, so subscribing alone gives nothing.
            options |= {"subscription_type": "shared_poll", "allow_subscribe_for_client": True}
            options["shared_poll"] = {"refresh_interval": "10s"}
            if self.options.proxy_name:
                options["shared_poll"]["proxy_name"] = self.named(EVENTS["shared_poll_refresh"])
        for event in events:
            if event.option:
                _set(options, event.option, True)
                if self.options.proxy_name:
                    _set(options, event.option.replace("_enabled", "_name"), self.named(event))
        return options

    def say(self, hooks: dict[str, list[Served]]) -> None:
        notes = self.made.notes
        if not hooks:
            notes.append("there are no hooks, so Centrifugo will ask nothing")
            return
        if self.options.namespaces and all(one.namespace is not None for served in hooks.values() for one in served):
            notes.append("--namespace is for hooks that serve every channel or method; there are none")
        if self.options.pro:
            notes.append("the keys of Centrifugo PRO are unknown to the free edition's checkconfig -s")
        pro = [name for name in hooks if EVENTS[name].pro]
        if pro and not self.options.pro:
            notes.append(f"{', '.join(pro)}: only Centrifugo PRO asks, so they are left out; write them with --pro")
        if self.backend.secrets and self.options.secret is None:
            notes.append(
                f"Centrifugo needs the secret in its environment: export {VARIABLE}=... (one of those accepted)"
            )
        make = "$(openssl rand -hex 32)"
        notes.append(f"its server API needs a key, if you use it: export {_API_KEY}={make}")
        if "shared_poll_refresh" in hooks:
            notes.append(f"shared polls need a key to check what clients track: export {_POLL_KEY}={make}")


_MAPS: Final = (
    "{name}: nobody may subscribe to these maps yet. v6.9.1 refuses subscriptions to maps that a subscribe proxy is "
    "asked about (107), so none is; let clients in with subscription tokens, or all of them with "
    "allow_subscribe_for_client. And it reports allowed changes to their client as 107"
)


def _set(config: Config, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    if isinstance(value, dict) and isinstance(config.get(last), dict):
        config[last] |= value
    else:
        config[last] = value


def _or(given: int | None, default: int) -> int:
    return default if given is None else given
