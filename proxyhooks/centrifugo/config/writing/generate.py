"""Generates a configuration of Centrifugo v6 for the hooks of an application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ...._dispatch.events import EVENTS, Event
from ...._dispatch.patterns import ChannelPattern
from ...._settings.secrets import SECRET_HEADER
from ...._wire.requests import ClientRequest, UserRequest
from ..backend import Backend, ServedHook
from ..channels import Channels
from ..connection_rate import ONE_CONNECTION_A_SECOND
from ..keys import setting, variable_of
from ..names import NAME
from ..static_headers import IDEMPOTENCY_HEADER, IDEMPOTENCY_VALUE, SECRET_VARIABLE
from ..switches import MAP_ACCESS, MAP_SUBSCRIPTIONS_REFUSED, events_to_switch_on, type_options
from ..tree import Config, set_value
from ..unreachable import unreachable
from .config_options import ConfigOptions, check_options

_DEFAULT_CONCURRENCY: Final = 1
_NAMES_CHANNELS: Final = "connect"
"""The event whose results name channels, of any namespace."""


@dataclass(slots=True)
class GeneratedConfig:
    """A configuration, with notes for the operator."""

    config: Config = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Sentences about steps that a configuration cannot express."""


def generate(backend: Backend, options: ConfigOptions, settings: Config | None = None) -> GeneratedConfig:
    """Generate the configuration for the hooks of an application.

    :param settings: the configuration that decides where a channel's namespace ends; ``None``: Centrifugo's defaults.
    :raises ValueError: if an option cannot work.
    """
    check_options(options)
    return _Generator(backend, options, Channels(settings or {})).generate()


def endpoint(backend: Backend, options: ConfigOptions, event: Event) -> str:
    """The URL at which the hooks for an event are called."""
    return f"{options.base_url.rstrip('/')}{backend.url_prefix}/{event.name}"


def note_on_public_endpoints(config: Config) -> str | None:
    """A note if Centrifugo serves its metrics or its health on the port of the clients."""
    paths = {"prometheus": "/metrics", "health": "/health"}
    served = [path for section, path in paths.items() if setting(config, f"{section}.enabled")]
    port, internal_port = (setting(config, f"http_server.{key}") for key in ("port", "internal_port"))
    if not served or internal_port not in ("", str(port)):
        return None
    return (
        f"{' and '.join(served)} {'are' if len(served) > 1 else 'is'} on the port of the clients: keep strangers out "
        "there, or move these endpoints and the server API to another port with --internal-port PORT"
    )


@dataclass(slots=True)
class _Generator:
    backend: Backend
    options: ConfigOptions
    channels: Channels
    generated: GeneratedConfig = field(default_factory=GeneratedConfig)
    has_use_for_namespaces: bool = False
    """Whether ``--namespace`` has an effect."""

    def generate(self) -> GeneratedConfig:
        options, config = self.options, self.generated.config
        if options.internal_port is not None:
            config["http_server"] = {"internal_port": str(options.internal_port)}
        client: Config = {"allowed_origins": list(dict.fromkeys(options.allowed_origins))}
        if options.connection_rate_limit is not None:
            client["connection_rate_limit"] = options.connection_rate_limit
        client["concurrency"] = _DEFAULT_CONCURRENCY if options.concurrency is None else options.concurrency
        config["client"] = client
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
        proxy["endpoint"] = endpoint(backend, options, event)
        proxy["timeout"] = options.timeout or f"{backend.timeout:g}s"
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
            set_value(self.generated.config, event.proxy, proxy)

    def static_headers(self, event: Event) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.backend.secrets:
            secret = self.options.secret
            headers[SECRET_HEADER] = f"${{{SECRET_VARIABLE}}}" if secret is None else secret
        if event.idempotent or event.name in self.options.repeat:
            # With this header Go repeats a request whose reused connection broke.
            headers[IDEMPOTENCY_HEADER] = IDEMPOTENCY_VALUE
        return headers

    def proxy_name(self, event: Event) -> str:
        return f"{self.options.proxy_name}_{event.name}"

    def add_namespaces(self, section: str, events: Sequence[Event], hooks: dict[str, list[ServedHook]]) -> None:
        """Switch the events on in the namespaces that have hooks for them."""
        channels, is_rpc = self.channels, section == "rpc"
        boundary, prefix = (channels.rpc_boundary, "") if is_rpc else (channels.boundary, channels.private_prefix)
        events_by_namespace: dict[str, list[Event]] = {}
        in_all_namespaces: list[Event] = []
        for event in events:
            for namespace in sorted({hook.namespace_in(boundary, prefix) for hook in hooks[event.name]}, key=str):
                if namespace is None:
                    in_all_namespaces.append(event)
                elif not namespace or NAME.fullmatch(namespace):
                    events_by_namespace.setdefault(namespace, []).append(event)
        for pattern in () if is_rpc else self.backend.publications:
            # Nobody may subscribe there yet, but the server API knows the channels.
            namespace = pattern.namespace_in(boundary, prefix)
            if namespace and NAME.fullmatch(namespace):
                events_by_namespace.setdefault(namespace, [])
        if in_all_namespaces or (section == "channel" and _NAMES_CHANNELS in hooks):
            self.has_use_for_namespaces = True
            for namespace in self.options.namespaces:
                events_by_namespace.setdefault(namespace, [])
        if in_all_namespaces:
            events_by_namespace.setdefault("", [])
            names = ", ".join(event.name for event in in_all_namespaces)
            kind = in_all_namespaces[0].routed_on or "channel"
            configured = ", ".join(filter(None, sorted(events_by_namespace))) or "none"
            self.note(
                f"{names}: hooks serve every {kind}, and Centrifugo knows only the namespaces of the configuration "
                f"({configured}): add others with --namespace"
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
                set_value(self.generated.config, f"{section}.without_namespace", switches)

    def switches(self, namespace: str, events: Sequence[Event]) -> Config:
        """The options of a namespace that switch the events on."""
        where = namespace or "without_namespace"
        types = {event.subscription_type for event in events}
        if types >= {"map", "shared_poll"}:
            self.note(f"{where}: a namespace is either for maps or for shared polls, and this one is for maps")
        switches = type_options(events)
        if "map" in types:
            self.note(_MAPS.format(namespace=where))
        elif "shared_poll" in types and self.options.proxy_name:
            (poll,) = (event for event in events if event.subscription_type == "shared_poll")
            set_value(switches, poll.proxy_name_option, self.proxy_name(poll))
        for event in events_to_switch_on(events):
            if event.option:
                set_value(switches, event.option, True)
                if self.options.proxy_name:
                    set_value(switches, event.proxy_name_option, self.proxy_name(event))
        return switches

    def note(self, text: str) -> None:
        self.generated.notes.append(text)

    def add_notes(self, hooks: dict[str, list[ServedHook]]) -> None:
        if not hooks:
            self.note("the application has no hooks, so Centrifugo calls nothing")
            return
        if self.options.namespaces and not self.has_use_for_namespaces:
            self.note(
                "--namespace has no effect: no hook serves every channel or method, and no connect hook names channels "
                "in its results"
            )
        for hook in self.backend.served:
            problem = (
                None if hook.pattern is None else unreachable(hook.event, ChannelPattern(hook.pattern), self.channels)
            )
            if problem is not None:
                self.note(f"{hook.event.name} for {hook.pattern!r} is never called: {problem.why}: {problem.fix}")
        if rate := self.options.connection_rate_limit:
            self.note(f"connection_rate_limit: {ONE_CONNECTION_A_SECOND.format(rate=rate)}")
        if self.options.pro:
            self.note("checkconfig -s of the free edition does not know the keys of Centrifugo PRO")
        pro_events = [name for name in hooks if EVENTS[name].pro]
        if pro_events and not self.options.pro:
            names = ", ".join(pro_events)
            self.note(f"{names}: only Centrifugo PRO calls these hooks, so they are left out; add them with --pro")
        if self.backend.secrets and self.options.secret is None:
            self.note(f"Centrifugo needs an accepted secret in its environment: export {SECRET_VARIABLE}=...")
        random_key = "$(openssl rand -hex 32)"
        self.note(
            f"Centrifugo's server API needs a key if you use it: export {variable_of('http_api.key')}={random_key}"
        )
        if any(EVENTS[name].subscription_type == "shared_poll" for name in hooks):
            variable = variable_of("shared_poll.hmac_secret_key")
            self.note(f"shared polls need a key that checks the signatures of clients: export {variable}={random_key}")


_MAPS: Final = (
    f"{{namespace}}: the subscribe proxy is off for these maps. {MAP_SUBSCRIPTIONS_REFUSED}: {MAP_ACCESS}. It also "
    "reports allowed changes to their client as error 107"
)
