"""The facts that the checks share: the configuration, taken apart, and the application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from ...._dispatch.events import EVENTS, Event
from ...._settings.secrets import SECRET_HEADER
from ...go.duration import Duration
from ..backend import Backend, ServedHook
from ..names import DEFAULT_PROXY
from ..reading.placeholders import PLACEHOLDER, expand_variables
from ..static_headers import STATIC_HEADERS
from ..switches import is_switched_on, switch_of
from ..tree import Config, value_at
from .options import Options, namespaces_in


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that Centrifugo calls for an event."""

    event: Event
    options: Options

    @property
    def path(self) -> str:
        """Its key in the configuration."""
        return self.options.path

    @property
    def endpoint(self) -> str:
        return self.options.text("endpoint")

    @property
    def url(self) -> SplitResult | None:
        """The endpoint; ``None`` if it is not an HTTP URL, so that Centrifugo calls it with gRPC."""
        url = _split_url(self.endpoint)
        # Centrifugo compares this beginning as it is written: HTTP:// is not HTTP.
        return url if self.endpoint.startswith(("http://", "https://")) and url.hostname else None

    @property
    def has_unknown_url(self) -> bool:
        """Whether the endpoint has a variable, which Centrifugo does not replace; the reader has a finding for it."""
        return bool(PLACEHOLDER.search(self.endpoint))

    @property
    def timeout(self) -> Duration:
        return self.options.duration("timeout")

    @property
    def has_own_timeout(self) -> bool:
        """Whether the timeout is not Centrifugo's default."""
        return value_at(self.options.values, "timeout") is not None

    @property
    def static_headers(self) -> Mapping[str, str]:
        """The headers by their names in lower case."""
        headers = value_at(self.options.values, STATIC_HEADERS)
        return {name.lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}

    @property
    def secret_header(self) -> str | None:
        """The value of the secret's header in the configuration."""
        return self.static_headers.get(SECRET_HEADER.lower())


@dataclass(frozen=True, slots=True)
class Switch:
    """An option of a namespace that is on, so that Centrifugo calls a proxy for an event in it."""

    event: Event
    path: str
    """The key of the option in the configuration."""
    namespace: str
    """``""``: channels or methods without a namespace."""
    proxy_name: str

    @property
    def uses_default_proxy(self) -> bool:
        return self.proxy_name == DEFAULT_PROXY


@dataclass(frozen=True)
class Context:
    """A configuration and the application that it is for."""

    config: Config
    backend: Backend
    environ: Mapping[str, str]
    base_url: str | None
    server_timeout: float | None
    """Seconds after which the application's server ends a call; ``None``: it ends none."""

    @cached_property
    def root(self) -> Options:
        """The configuration as a whole."""
        return Options(self.config)

    @cached_property
    def proxies(self) -> list[Proxy]:
        """The default proxies with an endpoint, then the named proxies for the events that use them."""
        return [*self._default_proxies(), *self._named_proxies()]

    def _default_proxies(self) -> Iterator[Proxy]:
        for event in EVENTS.values():
            options = self.root.below(event.proxy)
            if options.text("endpoint") and (event.section != "client" or options.is_on("enabled")):
                yield Proxy(event, options)

    def _named_proxies(self) -> Iterator[Proxy]:
        named = {
            (switch.proxy_name, switch.event.name): switch.event
            for switch in self.switches
            if not switch.uses_default_proxy
        }
        for (name, _), event in named.items():
            for options in self.root.each("proxies"):
                if options.name == name:
                    yield Proxy(event, options)

    @cached_property
    def switches(self) -> list[Switch]:
        return [switch for section in ("channel", "rpc") for switch in self._switches_in(section)]

    def _switches_in(self, section: str) -> Iterator[Switch]:
        for namespace in namespaces_in(self.root, section):
            for event in EVENTS.values():
                if event.section == section and is_switched_on(event, namespace.values):
                    proxy_name = namespace.text(event.proxy_name_option) or DEFAULT_PROXY
                    yield Switch(event, namespace.path_of(switch_of(event)), namespace.name, proxy_name)

    def namespace_of(self, hook: ServedHook) -> str | None:
        """The namespace of a hook's channels or methods; ``""``: those without one, ``None``: it varies, or any."""
        section = hook.event.section
        if section == "client":
            return None
        prefix = self.root.text("channel.private_prefix") if section == "channel" else ""
        return hook.namespace_in(self.root.text(f"{section}.namespace_boundary"), prefix)

    @cached_property
    def base(self) -> SplitResult | None:
        """The parts of the base URL."""
        return _split_url(self.base_url.rstrip("/")) if self.base_url else None

    def url_path(self, event: Event) -> str:
        """The path of a hook's URL, below the root of the application."""
        return f"{self.backend.url_prefix}/{event.name}"

    def endpoint_fix(self, event: Event) -> str:
        root = (self.base_url or "http://HOST").rstrip("/")
        return f'"endpoint": "{root}{self.url_path(event)}"'

    def sent_secret(self, proxy: Proxy) -> tuple[str | None, list[str]]:
        """The secret that Centrifugo sends, and the variables in it that are not set.

        The secret is ``None`` if there is nothing to compare: no header, or an application without secrets.
        """
        header = proxy.secret_header
        if not self.backend.secrets or not header:
            return None, []
        return expand_variables(header, self.environ)


def _split_url(url: str) -> SplitResult:
    """The parts of a URL; empty parts if it is not one."""
    try:
        return urlsplit(url)
    except ValueError:  # such as an IPv6 address without its closing bracket
        return urlsplit("")
