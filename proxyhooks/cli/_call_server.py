"""The request of ``call`` to a running server."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Final

import click

from .._settings.secrets import SECRET_HEADER
from .._settings.setting import shown_url
from ..testing.transport import AppResponse

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TIMEOUT: Final = 10
"""Seconds, for a reply."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def call_server(root: str, path: str, body: bytes, secret: str | None, headers: dict[str, str]) -> AppResponse:
    """Send the request and return the reply. Redirects are not followed.

    :raises click.ClickException: if it cannot be sent, or there is no reply.
    """
    if not root.startswith(("http://", "https://")) or "@" in root:
        raise click.UsageError(
            f"--url must be the root URL of the application, such as http://127.0.0.1:8070, not {shown_url(root)}"
        )
    url = root.rstrip("/") + path
    all_headers = {"Content-Type": "application/json"} | headers | ({SECRET_HEADER: secret} if secret else {})
    for name, value in all_headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise click.UsageError("the name of a --header may have letters, digits and dashes only")
        if not value.isascii() or not value.isprintable():  # http.client would show the value
            raise click.UsageError(f"the value of the header {name} has characters that are not printable ASCII")
    request = urllib.request.Request(url, body, all_headers, method="POST")  # noqa: S310  # checked above
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return AppResponse(response.status, response.read())
    except urllib.error.HTTPError as error:
        return AppResponse(error.code, error.read(), error.headers.get("Location"))
    except OSError as error:
        raise click.ClickException(f"{shown_url(url)} does not reply: {getattr(error, 'reason', error)}") from None
    except (HTTPException, ValueError) as error:  # not HTTP, not a URL, or not a header
        raise click.ClickException(f"{shown_url(url)} cannot be called: {type(error).__name__}") from None
