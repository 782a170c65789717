"""What can be found out about a backend from where Centrifugo runs.

No function of the application runs for it: every request is one that the hooks refuse by themselves, behind the check
of the secret. It is answered 400 where the secret is right, 403 where it is wrong, and 107 where its JSON nests too
deeply.
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
from .http_client import NOT_A_MESSAGE, BackendURL, CheckResult, DoctorOptions, HTTPResponse
from .keepalive_checks import calls, idle, large_headers

_HOSTILE: Final = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
_SOON: Final = 14
"""Days."""


class _Stop(Exception):
    """What is left to find out depends on what is wrong."""


def examine(target: DoctorOptions) -> Iterator[CheckResult]:
    """What is found, as it is found; it ends where an error leaves nothing more to ask."""
    steps = (_addresses, _tls, _hooks, _reply, calls, idle, large_headers)
    for step in steps:
        try:
            yield from step(target)
        except _Stop:
            return
        except TimeoutError:
            yield CheckResult(
                "timeout",
                "error",
                f"no reply within {target.timeout:g} s, the timeout of the proxy: every event would be error 100",
                "look for what keeps the server busy: too few workers, a worker that hangs, a proxy in between",
            )
            return
        except (OSError, http.client.HTTPException) as error:
            yield _broken(target.backend, error)
            return


def _broken(backend: BackendURL, error: Exception) -> CheckResult:
    hint = "see the server's log"
    if backend.scheme == "http":
        hint += "; does the port speak TLS, so that the URL begins with https://?"
    said = "the connection was closed without a reply" if _closed(error) else f"no HTTP came back: {repr(error)[:80]}"
    return CheckResult("http", "error", f"{backend.root}: {said}", hint)


def _closed(error: Exception) -> bool:
    return isinstance(error, (http.client.RemoteDisconnected, ConnectionError))


# --- the way there ---


def _addresses(target: DoctorOptions) -> Iterator[CheckResult]:
    backend = target.backend
    try:
        found = socket.getaddrinfo(backend.host, backend.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield CheckResult(
            "dns",
            "error",
            f"the host {backend.host!r} has no address here: {getattr(error, 'strerror', None) or error}",
            "ask for it by the name that it has where Centrifugo runs: in Docker that of the service, in Kubernetes "
            "service.namespace",
        )
        raise _Stop from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    yield CheckResult("dns", "ok", f"{backend.host} is {', '.join(addresses)}")
    if backend.scheme == "http" and any(ipaddress.ip_address(a.partition("%")[0]).is_global for a in addresses):
        text = "plain HTTP to a public address: whoever is in between reads the secret, and can then be anyone"
        yield CheckResult("plain_http", "warning", text, "use https://, or a private network")
    failed = {address: why for address in addresses if (why := _unreachable(backend, address, target.timeout))}
    listed = "; ".join(f"{address}: {why}" for address, why in failed.items())
    if len(failed) == len(addresses):
        yield CheckResult("tcp", "error", f"nobody answers on port {backend.port} ({listed})", _how_to_reach(failed))
        raise _Stop
    if failed:
        text = f"port {backend.port} answers on some addresses only ({listed}): events may wait for the others"
        yield CheckResult("tcp", "warning", text, "make the server listen on all, or give one that answers")
    else:
        yield CheckResult("tcp", "ok", f"port {backend.port} answers")


def _unreachable(backend: BackendURL, address: str, timeout: float) -> str:
    try:
        socket.create_connection((address, backend.port), timeout).close()
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _how_to_reach(failed: dict[str, str]) -> str:
    if all("refused" not in why for why in failed.values()):
        return "a firewall may drop the packets, or the route is wrong"
    fix = "is the server started, on this port, and on an address that others reach (0.0.0.0, not 127.0.0.1)?"
    if any(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in failed):
        fix += " In a container 127.0.0.1 and localhost are that container: use the name of the backend's service"
    return fix


def _tls(target: DoctorOptions) -> Iterator[CheckResult]:
    backend = target.backend
    if backend.scheme != "https":
        return
    try:
        with target.open() as line:
            ends = str(line.certificate["notAfter"])
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate is not accepted: {error.verify_message}"
        yield CheckResult("tls", "error", text, _how_to_trust(error, backend))
        raise _Stop from None
    except ssl.SSLError as error:
        text = f"no TLS on port {backend.port}: {error.reason or error}"
        yield CheckResult("tls", "error", text, "does the port speak plain HTTP, so that the URL begins with http://?")
        raise _Stop from None
    days = int((ssl.cert_time_to_seconds(ends) - time.time()) // 86_400)
    soon = "renew it: when it has expired, every event fails" if days < _SOON else ""
    yield CheckResult("tls", "warning" if soon else "ok", f"the certificate is valid for another {days} days", soon)


def _how_to_trust(error: ssl.SSLCertVerificationError, backend: BackendURL) -> str:
    text = error.verify_message.lower()
    if "expired" in text:
        return "renew it"
    if "match" in text:
        return f"use the name it was made for in the endpoint, or a certificate for {backend.host!r}"
    return (
        'give Centrifugo the certificate of its issuer, in each proxy "http": {"tls": {"enabled": true, '
        '"server_ca_pem": "/path/ca.pem"}}, and this command with --ca /path/ca.pem'
    )


def _ask(target: DoctorOptions, secret: str | None, body: bytes = NOT_A_MESSAGE, method: str = "POST") -> HTTPResponse:
    with target.open() as line:
        return line.ask(target.backend.path(), body, secret=secret, method=method)


# --- what is there ---


def _hooks(target: DoctorOptions) -> Iterator[CheckResult]:
    path = target.backend.path()
    wrong = _ask(target, secrets.token_hex(8))
    if wrong.status not in (400, 403) or b"HTTPS" in wrong.body:
        yield _no_hooks(target.backend, wrong)
        raise _Stop
    right = wrong if target.secret is None else _ask(target, target.secret)
    by = f", by {right.headers['server']}" if "server" in right.headers else ""
    if right.status not in (400, 403):
        yield _no_hooks(target.backend, right)
        raise _Stop
    yield CheckResult("path", "ok", f"{path} is answered{by}")
    get = _ask(target, target.secret, b"", "GET")
    if get.status != 405:
        text = f"{path} answers a GET with {get.status}: hooks refuse it, with 405"
        yield CheckResult(
            "method", "warning", text, "is the URL that of the hooks, and what is in between transparent?"
        )
    if wrong.status == 400:
        yield CheckResult(
            "wrong_secret",
            "warning" if target.insecure else "error",
            f"a made-up secret gets as far as the right one ({wrong.status}: {wrong.excerpt!r}): anybody who reaches "
            "the hooks could be anyone",
            "set PROXYHOOKS_SECRETS, without PROXYHOOKS_INSECURE; let no proxy in between set the header",
        )
    else:
        yield CheckResult("wrong_secret", "ok", "a made-up secret is refused")
    if target.secret is None:
        fix = "give it with --secret, or in CENTRIFUGO_VAR_PROXYHOOKS_SECRET, or the application with flask --app"
        if not target.insecure:
            yield CheckResult("secret", "warning", "the secret is not known, so only a made-up one was tried", fix)
    elif right.status == 403:
        yield CheckResult(
            "secret",
            "error",
            f"the secret is refused (403: {right.excerpt!r}): every event would be error 100",
            f"it must be in the PROXYHOOKS_SECRETS of the running application, which a restart reads anew; does a "
            f"proxy in between remove {SECRET_HEADER}, or refuse by itself?",
        )
        raise _Stop
    else:
        yield CheckResult("secret", "ok", "the secret is accepted")


def _no_hooks(backend: BackendURL, reply: HTTPResponse) -> CheckResult:
    path, status = backend.path(), reply.status
    said = f"{path} is answered {status}: {reply.excerpt!r}"
    if 300 <= status < 400:
        return _redirect(backend, reply)
    if status < 300:
        text = f"{said}, by something that is no hook; of JSON Centrifugo makes consent"
        return CheckResult("path", "error", text, "the endpoint must be the URL of a hook")
    if status in (404, 405):
        fix = "is --prefix the url_prefix of ProxyHooks, and does a proxy in between pass the whole path on?"
    elif status == 400:
        fix = "the port speaks TLS: the URL begins with https://"
    elif status == 401:
        fix = "something in front asks for a login: let it leave the hooks alone, which ask for their secret"
    elif status in (502, 503, 504):
        fix = "the proxy in between does not reach the application: see its log"
    else:
        fix = "see the server's log"
    return CheckResult("path", "error", f"{said}; to Centrifugo that is error 100, for ever", fix)


def _redirect(backend: BackendURL, reply: HTTPResponse) -> CheckResult:
    asked = backend.root + backend.path()
    goal = urljoin(asked, reply.headers.get("location", ""))
    text = f"{asked} redirects to {goal} ({reply.status}), and Centrifugo follows, with the secret"
    here, there = urlsplit(asked), urlsplit(goal)
    if here.path.rstrip("/") == there.path.rstrip("/"):
        fix = f"write {urlunsplit((there.scheme, there.netloc, here.path, '', ''))} in the endpoint"
        if here[:2] == there[:2]:
            fix = "the URLs of hooks have no slash at their end: let what redirects leave them as they are"
        if reply.status in (301, 302, 303):
            text += ", with a GET instead of the POST"
        return CheckResult("redirect", "error", text, fix)
    return CheckResult(
        "redirect",
        "error",
        f"{text}: JSON that it finds there lets the client in",
        f"if that is a login, let what redirects leave {backend.prefix}/ alone: the hooks ask for their secret",
    )


def _reply(target: DoctorOptions) -> Iterator[CheckResult]:
    if target.secret is None and not target.insecure:
        return
    reply = _ask(target, target.secret, _HOSTILE)
    try:
        code = json.loads(reply.body)["error"]["code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        code = None
    if reply.status == 200 and code is not None:
        yield CheckResult("reply", "ok", f"a refusal arrives as it was sent: 200 and the error {code}")
    else:
        text = f"a refusal that should be 200 and an error arrives as {reply.status}: {reply.excerpt!r}"
        yield CheckResult("reply", "warning", text, "does a proxy in between refuse the request, or rewrite the reply?")
