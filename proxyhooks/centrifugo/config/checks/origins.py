"""Checks of the allowed origins. Centrifugo reads each as a pattern for the whole origin, in lower case."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from ..findings import Finding
from .context import Context

_EVERY_ORIGIN: Final = re.compile(r"\*+")
_EVERY_SITE: Final = re.compile(r"(http)?[s*]*(://)?\*+|null")
"""Matches what allows pages of every site: any of them can have a frame whose origin is ``null``."""
_LITERAL: Final = re.compile(r"[^*?\[{\\]*")
"""The text before the first character with a meaning in patterns."""
_ALTERNATIVES: Final = re.compile(r"\{[^}]*\}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}
_IPV6: Final = re.compile(r"(?<!\\)\[([0-9a-f:.]*:[0-9a-f:.]*)\]")


def no_allowed_origin(context: Context) -> Iterator[Finding]:
    if not any(context.root.texts("client.allowed_origins")):
        yield Finding(
            id="PH015",
            path="client.allowed_origins",
            text="no origin is allowed, so every browser is refused with 403, even for a page of the same host",
            fix='"allowed_origins": ["https://your.site"]',
        )


def odd_origin(context: Context) -> Iterator[Finding]:
    origins = context.root.texts("client.allowed_origins")
    if any(map(_EVERY_ORIGIN.fullmatch, origins)):
        return
    for index, origin in enumerate(origins):
        if origin and (problem := origin_problem(origin)):
            text, fix = problem
            path = f"client.allowed_origins[{index}]"
            yield Finding(id="PH035", path=path, text=f"no browser sends the origin {origin!r}: {text}", fix=fix)


def cookies_of_every_site(context: Context) -> Iterator[Finding]:
    """Browsers send a site's cookies with WebSockets that a page of another site opens."""
    forwarded = [header.lower() for proxy in context.proxies for header in proxy.options.texts("http_headers")]
    if "cookie" not in forwarded:
        return
    for index, origin in enumerate(context.root.texts("client.allowed_origins")):
        if _EVERY_SITE.fullmatch(origin):
            text = f"{origin!r} lets pages of every site connect, and with the cookies of their visitors"
            path = f"client.allowed_origins[{index}]"
            yield Finding(id="PH036", path=path, text=text, fix='list the origins of your pages: "https://your.site"')
            return


def origin_problem(origin: str) -> tuple[str, str] | None:
    """Why an allowed origin matches none that a browser sends, and the remedy; ``None`` if it may match."""
    if origin != (stripped := origin.strip("[]\"', \t\n")) and re.search("[\"',\\s]", origin):
        fix = f"write {json.dumps(stripped)}; in the variable, origins have spaces between them and nothing else"
        return "it has no brackets, quotes, commas or spaces", fix
    if re.search(r"[,\s]", _ALTERNATIVES.sub("", origin)):
        return "it has no commas or spaces", "write each origin as one text of the list"
    if not origin.isascii() or origin != origin.lower():
        return "it is in lower case, and in ASCII", f"write {json.dumps(_in_ascii(origin))}"
    if address := _IPV6.search(origin):
        escaped = origin.replace(address[0], f"\\[{address[1]}\\]")
        return "in a pattern, brackets stand for one character", f"write {json.dumps(escaped)}"
    if re.search(r"(?<!\\)\[(?![^\]]+\])", origin):
        return "the [ has no ], so Centrifugo does not start", "remove the ["
    return _problem_of_parts(origin)


def _problem_of_parts(origin: str) -> tuple[str, str] | None:
    literal = _LITERAL.match(origin)
    start = literal[0] if literal else ""
    if origin == "null" or not start:
        return None
    scheme, has_scheme, host = origin.partition("://")
    if not has_scheme:
        if "http".startswith(start) or "https".startswith(start):  # such as http*
            return None
        return "it begins with a scheme", f'write "https://{origin}"'
    if scheme in ("ws", "wss"):
        return f"{scheme} is no scheme of a page", f"write {json.dumps(f'http{scheme[2:]}://{host}')}"
    if _SCHEME.fullmatch(scheme) and (found := re.search("[/@]", _ALTERNATIVES.sub("", host))) and scheme != "file":
        what = "it ends with the host and the port" if found[0] == "/" else "it has no user"
        host = host.partition("/")[0].rpartition("@")[2]
        return what, f"write {json.dumps(f'{scheme}://{host}')}"
    port = _DEFAULT_PORT.get(scheme, "")
    if port and host.endswith(port):
        return f"it leaves out {port}", f"write {json.dumps(f'{scheme}://{host.removesuffix(port)}')}"
    return None


def _in_ascii(origin: str) -> str:
    scheme, slashes, host = origin.lower().rpartition("://")
    try:
        return f"{scheme}{slashes}{host.encode('idna').decode('ascii')}"
    except UnicodeError:  # the host is no host name
        return origin.lower()


ORIGIN_CHECKS: Final = (no_allowed_origin, odd_origin, cookies_of_every_site)
