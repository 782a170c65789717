"""Checks of each proxy against the application: endpoint, secret, timeout, headers."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Final

from ...._settings.secrets import SECRET_HEADER
from ...._wire.codes import disconnect_is_terminal
from ...._wire.requests import ClientRequest, UserRequest
from ..findings import Finding
from ..generate import IDEMPOTENCY_HEADER, SECRET_VARIABLE
from ..placeholders import PLACEHOLDER
from ..reader import objects_at, strings_in, value_at
from .context import Context, Proxy

_SHORTEST_TIMEOUT: Final = 0.001
_SECRET_FIX: Final = f'"{SECRET_HEADER}": "${{{SECRET_VARIABLE}}}"'


def no_hook(context: Context, proxy: Proxy) -> Iterator[Finding]:
    name = proxy.event.name
    if name not in context.backend.hooks_by_event():
        text = f"no hook serves {name}: every call fails with 404"
        yield Finding(id="PH001", path=proxy.path, text=text, fix=f"write a @hooks.{name}, or remove the proxy")


def wrong_host(context: Context, proxy: Proxy) -> Iterator[Finding]:
    url, base, fix = proxy.url, context.base, context.endpoint_fix(proxy.event)
    path = f"{proxy.path}.endpoint"
    if url is None:
        yield Finding(id="PH006", path=path, text=f"{proxy.config.get('endpoint')!r} is not an HTTP URL", fix=fix)
    elif base is not None and (url.scheme, url.netloc) != (base.scheme, base.netloc):
        text = f"{url.scheme}://{url.netloc} is not the application of --base-url, {base.scheme}://{base.netloc}"
        yield Finding(id="PH006", path=path, text=text, fix=fix)


def wrong_path(context: Context, proxy: Proxy) -> Iterator[Finding]:
    url, base, expected = proxy.url, context.base, context.url_path(proxy.event)
    if url is None:
        return
    if not url.path.endswith(expected) or (base is not None and url.path != base.path + expected):
        text = f"{url.path or '/'} is not the path of the {proxy.event.name} hook, {expected}"
        fix = context.endpoint_fix(proxy.event)
        yield Finding(id="PH005", path=f"{proxy.path}.endpoint", text=text, fix=fix)


def unencrypted_secret(_: Context, proxy: Proxy) -> Iterator[Finding]:
    url = proxy.url
    if url is not None and url.scheme == "http" and _is_public(url.hostname):
        text = f"the secret travels unencrypted to {url.hostname}"
        yield Finding(id="PH020", path=f"{proxy.path}.endpoint", text=text, fix="use https, or a private network")


def _is_public(host: str | None) -> bool:
    if not host or ("." not in host and ":" not in host) or host.endswith((".local", ".internal", ".svc")):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True


def no_secret(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if context.backend.secrets and not proxy.secret_header:
        name = proxy.event.name
        text = f"{name} calls carry no secret: each fails with 403"
        yield Finding(id="PH007", path=_static_headers_path(proxy), text=text, fix=_SECRET_FIX)


def wrong_secret(context: Context, proxy: Proxy) -> Iterator[Finding]:
    value, unset = context.sent_secret(proxy)
    if value is None or unset or PLACEHOLDER.search(value):
        return
    if value not in context.backend.secrets:
        text = f"the application does not accept the value of {SECRET_HEADER}: every call fails with 403"
        fix = "give Centrifugo and PROXYHOOKS_SECRETS the same secret"
        yield Finding(id="PH008", path=_static_headers_path(proxy), text=text, fix=fix)


def secret_can_be_overridden(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if not context.backend.secrets:
        return
    for key in ("http_headers", "emulated_headers"):
        if SECRET_HEADER.lower() in [header.lower() for header in strings_in(proxy.config.get(key))]:
            text = f"a client that sends {SECRET_HEADER} overrides the secret"
            fix = f"remove {SECRET_HEADER} from {key}"
            yield Finding(id="PH009", path=f"{proxy.path}.{key}", text=text, fix=fix)


def _static_headers_path(proxy: Proxy) -> str:
    return f"{proxy.path}.http.static_headers"


def timeout_without_unit(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if proxy.timeout_seconds is not None and 0 < proxy.timeout_seconds < _SHORTEST_TIMEOUT:
        text = f"{proxy.timeout} is too short for any call: Centrifugo reads a number without a unit as nanoseconds"
        yield _timeout_finding("PH010", context, proxy, text)


def timeout_too_long(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if _exceeds_server_timeout(context, proxy):
        text = f"{proxy.timeout} is longer than the {context.server_timeout:g} s after which gunicorn kills a worker"
        yield _timeout_finding("PH011", context, proxy, text)


def timeout_differs(context: Context, proxy: Proxy) -> Iterator[Finding]:
    expected, seconds = context.backend.timeout, proxy.timeout_seconds
    if (
        seconds is not None
        and seconds != expected
        and seconds >= _SHORTEST_TIMEOUT
        and not _exceeds_server_timeout(context, proxy)
    ):
        text = f"Centrifugo waits {proxy.timeout} for a reply, and PROXYHOOKS_TIMEOUT says {expected:g} s"
        yield _timeout_finding("PH028", context, proxy, text)


def _exceeds_server_timeout(context: Context, proxy: Proxy) -> bool:
    seconds = proxy.timeout_seconds
    return seconds is not None and context.server_timeout is not None and seconds > context.server_timeout


def _timeout_finding(id_: str, context: Context, proxy: Proxy, text: str) -> Finding:
    return Finding(id=id_, path=f"{proxy.path}.timeout", text=text, fix=f'"timeout": "{context.backend.timeout:g}s"')


def header_not_forwarded(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if not issubclass(proxy.event.request, ClientRequest):
        return
    for key, declared in (
        ("http_headers", context.backend.http_headers),
        ("emulated_headers", context.backend.emulated_headers),
    ):
        forwarded = strings_in(proxy.config.get(key))
        lower_case = [header.lower() for header in forwarded]
        missing = [header for header in declared if header.lower() not in lower_case]
        if missing:
            text = f"{proxy.event.name} calls do not carry {', '.join(missing)}, which the hooks read"
            fix = f'"{key}": {json.dumps([*forwarded, *missing], ensure_ascii=False)}'
            yield Finding(id="PH019", path=f"{proxy.path}.{key}", text=text, fix=fix)


def meta_not_sent(context: Context, proxy: Proxy) -> Iterator[Finding]:
    reads_meta = context.backend.meta and issubclass(proxy.event.request, UserRequest)
    if reads_meta and not proxy.config.get("include_connection_meta"):
        text = f"the application has a meta_schema, and {proxy.event.name} calls carry no meta: every call fails"
        path = f"{proxy.path}.include_connection_meta"
        yield Finding(id="PH024", path=path, text=text, fix='"include_connection_meta": true')


def no_idempotency_key(_: Context, proxy: Proxy) -> Iterator[Finding]:
    if proxy.event.idempotent and IDEMPOTENCY_HEADER.lower() not in map(str.lower, map(str, proxy.static_headers)):
        text = f"a {proxy.event.name} call fails when its reused connection breaks; with the header it is sent again"
        fix = f'"{IDEMPOTENCY_HEADER}": "proxyhooks"'
        yield Finding(id="PH021", path=_static_headers_path(proxy), text=text, fix=fix)


def status_becomes_final(_: Context, proxy: Proxy) -> Iterator[Finding]:
    for index, transform in objects_at(proxy.config, "http.status_to_code_transforms"):
        status = transform.get("status_code")
        error, disconnect = value_at(transform, "to_error.code"), value_at(transform, "to_disconnect.code")
        if proxy.event.extends is not None:
            text = f"status {status} ends the {proxy.event.extends} at once; a failed call keeps it for another 60 s"
        elif isinstance(disconnect, int) and disconnect_is_terminal(disconnect):
            text = f"status {status} becomes disconnect {disconnect}, after which the client never comes back"
        elif error and not value_at(transform, "to_error.temporary"):
            text = f"status {status} becomes error {error}, which is final for the client"
        else:
            continue
        path = f"{proxy.path}.http.status_to_code_transforms[{index}]"
        yield Finding(id="PH014", path=path, text=text, fix="remove it: hooks refuse with status 200")


PROXY_CHECKS: Final = (
    no_hook,
    wrong_host,
    wrong_path,
    unencrypted_secret,
    no_secret,
    wrong_secret,
    secret_can_be_overridden,
    timeout_without_unit,
    timeout_too_long,
    timeout_differs,
    header_not_forwarded,
    meta_not_sent,
    no_idempotency_key,
    status_becomes_final,
)
