"""Requests as Centrifugo sends them, and the way into the application, for the test client."""

from __future__ import annotations

import base64
import contextvars
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from flask import Flask
from flask.signals import got_request_exception
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from .._dispatch.events import EVENTS
from .._settings.secrets import SECRET_HEADER
from .._wire import clock
from .._wire.fields import fields_of
from .._wire.requests import ClientRequest

ABSENT: Final[Any] = object()
"""For a payload: not there, which is not JSON null."""
# Go writes these so, that JSON may stand in a page.
_ESCAPED: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_EVENTS_WITH_USER: Final = ("refresh", "subscribe", "sub_refresh", "publish", "rpc")


@dataclass(frozen=True, slots=True)
class AppResponse:
    """What came back."""

    status: int
    body: bytes
    location: str | None = None
    """Of a redirect."""
    error: BaseException | None = None
    """What nobody in the application handled."""


def compact(value: Any) -> str:
    """JSON as Go writes it."""
    return _text(value).translate(_ESCAPED)


def _text(value: Any) -> str:
    """JSON as browsers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _place(event: str, name: str) -> int:
    """Centrifugo writes ``meta`` last, but in subscribe, where the payload is."""
    if event == "subscribe":
        return 2 if name == "data" else 1 if name == "meta" else 0
    return 1 if name == "meta" else 0


def body_of(event: str, fields: Mapping[str, Any], binary: bool) -> dict[str, Any]:
    """The fields in Centrifugo's order; empty ones are left out, as it does."""
    request: Any = EVENTS[event].request
    body: dict[str, Any] = {}
    for one in sorted(fields_of(request), key=lambda one: _place(event, one.name)):
        value = fields.get(one.name, ABSENT)
        if one.name == "user" and event in _EVENTS_WITH_USER:
            body["user"] = value
        elif one.base64_name is not None:
            if value is ABSENT:
                continue
            if binary or isinstance(value, bytes):
                raw = value if isinstance(value, bytes) else _text(value).encode()
                body[one.base64_name] = base64.b64encode(raw).decode()
            else:
                body[one.name] = value
        elif value is not ABSENT and (one.name == "meta" or value not in ("", None, 0, [])):
            body[one.name] = value
    return body


@dataclass(slots=True)
class AppTransport:
    """Where the requests go."""

    app: Flask
    urls: Mapping[str, str]
    secret: str | None = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the client that are forwarded, where there is a client."""

    def send(self, event: str, body: bytes, ahead: float) -> AppResponse:
        """Ask the application, in a context of its own: nothing that was pushed or set around it is seen in it."""
        return contextvars.Context().run(self._send, event, body, ahead)

    def _send(self, event: str, body: bytes, ahead: float) -> AppResponse:
        headers = {"User-Agent": "Go-http-client/1.1", "Content-Type": "application/json"}
        headers |= {SECRET_HEADER: self.secret} if self.secret else {}
        if issubclass(EVENTS[event].request, ClientRequest):
            headers |= self.headers
        headers["Accept-Encoding"] = "gzip"
        environ = EnvironBuilder(
            self.urls[event],
            method="POST",
            headers=Headers(headers),
            input_stream=BytesIO(body),
            content_length=len(body),
        ).get_environ()
        unhandled: list[BaseException] = []

        def note(_: Flask, exception: BaseException, **__: Any) -> None:
            unhandled.append(exception)

        with clock.ahead(ahead), got_request_exception.connected_to(note, sender=self.app):
            try:
                parts, status, sent = run_wsgi_app(self.app, environ, buffered=True)
                reply = b"".join(parts)
            except Exception as error:  # TESTING lets them through
                return AppResponse(500, b"", error=error)
        return AppResponse(int(status.split()[0]), reply, sent.get("Location"), unhandled[0] if unhandled else None)


def forwarded(given: Mapping[str, str], listed: tuple[str, ...] | None, setting: str) -> dict[str, str]:
    """The headers, if Centrifugo would forward them.

    :raises ValueError: if one is not listed.
    """
    for name in given:
        if listed is not None and name.lower() not in {header.lower() for header in listed}:
            raise ValueError(
                f"Centrifugo would not forward {name}, which the hooks do not declare: "
                f"ProxyHooks({setting}={[*listed, name]!r})"
            )
    return dict(given)


def cookie_header(cookies: Mapping[str, str], client: FlaskClient | None) -> str:
    """The Cookie header of a browser with these cookies, and those of Flask's test client."""
    pairs = dict(cookies)
    if client is not None:
        # Werkzeug lets one ask only for cookies whose names one knows.
        pairs |= {cookie.key: cookie.value for cookie in (client._cookies or {}).values()}
    return "; ".join(f"{name}={value}" for name, value in pairs.items())
