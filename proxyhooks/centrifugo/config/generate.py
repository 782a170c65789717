"""Generates a configuration of Centrifugo v6 for the hooks of an application."""

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
from .backend import Backend, ServedHook
from .reader import NAME, NAME_RULE, Config, parse_duration

SECRET_VARIABLE: Final = "CENTRIFUGO_VAR_PROXYHOOKS_SECRET"  # noqa: S105  # a name, not a secret
"""The variable in Centrifugo's environment that holds the secret."""
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
_ORIGIN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[!-~]+")
_NOT_IN_ORIGIN_HOST: Final = set("/?#[]{}\\")
_MAX_TIMEOUT: Final = 3600
"""Seconds."""
_DEFAULT_CONNECTION_RATE_LIMIT: Final = 500
_DEFAULT_CONCURRENCY: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """What the generated configuration depends on besides the hooks."""

    base_url: str
    """The root of the application, as Centrifugo reaches it."""
    allowed_origins: Sequence[str]
    secret: str | None = field(default=None, repr=False)
    """The secret to write into the file; ``None``: the file refers to a variable."""
    timeout: str = f"{TIMEOUT.default:g}s"
    """The timeout of a call, in Go's notation."""
    binary_encoding: bool = False
    repeat: Collection[str] = ()
    """Events whose requests Centrifugo may send again, besides the idempotent ones: their hooks may run twice."""
    namespaces: Collection[str] = ()
    """Namespaces to define for hooks that serve every channel or method, besides those of the patterns."""
    proxy_name: str | None = None
    """The prefix of named proxies, one for each event; ``None``: the default proxies."""
    pro: bool = False
    """Whether to include the events of Centrifugo PRO."""
    connection_rate_limit: int | None = None
    """New connections that a node accepts each second; by default 500. Centrifugo answers others with 503, and they
    come back later."""
    concurrency: int | None = None
    """Commands of one client that run at the same time; by default 1. With more, their order is undefined."""


@dataclass(slots=True)
class GeneratedConfig:
    """A configuration, with notes for the operator."""

    config: Config = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Sentences about steps that a configuration cannot express."""


def generate(backend: Backend, options: ConfigOptions) -> GeneratedConfig:
    """Generate the configuration for the hooks of an application.

    :raises ValueError: if an option cannot work.
    """
    _check_options(options)
    return _Generator(backend, options).generate()


def _check_options(options: ConfigOptions) -> None:
    """Refuse options that cannot work.

    :raises ValueError: if there is one; the message says what works.
    """
    if not _is_root(options.base_url):
        raise ValueError(
            f"the base URL must be the root of the application, such as http://127.0.0.1:8070, not {options.base_url!r}"
        )
    for origin in options.allowed_origins:
        host = origin.partition("://")[2]
        if origin != "*" and (not _ORIGIN.fullmatch(origin) or _NOT_IN_ORIGIN_HOST & set(host)):
            raise ValueError(f"an origin is a scheme and a host, such as https://example.com, not {origin!r}")
    seconds = parse_duration(options.timeout)
    if seconds is None or not 0 < seconds <= _MAX_TIMEOUT:
        raise ValueError(f"a timeout is up to an hour and needs a unit, such as 3s or 500ms, not {options.timeout!r}")
    if options.secret is not None and "${" in options.secret:
        raise ValueError("the secret contains ${, which Centrifugo takes for a variable: choose another secret")
    for name in options.repeat:
        if name not in EVENTS:
            raise ValueError(f"there is no event {name!r} to repeat: the events are {', '.join(EVENTS)}")
    for name in (*options.namespaces, *([options.proxy_name] if options.proxy_name else [])):
        if not NAME.fullmatch(name):
            raise ValueError(f"Centrifugo refuses the name {name!r}: it must be {NAME_RULE}")


def _is_root(text: str) -> bool:
    """Whether the text is an HTTP URL without query and fragment."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and not set(" ?#") & set(text)
    return is_plain and url.scheme in ("http", "https") and bool(url.hostname) and port != 0


@dataclass(slots=True)
class _Generator:
    backend: Backend
    options: ConfigOptions
    generated: GeneratedConfig = field(default_factory=GeneratedConfig)

    def generate(self) -> GeneratedConfig:
        options, config = self.options, self.generated.config
        rate_limit, concurrency = options.connection_rate_limit, options.concurrency
        config["client"] = {
            "allowed_origins": list(dict.fromkeys(options.allowed_origins)),
            "connection_rate_limit": _DEFAULT_CONNECTION_RATE_LIMIT if rate_limit is None else rate_limit,
            "concurrency": _DEFAULT_CONCURRENCY if concurrency is None else concurrency,
        }
        hooks = self.backend.hooks_by_event()
        events = [event for name, event in EVENTS.items() if name in hooks and (options.pro or not event.pro)]
        for event in events:
            self.add_proxy(event)
        for section in ("channel", "rpc"):
            self.add_namespaces(section, [event for event in events if event.section == section], hooks)
        config["health"] = {"enabled": True}
        config["prometheus"] = {"enabled": True}
        self.add_notes(hooks)
        return self.generated

    def add_proxy(self, event: Event) -> None:
        options, backend = self.options, self.backend
        is_client_proxy = event.section == "client"
        proxy: Config = {"enabled": True} if is_client_proxy else {}
        proxy["endpoint"] = f"{options.base_url.rstrip('/')}{backend.url_prefix}/{event.name}"
        proxy["timeout"] = options.timeout
        if issubclass(event.request, ClientRequest):
            if backend.http_headers:
                proxy["http_headers"] = list(backend.http_headers)
            if backend.emulated_headers:
                proxy["emulated_headers"] = list(backend.emulated_headers)
        if backend.meta and issubclass(event.request, UserRequest):
            proxy["include_connection_meta"] = True
        if options.binary_encoding:
            proxy["binary_encoding"] = True
        if headers := self.static_headers(event):
            proxy["http"] = {"static_headers": headers}
        if options.proxy_name and not is_client_proxy:
            self.generated.config.setdefault("proxies", []).append({"name": self.proxy_name(event), **proxy})
        else:
            _set(self.generated.config, event.proxy, proxy)

    def static_headers(self, event: Event) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.backend.secrets:
            secret = self.options.secret
            headers[SECRET_HEADER] = f"${{{SECRET_VARIABLE}}}" if secret is None else secret
        if event.idempotent or event.name in self.options.repeat:
            # With this header Go repeats a request whose reused connection broke.
            headers[IDEMPOTENCY_HEADER] = "proxyhooks"
        return headers

    def proxy_name(self, event: Event) -> str:
        return f"{self.options.proxy_name}_{event.name}"

    def add_namespaces(self, section: str, events: Sequence[Event], hooks: dict[str, list[ServedHook]]) -> None:
        """Switch the events on in the namespaces that have hooks for them."""
        events_by_namespace: dict[str, list[Event]] = {}
        in_all_namespaces: list[Event] = []
        for event in events:
            for namespace in sorted({hook.namespace for hook in hooks[event.name]}, key=str):
                if namespace is None:
                    in_all_namespaces.append(event)
                elif not namespace or NAME.fullmatch(namespace):
                    events_by_namespace.setdefault(namespace, []).append(event)
                else:
                    self.note(
                        f"{event.name}: Centrifugo refuses the namespace {namespace!r}, so the hooks in it are never "
                        f"called: rename it; a name is {NAME_RULE}"
                    )
        if in_all_namespaces:
            for namespace in ("", *self.options.namespaces):
                events_by_namespace.setdefault(namespace, [])
            names = ", ".join(event.name for event in in_all_namespaces)
            configured = ", ".join(filter(None, sorted(events_by_namespace))) or "none"
            self.note(
                f"{names}: hooks serve every {in_all_namespaces[0].routed_on}, and Centrifugo knows only the "
                f"namespaces of the configuration ({configured}): add others with --namespace"
            )
        for namespace, own_events in sorted(events_by_namespace.items()):
            # A hook for every channel does not decide the subscription type of a namespace that has hooks of its own.
            has_free_type = not own_events or namespace in self.options.namespaces
            enabled = [
                event
                for event in events
                if event in own_events
                or (event in in_all_namespaces and (has_free_type or event.subscription_type is None))
            ]
            switches = self.switches(namespace, enabled)
            if namespace:
                parent: Config = self.generated.config.setdefault(section, {})
                parent.setdefault("namespaces", []).append({"name": namespace} | switches)
            else:
                _set(self.generated.config, f"{section}.without_namespace", switches)

    def switches(self, namespace: str, events: Sequence[Event]) -> Config:
        """The options of a namespace that switch the events on."""
        switches: Config = {}
        where = namespace or "without_namespace"
        types = {event.subscription_type for event in events}
        if types >= {"map", "shared_poll"}:
            self.note(f"{where}: a namespace is either for maps or for shared polls, and this one is for maps")
        if "map" in types:
            switches |= {"subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}}
            self.note(_MAPS.format(namespace=where))
            events = [event for event in events if event.opens != "subscription"]
        elif "shared_poll" in types:
            # Clients can only poll keys that the backend signed, so everybody may subscribe.
            switches |= {"subscription_type": "shared_poll", "allow_subscribe_for_client": True}
            switches["shared_poll"] = {"refresh_interval": "10s"}
            if self.options.proxy_name:
                (poll,) = (event for event in events if event.subscription_type == "shared_poll")
                switches["shared_poll"]["proxy_name"] = self.proxy_name(poll)
        for event in events:
            if event.option:
                _set(switches, event.option, True)
                if self.options.proxy_name:
                    _set(switches, event.proxy_name_option, self.proxy_name(event))
        return switches

    def note(self, text: str) -> None:
        self.generated.notes.append(text)

    def add_notes(self, hooks: dict[str, list[ServedHook]]) -> None:
        if not hooks:
            self.note("the application has no hooks, so Centrifugo calls nothing")
            return
        if self.options.namespaces and all(hook.namespace is not None for served in hooks.values() for hook in served):
            self.note("--namespace has no effect: no hook serves every channel or method")
        if self.options.pro:
            self.note("checkconfig -s of the free edition does not know the keys of Centrifugo PRO")
        pro_events = [name for name in hooks if EVENTS[name].pro]
        if pro_events and not self.options.pro:
            names = ", ".join(pro_events)
            self.note(f"{names}: only Centrifugo PRO calls these hooks, so they are left out; add them with --pro")
        if self.backend.secrets and self.options.secret is None:
            self.note(f"Centrifugo needs an accepted secret in its environment: export {SECRET_VARIABLE}=...")
        random_key = "$(openssl rand -hex 32)"
        self.note(f"Centrifugo's server API needs a key if you use it: export CENTRIFUGO_HTTP_API_KEY={random_key}")
        if any(EVENTS[name].subscription_type == "shared_poll" for name in hooks):
            variable = "CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY"
            self.note(f"shared polls need a key that checks the signatures of clients: export {variable}={random_key}")


_MAPS: Final = (
    "{namespace}: no client may subscribe to these maps yet. Centrifugo v6.9.1 refuses every map subscription with 107 "
    "where the subscribe proxy is on, so it is off: let clients in with subscription tokens, or all of them with "
    "allow_subscribe_for_client. It also reports allowed changes to their client as error 107"
)


def _set(config: Config, path: str, value: Any) -> None:
    """Set the value at a path; merge it into an object that is there."""
    *parents, key = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    if isinstance(value, dict) and isinstance(config.get(key), dict):
        config[key] |= value
    else:
        config[key] = value
