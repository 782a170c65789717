"""Requests as Centrifugo writes them, and how they reach the application without a network."""

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
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from .._dispatch.events import EVENTS, Event
from .._settings.secrets import SECRET_HEADER
from .._wire import clock
from .._wire.environ_keys import RUN_TASKS_IN_PLACE
from .._wire.fields import fields_of
from .._wire.requests import ClientRequest


class _NoPayload:
    def __repr__(self) -> str:
        return "NO_PAYLOAD"


NO_PAYLOAD: Final[Any] = _NoPayload()
"""The default of ``data``: the request has no payload. ``None`` is the payload null."""
# Go escapes these characters, so that the JSON can be part of an HTML page.
_GO_ESCAPES: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class AppResponse:
    """The application's response."""

    status: int
    body: bytes
    location: str | None = None
    """Where a redirect leads."""
    error: BaseException | None = None
    """An exception that the application has not handled."""


def to_go_json(value: Any) -> str:
    """JSON as Go's encoder writes it."""
    return _to_browser_json(value).translate(_GO_ESCAPES)


def _to_browser_json(value: Any) -> str:
    """JSON as ``JSON.stringify`` writes it."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.encode(errors="backslashreplace").decode()  # half a surrogate pair becomes the escape of JSON


def payload_bytes(data: Any) -> bytes | None:
    """The payload as the client sends it; None if there is none."""
    if data is NO_PAYLOAD:
        return None
    return data if isinstance(data, bytes) else _to_browser_json(data).encode()


def _position(event: Event, field_name: str) -> int:
    """The sort key of a field: Centrifugo writes ``meta`` last, or in some events before ``data``."""
    if field_name == "meta":
        return 1
    return 2 if field_name == "data" and event.data_follows_meta else 0


def request_body(event_name: str, values: Mapping[str, Any], binary_encoding: bool) -> dict[str, Any]:
    """The request with these values, in Centrifugo's order and without empty values, which it leaves out."""
    event = EVENTS[event_name]
    request: Any = event.request
    body: dict[str, Any] = {}
    for wire_field in sorted(fields_of(request), key=lambda wire_field: _position(event, wire_field.name)):
        name, base64_name = wire_field.name, wire_field.base64_name
        value = values.get(name, NO_PAYLOAD)
        if value is NO_PAYLOAD:
            continue
        may_be_empty = base64_name is not None or name == "meta" or (name == "user" and not event.omits_anonymous_user)
        if base64_name is not None and (binary_encoding or isinstance(value, bytes)):
            body[base64_name] = base64.b64encode(payload_bytes(value) or b"").decode()
        elif may_be_empty or value not in ("", None, 0, []):
            body[name] = value
    return body


@dataclass(slots=True)
class AppTransport:
    """Sends requests to a Flask application through its WSGI interface."""

    app: Flask
    urls: Mapping[str, str]
    """The URL of each event."""
    secret: str | None = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    """The client's headers that Centrifugo forwards with events of a client."""

    def send(self, event: str, body: bytes, ahead: float) -> AppResponse:
        """Send a request in an empty context, so that no context variable of the caller is visible to the application.

        :param ahead: seconds by which the application's clock is ahead, where it resolves a timedelta.
        """
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
        environ[RUN_TASKS_IN_PLACE] = True
        unhandled: list[BaseException] = []

        def record(_: Flask, exception: BaseException, **__: Any) -> None:
            unhandled.append(exception)

        with clock.ahead(ahead), got_request_exception.connected_to(record, sender=self.app):
            try:
                chunks, status, response_headers = run_wsgi_app(self.app, environ, buffered=True)
                response = b"".join(chunks)
            except Exception as error:  # an application in TESTING mode does not handle exceptions
                return AppResponse(500, b"", error=error)
        location = response_headers.get("Location")
        return AppResponse(int(status.split()[0]), response, location, unhandled[0] if unhandled else None)
