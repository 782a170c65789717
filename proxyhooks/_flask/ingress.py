"""The way in: from the WSGI environ to a message, before any function of the application runs."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from werkzeug.wsgi import get_content_length, get_input_stream

from .. import errors
from .._dispatch.events import Event
from .._dispatch.replies import Reply, refusal_reply
from .._settings.secrets import SECRET_HEADER, ReceivedSecret, Secrets
from .._wire.decoding import Decoder
from .._wire.environ_keys import CLOSE_CONNECTION
from .._wire.json import Malformed, TooComplex, loads
from .._wire.log import rate_limited
from ..messages import ConnectRequest, Request
from ..schemas import explain
from .call_log import about_event

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

DEFAULT_MAX_CONTENT_LENGTH: Final = 1024 * 1024
"""Bytes of a body, where the application does not set ``MAX_CONTENT_LENGTH``."""
SECRET_KEY: Final = "HTTP_" + SECRET_HEADER.upper().replace("-", "_")
# The beginning of Centrifugo's requests, for JSON that cannot be parsed. The log names the client. The transport of a
# connect request decides its reply: a refusal of a unidirectional client is another one.
_BEGINNING: Final = re.compile(rb'\{"client":"([^"]*)"(?:,"transport":"([^"]*)")?')


class EarlyReply(Exception):
    """The reply to a request that no function of the application sees."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


def early_failure(status: int, text: str) -> EarlyReply:
    """An early reply with a status of 4xx or 5xx. Centrifugo drops the text; it is for people who watch the wire."""
    return EarlyReply(Reply(status, f"{text}\n".encode(), "failed"))


def authenticate_and_check_size(environ: WSGIEnvironment, event: Event, secrets: Secrets, limit: int) -> int | None:
    """Check method, size and secret, without reading the body. The secret is removed from the environ.

    :return: the length of the body in bytes, ``None`` if the request does not tell it.
    :raises EarlyReply: with 405, 413 or 403.
    """
    received = take_secret(environ)
    if environ["REQUEST_METHOD"] != "POST":
        raise early_failure(405, "Centrifugo's proxy sends POST")
    header = environ.get("CONTENT_LENGTH") or ""
    # The usual request needs no more than int(), which is faster.
    is_usual = header.isdecimal() and len(header) < 16 and "HTTP_TRANSFER_ENCODING" not in environ
    length = int(header) if is_usual else get_content_length(environ)
    if length is not None and length > limit:
        path, text = environ.get("PATH_INFO"), "%s: a body of %d bytes is larger than MAX_CONTENT_LENGTH, %d"
        with about_event(event):
            rate_limited.warning(text, path, length, limit)
        raise early_failure(413, "too large")
    if not secrets.accept(received):
        which, peer = "a wrong" if received else "no", environ.get("REMOTE_ADDR", "an unknown address")
        with about_event(event):
            rate_limited.warning(f"%s: {which} %s from %s", environ.get("PATH_INFO"), SECRET_HEADER, peer)
        raise early_failure(403, "forbidden")
    return length


def take_secret(environ: WSGIEnvironment) -> ReceivedSecret:
    """Remove the secret from the environ, before anything can raise or log, so that error reporters never see it."""
    return ReceivedSecret(environ.pop(SECRET_KEY, None))


def read_body(environ: WSGIEnvironment, event: Event, length: int | None, limit: int) -> bytes:
    """Read the body, and put it back for Flask's request.

    :param length: the number of bytes, ``None`` if it is not known.
    :param limit: the most bytes that are read.
    :raises EarlyReply: with 400 if the body cannot be read or ends too early, with 413 if it is too large.
    """
    try:
        if length is None:  # chunked, or no body
            body = get_input_stream(environ, max_content_length=limit + 1).read()
        else:
            body = environ["wsgi.input"].read(length)
            while len(body) < length and (more := environ["wsgi.input"].read(length - len(body))):
                body += more
    except Exception as error:  # for chunks that are none, gunicorn has classes of its own
        environ[CLOSE_CONNECTION] = True  # the server may not find the end of the body
        path, text = environ.get("PATH_INFO"), "%s: the body cannot be read: %s"
        with about_event(event):
            rate_limited.warning(text, path, repr(error))
        raise early_failure(400, "the body cannot be read") from None
    if length is None:
        if len(body) > limit:
            text = "%s: the body is larger than MAX_CONTENT_LENGTH, %d"
            with about_event(event):
                rate_limited.warning(text, environ.get("PATH_INFO"), limit)
            raise early_failure(413, "too large")
        environ["CONTENT_LENGTH"] = str(len(body))
    elif len(body) < length:
        raise early_failure(400, "the body ended too early")
    environ["wsgi.input"] = BytesIO(body)
    return body


def read_message(event: Event, decode: Decoder, body: bytes) -> tuple[Request, int]:
    """Decode the body.

    :param decode: makes a message of the event out of JSON.
    :return: the message, and the bytes that its payload has at most, which are 0 if there is none.
    :raises EarlyReply: with 400. JSON built to break a parser is error 107 instead, where the event carries errors.
    """
    value: Any = None
    try:
        value = loads(body)
        return decode(value), len(body) if "data" in value or "b64data" in value else 0
    except Malformed as error:
        reason = explain(event.request, value) if value is not None else error
        with about_event(event, value if isinstance(value, dict) else {}):
            rate_limited.warning("%s: the body does not fit %s: %s", event.name, event.request.__name__, reason)
        raise early_failure(400, "not a message of Centrifugo's proxy protocol") from None
    except TooComplex as error:
        beginning = _BEGINNING.match(body)
        client, transport = (
            [(part or b"").decode("ascii", "replace") for part in beginning.groups()] if beginning else ("", "")
        )
        with about_event(event, {"client": client} if client else {}):
            rate_limited.warning("%s: the body is refused: %s", event.name, error)
        if not event.carries_error:
            raise early_failure(400, "refused") from None
        request = ConnectRequest(transport=transport) if transport and event.request is ConnectRequest else None
        raise EarlyReply(refusal_reply(event, errors.BadRequest(), request)) from None


def size_limit(app: Flask) -> int:
    """The most bytes that a body may have: ``MAX_CONTENT_LENGTH``, by default 1 MiB."""
    limit: int | None = app.config["MAX_CONTENT_LENGTH"]
    return DEFAULT_MAX_CONTENT_LENGTH if limit is None else limit
