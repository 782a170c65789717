"""Examines a backend from where Centrifugo runs.

No function of the application runs: the hooks refuse every request of the examination by themselves, with 400 if the
secret is right, with 403 if it is wrong, and with error 107 if the JSON nests too deeply.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..._settings.secrets import SECRET_HEADER
from ..._wire.json import MAX_DEPTH
from ..config.static_headers import SECRET_VARIABLE
from .check_result import CheckResult
from .http_client import INVALID_MESSAGE, BackendURL, HTTPResponse
from .keepalive_checks import check_idle_connection, check_large_headers, check_requests
from .options import DoctorOptions

_TOO_DEEP_MESSAGE: Final = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
_MIN_CERTIFICATE_DAYS: Final = 14
# OpenSSL's codes.
_CERTIFICATE_EXPIRED: Final = 10
_WRONG_NAME: Final = (62, 64)
"""The certificate is for another host or address."""


class _Stop(Exception):
    """An error makes the checks that follow pointless."""


def examine(options: DoctorOptions) -> Iterator[CheckResult]:
    """Yield each result as soon as it is known; stop at an error that makes the other checks pointless."""
    checks = (
        _check_addresses,
        _check_tls,
        _check_hooks,
        _check_reply,
        check_requests,
        check_idle_connection,
        check_large_headers,
    )
    for check in checks:
        try:
            yield from check(options)
        except _Stop:
            return
        except TimeoutError:
            text = f"no reply within {options.timeout:g} s, the timeout of the proxy: every call would be error 100"
            fix = "find what keeps the server busy: too few workers, a worker that hangs, a reverse proxy"
            yield CheckResult("timeout", "error", text, fix)
            return
        except (OSError, http.client.HTTPException) as error:
            yield _http_error(options.url, error)
            return


def _http_error(url: BackendURL, error: Exception) -> CheckResult:
    if isinstance(error, ConnectionError):
        problem = "the server closed the connection without a reply"
    else:
        problem = f"the reply is not HTTP: {repr(error)[:80]}"
    fix = "see the server's log"
    if url.scheme == "http":
        fix += "; if the port speaks TLS, the URL must begin with https://"
    return CheckResult("http", "error", f"{url.root}: {problem}", fix)


# The way to the server: name, addresses, port, TLS.


def _check_addresses(options: DoctorOptions) -> Iterator[CheckResult]:
    url = options.url
    try:
        infos = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        text = f"the host {url.host!r} has no address: {getattr(error, 'strerror', None) or error}"
        fix = (
            "use the name of the backend where Centrifugo runs: in Docker the name of the service, in Kubernetes "
            "service.namespace"
        )
        yield CheckResult("dns", "error", text, fix)
        raise _Stop from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    yield CheckResult("dns", "ok", f"{url.host} has the address {', '.join(addresses)}")
    if url.scheme == "http" and any(_ip(address).is_global for address in addresses):
        text = "plain HTTP to a public address: anyone on the way can read the secret and act as any user"
        yield CheckResult("plain-http", "warning", text, "use https://, or a private network")
    errors = {address: _connection_error(url, address, options.timeout) for address in addresses}
    failed = {address: error for address, error in errors.items() if error is not None}
    details = "; ".join(f"{address}: {_reason(error, options.timeout)}" for address, error in failed.items())
    if len(failed) == len(addresses):
        text = f"port {url.port} accepts no connection ({details})"
        yield CheckResult("tcp", "error", text, _fix_for_closed_port(failed))
        raise _Stop
    if failed:
        text = f"port {url.port} accepts connections on some addresses only ({details}): calls may wait for the others"
        yield CheckResult("tcp", "warning", text, "make the server listen on all of them, or use one that works")
    else:
        yield CheckResult("tcp", "ok", f"port {url.port} accepts connections")


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.partition("%")[0])  # without the zone of IPv6


def _connection_error(url: BackendURL, address: str, timeout: float) -> OSError | None:
    """The error of a connection to the address, or ``None``."""
    try:
        socket.create_connection((address, url.port), timeout).close()
    except OSError as error:
        return error
    return None


def _reason(error: OSError, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return (error.strerror or str(error)).lower()


def _fix_for_closed_port(errors: dict[str, OSError]) -> str:
    if not any(isinstance(error, ConnectionRefusedError) for error in errors.values()):
        return "a firewall may drop the packets, or the route is wrong"
    fix = "start the server on this port, on an address that other hosts reach (0.0.0.0, not 127.0.0.1)"
    if any(_ip(address).is_loopback for address in errors):
        fix += (
            "; in a container 127.0.0.1 and localhost are the container itself: use the name of the backend's service"
        )
    return fix


def _check_tls(options: DoctorOptions) -> Iterator[CheckResult]:
    url = options.url
    if url.scheme != "https":
        return
    try:
        with options.connect() as connection:
            valid_until = str(connection.certificate["notAfter"])
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate is not accepted: {error.verify_message}"
        yield CheckResult("tls", "error", text, _fix_for_certificate(error, url))
        raise _Stop from None
    except ssl.SSLError as error:
        text = f"port {url.port} does not speak TLS: {error.reason or error}"
        yield CheckResult("tls", "error", text, "if the port speaks plain HTTP, the URL must begin with http://")
        raise _Stop from None
    days = int((ssl.cert_time_to_seconds(valid_until) - time.time()) // 86_400)
    fix = "renew it: every call fails once it has expired" if days < _MIN_CERTIFICATE_DAYS else ""
    yield CheckResult("tls", "warning" if fix else "ok", f"days until the certificate expires: {days}", fix)


def _fix_for_certificate(error: ssl.SSLCertVerificationError, url: BackendURL) -> str:
    if error.verify_code == _CERTIFICATE_EXPIRED:
        return "renew it"
    if error.verify_code in _WRONG_NAME:
        return f"use the name in the certificate as the host of the endpoint, or a certificate for {url.host!r}"
    return (
        'name the file of its issuer in each proxy, "http": {"tls": {"enabled": true, "server_ca_pem": "/path/ca.pem"}}'
        ", and with --ca /path/ca.pem for this command"
    )


# The hooks: method, secret, reply.


def _check_hooks(options: DoctorOptions) -> Iterator[CheckResult]:
    path = options.url.path
    with_wrong_secret = _request(options, secrets.token_hex(8))
    # Servers answer plain HTTP on a TLS port with 400 and a text about HTTPS; hooks answer with 400, too.
    if with_wrong_secret.status not in (400, 403) or b"HTTPS" in with_wrong_secret.body:
        yield _not_a_hook(options.url, with_wrong_secret)
        raise _Stop
    with_right_secret = with_wrong_secret if options.secret is None else _request(options, options.secret)
    if with_right_secret.status not in (400, 403):
        yield _not_a_hook(options.url, with_right_secret)
        raise _Stop
    server = with_right_secret.headers.get("server")
    yield CheckResult("path", "ok", f"{path} is answered by {'hooks' if server is None else f'hooks, on {server}'}")
    get = _request(options, options.secret, b"", "GET")
    if get.status != 405:
        text = f"{path} answers GET with {get.status}, and hooks answer it with 405"
        fix = "use the URL of the hooks; a reverse proxy must pass requests on unchanged"
        yield CheckResult("method", "warning", text, fix)
    yield from _check_secret(options, with_wrong_secret, with_right_secret)


def _check_secret(options: DoctorOptions, with_wrong: HTTPResponse, with_right: HTTPResponse) -> Iterator[CheckResult]:
    if with_wrong.status == 400:
        text = (
            f"a made-up secret is accepted ({with_wrong.status}: {with_wrong.excerpt!r}): anyone who reaches the hooks "
            "can act as any user"
        )
        fix = f"set PROXYHOOKS_SECRETS and unset PROXYHOOKS_INSECURE; a reverse proxy must not set {SECRET_HEADER}"
        yield CheckResult("wrong-secret", "warning" if options.insecure else "error", text, fix)
    else:
        yield CheckResult("wrong-secret", "ok", "a made-up secret is refused")
    if options.secret is None:
        if not options.insecure:
            text = "the secret is not known, so only a made-up one was tried"
            fix = f"pass it with --secret or {SECRET_VARIABLE}, or load the application with flask --app"
            yield CheckResult("secret", "warning", text, fix)
    elif with_right.status == 403:
        text = f"the secret is refused (403: {with_right.excerpt!r}): every call would be error 100"
        fix = (
            "add it to PROXYHOOKS_SECRETS and restart the application; a reverse proxy must neither remove "
            f"{SECRET_HEADER} nor refuse the request itself"
        )
        yield CheckResult("secret", "error", text, fix)
        raise _Stop
    else:
        yield CheckResult("secret", "ok", "the secret is accepted")


def _not_a_hook(url: BackendURL, response: HTTPResponse) -> CheckResult:
    status = response.status
    answer = f"{url.path} is answered with {status}: {response.excerpt!r}"
    if 300 <= status < 400:
        return _redirect(url, response)
    if status < 300:
        text = f"{answer}, and not by a hook; any JSON object there allows the operation"
        return CheckResult("path", "error", text, "the endpoint must be the URL of a hook")
    if status in (404, 405):
        fix = "--prefix must be the url_prefix of ProxyHooks, and a reverse proxy must pass the whole path on"
    elif status == 400:
        fix = "the port speaks TLS: the URL must begin with https://"
    elif status == 401:
        fix = "something in front of the hooks asks for a login: exempt the hooks, which check the secret themselves"
    elif status in (502, 503, 504):
        fix = "the reverse proxy does not reach the application: see its log"
    else:
        fix = "see the server's log"
    return CheckResult("path", "error", f"{answer}: every call would be error 100", fix)


def _redirect(url: BackendURL, response: HTTPResponse) -> CheckResult:
    source = url.root + url.path
    target = urljoin(source, response.headers.get("location", ""))
    text = f"{source} redirects to {target} ({response.status}), and Centrifugo follows with the secret"
    source_parts, target_parts = urlsplit(source), urlsplit(target)
    if source_parts.path.rstrip("/") != target_parts.path.rstrip("/"):
        text = f"{text}: any JSON object there allows the operation"
        hooks = f"{url.prefix}/" if url.prefix else f"{url.path} and the URLs of the other events"
        fix = f"if that is a login, exempt {hooks} from it: the hooks check the secret themselves"
        return CheckResult("redirect", "error", text, fix)
    if source_parts[:2] == target_parts[:2]:
        fix = "URLs of hooks have no slash at their end: exempt them from the redirect"
    else:
        fix = (
            f"write {urlunsplit((target_parts.scheme, target_parts.netloc, source_parts.path, '', ''))} in the endpoint"
        )
    if response.status in (301, 302, 303):
        text += ", with a GET in place of the POST"
    return CheckResult("redirect", "error", text, fix)


def _check_reply(options: DoctorOptions) -> Iterator[CheckResult]:
    """Whether the refusal of a hook arrives as the hook sends it."""
    if options.secret is None and not options.insecure:
        return
    response = _request(options, options.secret, _TOO_DEEP_MESSAGE)
    try:
        code = json.loads(response.body)["error"]["code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        code = None
    if response.status == 200 and code is not None:
        yield CheckResult("reply", "ok", f"a refusal arrives unchanged, with status 200 and error {code}")
    else:
        text = f"a refusal must arrive with status 200 and an error; it has {response.status}: {response.excerpt!r}"
        fix = "a reverse proxy must pass requests and replies on unchanged"
        yield CheckResult("reply", "warning", text, fix)


def _request(
    options: DoctorOptions, secret: str | None, body: bytes = INVALID_MESSAGE, method: str = "POST"
) -> HTTPResponse:
    """Send one request on a connection of its own."""
    with options.connect() as connection:
        return connection.request(body, secret=secret, method=method)
