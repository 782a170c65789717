"""The facts that the checks share: the configuration, taken apart, and the application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import SplitResult

from ...._dispatch.events import EVENTS, Event
from ...._settings.secrets import SECRET_HEADER
from ..backend import Backend
from ..placeholders import expand_variables
from ..reader import Config, objects_at, parse_duration, split_url, value_at

_DEFAULT_PROXY: Final = "default"
_DEFAULT_TIMEOUT: Final = "1s"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that Centrifugo calls for an event."""

    event: Event
    path: str
    """Its key in the configuration."""
    config: Config
    """The object at that key."""

    @property
    def url(self) -> SplitResult | None:
        """The endpoint; ``None`` if it is not an HTTP URL."""
        url = split_url(self.config.get("endpoint", ""))
        return url if url.scheme in ("http", "https") and url.hostname else None

    @property
    def timeout(self) -> Any:
        return self.config.get("timeout") or _DEFAULT_TIMEOUT

    @property
    def timeout_seconds(self) -> float | None:
        """``None`` if the timeout has no unit."""
        return parse_duration(self.timeout)

    @property
    def static_headers(self) -> Config:
        headers = value_at(self.config, "http.static_headers")
        return headers if isinstance(headers, dict) else {}

    @property
    def secret_header(self) -> Any:
        """The value of the secret's header in the configuration, or ``None``."""
        return {str(name).lower(): value for name, value in self.static_headers.items()}.get(SECRET_HEADER.lower())


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
        return self.proxy_name == _DEFAULT_PROXY


@dataclass(frozen=True)
class Context:
    """A configuration and the application that it is for."""

    config: Config
    backend: Backend
    environ: Mapping[str, str]
    base_url: str | None
    server_timeout: float | None
    """Seconds."""

    @cached_property
    def proxies(self) -> list[Proxy]:
        """The default proxies with an endpoint, then the named proxies for the events that use them."""
        return [*self._default_proxies(), *self._named_proxies()]

    def _default_proxies(self) -> Iterator[Proxy]:
        for event in EVENTS.values():
            config = value_at(self.config, event.proxy)
            if not isinstance(config, dict):
                continue
            is_on = config.get("enabled") or event.section != "client"
            if is_on and (config.get("endpoint") or config.get("enabled")):
                yield Proxy(event, event.proxy, config)

    def _named_proxies(self) -> Iterator[Proxy]:
        named = {
            (switch.proxy_name, switch.event.name): switch.event
            for switch in self.switches
            if not switch.uses_default_proxy
        }
        for (name, _), event in named.items():
            for index, config in objects_at(self.config, "proxies"):
                if config.get("name") == name:
                    yield Proxy(event, f"proxies[{index}]", config)

    @cached_property
    def switches(self) -> list[Switch]:
        return [switch for section in ("channel", "rpc") for switch in self._switches_in(section)]

    def _switches_in(self, section: str) -> Iterator[Switch]:
        for path, namespace, options in self.namespaces(section):
            for event in EVENTS.values():
                if event.section == section and event.option and value_at(options, event.option):
                    name = value_at(options, event.proxy_name_option) or _DEFAULT_PROXY
                    yield Switch(event, f"{path}.{event.option}", namespace, str(name))

    def namespaces(self, section: str) -> Iterator[tuple[str, str, Config]]:
        """Path, name and options of each namespace in ``channel`` or ``rpc``; ``""`` names ``without_namespace``."""
        options = value_at(self.config, f"{section}.without_namespace")
        yield f"{section}.without_namespace", "", options if isinstance(options, dict) else {}
        for index, options in objects_at(self.config, f"{section}.namespaces"):
            yield f"{section}.namespaces[{index}]", str(options.get("name", "")), options

    @cached_property
    def base(self) -> SplitResult | None:
        """The parts of the base URL."""
        return split_url(self.base_url.rstrip("/")) if self.base_url else None

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
        if not self.backend.secrets or not header or not isinstance(header, str):
            return None, []
        return expand_variables(header, self.environ)
