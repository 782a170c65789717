"""A configuration of Centrifugo held against the hooks of an application, both ways."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ..._dispatch.events import EVENTS, Event
from ..._settings.secrets import SECRET_HEADER
from ..._wire.codes import disconnect_is_terminal
from ..._wire.requests import ClientRequest, UserRequest
from .backend import Backend
from .findings import Finding
from .key_checks import check_keys
from .reader import NAME, Config, at, expand, objects, seconds, texts, url_of

_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is in use for an event."""

    event: Event
    path: str
    given: Config


def check(
    config: Config,
    backend: Backend,
    *,
    environ: Mapping[str, str],
    base_url: str | None = None,
    longest: float | None = None,
) -> list[Finding]:
    """What does not fit, in the order of the file's chapters.

    :param environ: Centrifugo's environment, for the variables in static headers.
    :param longest: seconds that the application's server lets a call take.
    """
    return [*check_keys(config), *_Checks(config, backend, environ, base_url, longest).all()]


@dataclass(slots=True)
class _Checks:
    config: Config
    backend: Backend
    environ: Mapping[str, str]
    base_url: str | None
    longest: float | None
    unset: set[str] = field(default_factory=set)  # variables that were missed once

    def all(self) -> Iterator[Finding]:
        yield from self.origins()
        proxies = list(self.proxies())
        for proxy in proxies:
            yield from self.endpoint(proxy)
            yield from self.secret(proxy)
            yield from self.settings(proxy)
        yield from self.switches("channel")
        yield from self.switches("rpc")
        yield from self.hooks()
        yield from self.names()
        yield from self.tokens()

    def origins(self) -> Iterator[Finding]:
        if not at(self.config, "client.allowed_origins"):
            yield Finding(
                id="PH015",
                path="client.allowed_origins",
                text="there are no allowed origins, so every browser is refused with 403, pages of the same host too",
                fix='"allowed_origins": ["https://your.site"]',
            )
        key = at(self.config, "http_api.key")
        if isinstance(key, str) and _PLACEHOLDER.search(key):
            yield Finding(
                id="PH025",
                path="http_api.key",
                text=f"Centrifugo replaces no variables here, so that the text {key} itself is the key",
                fix="leave it out and set CENTRIFUGO_HTTP_API_KEY",
            )

    def proxies(self) -> Iterator[Proxy]:
        """Each proxy that has an endpoint, and the named ones for the events they are used for."""
        for event in EVENTS.values():
            given = at(self.config, event.proxy)
            on = isinstance(given, dict) and (given.get("enabled") or not event.proxy.startswith("client."))
            if on and (given.get("endpoint") or given.get("enabled")):
                yield Proxy(event, event.proxy, given)
        used: dict[tuple[str, str], Event] = {}
        for event, _, _, name in self.uses():
            if name not in ("", "default"):
                used[name, event.name] = event
        for (name, _), event in used.items():
            for number, given in objects(self.config, "proxies"):
                if given.get("name") == name:
                    yield Proxy(event, f"proxies[{number}]", given)

    def uses(self) -> Iterator[tuple[Event, str, str, str]]:
        """Each switch that is on: the event, the path of its options, the namespace, and the name of the proxy."""
        for section in ("channel", "rpc"):
            for path, name, options in self.options(section):
                for event in EVENTS.values():
                    if event.proxy.startswith(section) and event.option and at(options, event.option):
                        proxy = at(options, event.option.replace("_enabled", "_name")) or "default"
                        yield event, path, name, str(proxy)

    def options(self, section: str) -> Iterator[tuple[str, str, Config]]:
        without = at(self.config, f"{section}.without_namespace")
        yield f"{section}.without_namespace", "", without if isinstance(without, dict) else {}
        for number, options in objects(self.config, f"{section}.namespaces"):
            yield f"{section}.namespaces[{number}]", str(options.get("name", "")), options

    def endpoint(self, proxy: Proxy) -> Iterator[Finding]:
        event, path = proxy.event, f"{proxy.path}.endpoint"
        right = f"{self.backend.url_prefix}/{event.name}"
        url = url_of(proxy.given.get("endpoint", ""))
        base = urlsplit(self.base_url.rstrip("/")) if self.base_url else None
        fix = f'"endpoint": "{(self.base_url or "http://HOST").rstrip("/")}{right}"'
        if event.name not in self.backend.events():
            text = f"{event.name} is asked for, but no hook serves it: every call is a 404, error 100 for the client"
            yield Finding(
                id="PH001", path=proxy.path, text=text, fix=f"write a @hooks.{event.name}, or remove the proxy"
            )
        if url.scheme not in ("http", "https") or not url.hostname:
            text = f"{proxy.given.get('endpoint')!r} is no URL of HTTP"
            yield Finding(id="PH006", path=path, text=text, fix=fix)
            return
        if base is not None and (url.scheme, url.netloc) != (base.scheme, base.netloc):
            text = f"{url.scheme}://{url.netloc} is not where the application is, {base.scheme}://{base.netloc}"
            yield Finding(id="PH006", path=path, text=text, fix=fix)
        if not url.path.endswith(right) or (base is not None and url.path != base.path + right):
            yield Finding(id="PH005", path=path, text=f"{url.path} is not the URL of {event.name}", fix=fix)
        if url.scheme == "http" and _is_public(url.hostname):
            text = f"the secret travels readable to {url.hostname}"
            yield Finding(id="PH020", path=path, text=text, fix="use https, or a private network")

    def secret(self, proxy: Proxy) -> Iterator[Finding]:
        path = f"{proxy.path}.http.static_headers"
        headers = at(proxy.given, "http.static_headers")
        headers = headers if isinstance(headers, dict) else {}
        for name, value in headers.items():
            if not isinstance(value, str):
                text = f"{name} is {value!r}, and Centrifugo does not start"
                yield Finding(id="PH017", path=f"{path}.{name}", text=text, fix=f'"{name}": "{value}"')
        if not self.backend.secrets:
            return
        given = {name.lower(): value for name, value in headers.items()}.get(SECRET_HEADER.lower())
        fix = f'"{SECRET_HEADER}": "${{CENTRIFUGO_VAR_PROXYHOOKS_SECRET}}"'
        if not given:
            text = f"{proxy.event.name} is asked without the secret: every call is a 403, error 100 for the client"
            yield Finding(id="PH007", path=path, text=text, fix=fix)
        elif isinstance(given, str):
            value, missing = expand(given, self.environ)
            unknown = _PLACEHOLDER.findall(value) if not missing else []
            if missing and self.unset.issuperset(missing):
                return
            if missing:
                self.unset.update(missing)
                text = f"{', '.join(missing)} is not set here, so the secret cannot be compared"
                yield Finding(id="PH026", path=path, text=text, fix="run this with Centrifugo's environment")
            elif unknown:
                text = f"Centrifugo sends {unknown[0]} as it is written: it replaces ${{CENTRIFUGO_VAR_...}} only"
                yield Finding(id="PH025", path=path, text=text, fix=fix)
            elif value not in self.backend.secrets:
                text = f"the value of {SECRET_HEADER} is none that the application accepts: every call is a 403"
                yield Finding(id="PH008", path=path, text=text, fix="make them the same in both places")
        for name in ("http_headers", "emulated_headers"):
            if SECRET_HEADER.lower() in [header.lower() for header in texts(proxy.given.get(name))]:
                text = f"a client that sends {SECRET_HEADER} overrides the secret with its own"
                yield Finding(
                    id="PH009", path=f"{proxy.path}.{name}", text=text, fix=f"remove {SECRET_HEADER} from {name}"
                )

    def settings(self, proxy: Proxy) -> Iterator[Finding]:
        event, given = proxy.event, proxy.given
        length, wrong = seconds(timeout := given.get("timeout", "1s")), None
        if length is None:
            wrong = "PH010", f"{timeout!r} has no unit; a bare number is nanoseconds, and every call fails"
        elif self.longest is not None and length > self.longest:
            wrong = "PH011", f"{timeout} is longer than the {self.longest:g} s after which gunicorn ends a worker"
        elif length != self.backend.timeout:
            wrong = "PH028", f"{timeout} is not the {self.backend.timeout:g} s that the application has been told"
        if wrong is not None:
            fix = f'"timeout": "{self.backend.timeout:g}s"'
            yield Finding(id=wrong[0], path=f"{proxy.path}.timeout", text=wrong[1], fix=fix)
        for name, wanted in (
            ("http_headers", self.backend.http_headers),
            ("emulated_headers", self.backend.emulated_headers),
        ):
            listed = [header.lower() for header in texts(given.get(name))]
            missing = [header for header in wanted if header.lower() not in listed]
            if missing and issubclass(event.request, ClientRequest):
                text = f"the hooks read {', '.join(missing)}, which {event.name} requests do not bring"
                fix = f'"{name}": {_quoted([*texts(given.get(name)), *missing])}'
                yield Finding(id="PH019", path=f"{proxy.path}.{name}", text=text, fix=fix)
        if self.backend.meta and issubclass(event.request, UserRequest) and not given.get("include_connection_meta"):
            text = f"the application has a meta_schema, and {event.name} requests bring no meta: each is a failure"
            fix = '"include_connection_meta": true'
            yield Finding(id="PH024", path=f"{proxy.path}.include_connection_meta", text=text, fix=fix)
        headers = at(given, "http.static_headers")
        headers = headers if isinstance(headers, dict) else {}
        if event.idempotent and "idempotency-key" not in [str(name).lower() for name in headers]:
            text = f"a {event.name} call whose kept connection is closed under it fails instead of being repeated"
            fix = '"Idempotency-Key": "proxyhooks"'
            yield Finding(id="PH021", path=f"{proxy.path}.http.static_headers", text=text, fix=fix)
        yield from self.transforms(proxy)

    def transforms(self, proxy: Proxy) -> Iterator[Finding]:
        for number, transform in objects(proxy.given, "http.status_to_code_transforms"):
            path = f"{proxy.path}.http.status_to_code_transforms[{number}]"
            status = transform.get("status_code")
            error, code = at(transform, "to_error.code"), at(transform, "to_disconnect.code")
            if proxy.event.failure_is_grace:
                text = f"status {status} ends it at once, where a failure would leave the client for another 60 s"
            elif isinstance(code, int) and disconnect_is_terminal(code):
                text = f"status {status} keeps clients away for good, whatever its cause was"
            elif error and not at(transform, "to_error.temporary"):
                text = f"status {status} becomes an error that is final for the client, whatever its cause was"
            else:
                continue
            yield Finding(id="PH014", path=path, text=text, fix="remove it: refusals travel with status 200")

    def switches(self, section: str) -> Iterator[Finding]:
        defined = {str(proxy.get("name")) for _, proxy in objects(self.config, "proxies")}
        hooks = self.backend.events()
        for event, path, namespace, proxy in self.uses():
            if not event.proxy.startswith(section):
                continue
            where = f"{path}.{event.option}"
            if proxy != "default" and proxy not in defined:
                text = f"there is no proxy named {proxy!r} in proxies"
                fix = f"define it there, or name one of {', '.join(sorted(defined))}" if defined else "define it there"
                yield Finding(id="PH018", path=where, text=text, fix=fix)
            if proxy == "default" and not at(self.config, f"{event.proxy}.endpoint"):
                text = f"{event.name} is switched on, but {event.proxy} has no endpoint"
                yield Finding(id="PH018", path=where, text=text, fix=f"configure {event.proxy}")
            served = [one.namespace for one in hooks.get(event.name, [])]
            if served and namespace not in served and None not in served:
                what = f"namespace {namespace!r}" if namespace else f"{event.routed_on}s without a namespace"
                text = f"{event.name} is asked about {what}, which no pattern covers: all are refused"
                yield Finding(id="PH002", path=where, text=text, fix="write the hook, or switch it off")
            if event.name in ("map_publish", "map_remove"):
                text = "v6.9.1 carries out an allowed change and then reports it to its client as 107"
                yield Finding(
                    id="PH022", path=where, text=text, fix="let clients ignore 107 on maps, or test a newer one"
                )

    def hooks(self) -> Iterator[Finding]:
        on = {(event.name, namespace) for event, _, namespace, _ in self.uses()}
        for name, served in self.backend.events().items():
            event = EVENTS[name]
            section = event.proxy.partition(".")[0]
            if section == "client":
                if not at(self.config, f"{event.proxy}.enabled"):
                    text = f"{name} has a hook ({served[0].source_location}), and its proxy is not enabled"
                    yield Finding(id="PH004", path=event.proxy, text=text, fix='"enabled": true')
                continue
            known = {namespace for _, namespace, _ in self.options(section)}
            for namespace in sorted({one.namespace or "" for one in served}):
                if namespace not in known:
                    text = f"{name} hooks are in namespace {namespace!r}, which does not exist: 102 for every client"
                    fix = f'add {{"name": "{namespace}", "{event.option}": true}}'
                    yield Finding(id="PH003", path=f"{section}.namespaces", text=text, fix=fix)
                elif event.option and (name, namespace) not in on:
                    what = f"namespace {namespace!r}" if namespace else f"{event.routed_on}s without a namespace"
                    text = f"{name} hooks are never asked about {what}: {event.option} is off there"
                    yield Finding(id="PH004", path=f"{section}.namespaces", text=text, fix=f'"{event.option}": true')

    def names(self) -> Iterator[Finding]:
        for path in ("channel.namespaces", "rpc.namespaces", "proxies"):
            for number, item in objects(self.config, path):
                name = item.get("name")
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    text = f"{name!r} is no name: Centrifugo wants two or more of A-Z a-z 0-9 - _ ."
                    yield Finding(id="PH016", path=f"{path}[{number}].name", text=text, fix="choose another one")

    def tokens(self) -> Iterator[Finding]:
        token = at(self.config, "client.token")
        if isinstance(token, dict) and any(token.values()) and at(self.config, "client.proxy.connect.enabled"):
            text = "the connect hook is not asked about clients that bring a token; so mass reconnects are survived"
            yield Finding(id="PH023", path="client.token", text=text, fix="nothing, if that is meant")


def _quoted(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _is_public(host: str | None) -> bool:
    if not host or ("." not in host and ":" not in host) or host.endswith((".local", ".internal", ".svc")):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True
