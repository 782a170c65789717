"""Checks of each proxy against the application: endpoint, secret, timeout, headers."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult

from ...._settings.secrets import SECRET_HEADER
from ...._wire.codes import disconnect_is_terminal, error_is_terminal
from ...._wire.requests import ClientRequest, UserRequest
from ..findings import Finding
from ..reading.placeholders import PLACEHOLDER
from ..static_headers import IDEMPOTENCY_HEADER, IDEMPOTENCY_VALUE, SECRET_VARIABLE, STATIC_HEADERS
from .context import Context, Proxy

_SECRET_FIX: Final = f'"{SECRET_HEADER}": "${{{SECRET_VARIABLE}}}"'


def no_hook(context: Context, proxy: Proxy) -> Iterator[Finding]:
    name = proxy.event.name
    if name not in context.backend.hooks_by_event():
        text = f"no hook serves {name}: every call fails with 404"
        yield Finding(id="PH001", path=proxy.path, text=text, fix=f"write a @hooks.{name}, or remove the proxy")


def not_http(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if proxy.url is None and not proxy.has_unknown_url:
        shown = "the endpoint" if "@" in proxy.endpoint else repr(proxy.endpoint)
        text = f"{shown} is no HTTP URL, so Centrifugo calls it with gRPC; hooks answer over HTTP"
        yield _endpoint_finding("PH006", context, proxy, text)


def wrong_host(context: Context, proxy: Proxy) -> Iterator[Finding]:
    url, base = proxy.url, context.base
    if url is not None and base is not None and not proxy.has_unknown_url and _root(url) != _root(base):
        text = f"{_root(url)} is not the application of --base-url, {_root(base)}"
        yield _endpoint_finding("PH006", context, proxy, text)


def _root(url: SplitResult) -> str:
    """The URL up to the path, without a password."""
    return f"{url.scheme}://{url.netloc.rpartition('@')[2].lower()}"


def wrong_path(context: Context, proxy: Proxy) -> Iterator[Finding]:
    url, base, expected = proxy.url, context.base, context.url_path(proxy.event)
    if url is None or PLACEHOLDER.search(url.path):
        return
    if not url.path.endswith(expected) or (base is not None and url.path != base.path + expected):
        # Of a password with a slash the rest seems to be a part of the path.
        shown = "its path" if "@" in url.path else url.path or "/"
        text = f"{shown} is not the path of the {proxy.event.name} hook, {expected}"
        yield _endpoint_finding("PH005", context, proxy, text)


def _endpoint_finding(id_: str, context: Context, proxy: Proxy, text: str) -> Finding:
    return Finding(id=id_, path=f"{proxy.path}.endpoint", text=text, fix=context.endpoint_fix(proxy.event))


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
        if SECRET_HEADER.lower() in [header.lower() for header in proxy.options.texts(key)]:
            text = f"a client that sends {SECRET_HEADER} overrides the secret"
            fix = f"remove {SECRET_HEADER} from {key}"
            yield Finding(id="PH009", path=f"{proxy.path}.{key}", text=text, fix=fix)


def _static_headers_path(proxy: Proxy) -> str:
    return f"{proxy.path}.{STATIC_HEADERS}"


def header_not_forwarded(context: Context, proxy: Proxy) -> Iterator[Finding]:
    if not issubclass(proxy.event.request, ClientRequest):
        return
    for key, declared in (
        ("http_headers", context.backend.http_headers),
        ("emulated_headers", context.backend.emulated_headers),
    ):
        forwarded = proxy.options.texts(key)
        lower_case = [header.lower() for header in forwarded]
        missing = [header for header in declared if header.lower() not in lower_case]
        if missing:
            text = f"{proxy.event.name} calls do not carry {', '.join(missing)}, which the hooks read"
            # Another finding is about a forwarded header of the secret.
            right = [header for header in forwarded if header.lower() != SECRET_HEADER.lower()]
            fix = f'"{key}": {json.dumps([*right, *missing], ensure_ascii=False)}'
            yield Finding(id="PH019", path=f"{proxy.path}.{key}", text=text, fix=fix)


def meta_not_sent(context: Context, proxy: Proxy) -> Iterator[Finding]:
    reads_meta = context.backend.meta and issubclass(proxy.event.request, UserRequest)
    if reads_meta and not proxy.options.is_on("include_connection_meta"):
        text = f"the application has a meta_schema, and {proxy.event.name} calls carry no meta: every call fails"
        path = f"{proxy.path}.include_connection_meta"
        yield Finding(id="PH024", path=path, text=text, fix='"include_connection_meta": true')


def no_idempotency_key(_: Context, proxy: Proxy) -> Iterator[Finding]:
    if proxy.event.idempotent and IDEMPOTENCY_HEADER.lower() not in proxy.static_headers:
        text = f"a call of {proxy.event.name} fails when its reused connection breaks; with the header it is sent again"
        fix = f'"{IDEMPOTENCY_HEADER}": "{IDEMPOTENCY_VALUE}"'
        yield Finding(id="PH021", path=_static_headers_path(proxy), text=text, fix=fix)


def status_becomes_final(_: Context, proxy: Proxy) -> Iterator[Finding]:
    for transform in proxy.options.each("http.status_to_code_transforms"):
        status = transform.number("status_code")
        error, disconnect = transform.number("to_error.code"), transform.number("to_disconnect.code")
        if not status:  # it has no effect
            continue
        if proxy.event.extends is not None:
            text = f"status {status} ends the {proxy.event.extends} at once; a failed call keeps it for another 60 s"
        elif disconnect and disconnect_is_terminal(disconnect):
            text = f"status {status} becomes disconnect {disconnect}, after which the client never comes back"
        elif error and error_is_terminal(error, transform.is_on("to_error.temporary")):
            text = f"status {status} becomes error {error}, which is final for the client"
        else:
            continue
        yield Finding(id="PH014", path=transform.path, text=text, fix="remove it: hooks refuse with status 200")


ENDPOINT_CHECKS: Final = (not_http,)
PROXY_CHECKS: Final = (
    no_hook,
    wrong_host,
    wrong_path,
    unencrypted_secret,
    no_secret,
    wrong_secret,
    secret_can_be_overridden,
    header_not_forwarded,
    meta_not_sent,
    no_idempotency_key,
    status_becomes_final,
)
