"""The way in: from what WSGI has to a message, before any function of the application runs."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import get_content_length, get_input_stream

from .. import errors
from .._dispatch.dispatcher import Call
from .._dispatch.events import Event
from .._dispatch.replies import Reply, refusal_reply
from .._settings.secrets import SECRET_HEADER, Secrets
from .._wire.decoding import decoder_for
from .._wire.json import Malformed, TooComplex, loads
from .._wire.log import logger
from ..messages import ConnectRequest
from ..schemas import explain

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

DEFAULT_MAX_CONTENT_LENGTH: Final = 1024 * 1024
_SECRET: Final = "HTTP_" + SECRET_HEADER.upper().replace("-", "_")
# How Centrifugo's connect requests begin; for those that cannot be read to see whether their client is a one-way one.
_TRANSPORT: Final = re.compile(rb'\{"client":"[^"]*","transport":"([^"]*)"')


class HTTPRejection(Exception):
    """The request goes no further."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer)
        self.answer = answer


def refused(status: int, text: str) -> HTTPRejection:
    """One with a status, whose text is for whoever looks at what goes over the line."""
    return HTTPRejection(Reply(status, f"{text}\n".encode(), "failed"))


def authenticate_and_check_size(environ: WSGIEnvironment, secrets: Secrets, limit: int) -> int | None:
    """Check what can be checked without reading: method, size, secret; return the length of the body, if it is said.

    :raises HTTPRejection: with 405, 413 or 403.
    """
    if environ["REQUEST_METHOD"] != "POST":
        raise refused(405, "Centrifugo's proxy sends POST")
    said = environ.get("CONTENT_LENGTH") or ""
    plain = said.isdecimal() and len(said) < 16 and "HTTP_TRANSFER_ENCODING" not in environ
    length = int(said) if plain else get_content_length(environ)
    if length is not None and length > limit:
        path = environ.get("PATH_INFO")
        logger.warning("%s: %d bytes are more than MAX_CONTENT_LENGTH, %d", path, length, limit)
        raise refused(413, "too large")
    # From here on nobody sees it: not what reports errors with their request's headers.
    given = environ.pop(_SECRET, None)
    if not secrets.accept(given):
        said = "a wrong" if given else "no"
        logger.warning("%s: %s %s from %s", environ.get("PATH_INFO"), said, SECRET_HEADER, environ.get("REMOTE_ADDR"))
        raise refused(403, "forbidden")
    return length


def read_body(environ: WSGIEnvironment, length: int | None, limit: int) -> bytes:
    """Read the body, and leave it to be read once more by Flask's request.

    :raises HTTPRejection: with 400 if it ends too early, with 413 if it is too large.
    """
    try:
        if length is None:  # chunked, or nothing at all
            body = get_input_stream(environ, max_content_length=limit + 1).read()
        else:
            body = environ["wsgi.input"].read(length)
            while len(body) < length and (more := environ["wsgi.input"].read(length - len(body))):
                body += more
    except (OSError, HTTPException):
        raise refused(400, "the body ended too early") from None
    if length is not None and len(body) < length:
        raise refused(400, "the body ended too early")
    if length is None:
        if len(body) > limit:
            logger.warning("%s: more bytes than MAX_CONTENT_LENGTH, %d", environ.get("PATH_INFO"), limit)
            raise refused(413, "too large")
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def read_call(event: Event, body: bytes) -> Call:
    """Read the message.

    :raises HTTPRejection: with 400; JSON that is built to break a parser is error 107 where the event carries one.
    """
    message: Any = event.request  # as what it is, mypy takes it for unhashable
    value = None
    try:
        value = loads(body)
        return Call(event, decoder_for(message)(value), "data" in value or "b64data" in value)
    except Malformed as error:
        reason = explain(event.request, value) if value is not None else error
        logger.warning("%s: this is no %s: %s", event.name, event.request.__name__, reason)
        raise refused(400, "not a message of Centrifugo's proxy protocol") from None
    except TooComplex as error:
        logger.warning("%s: the body is refused: %s", event.name, error)
        if not event.carries_error:
            raise refused(400, "refused") from None
        transport = _TRANSPORT.match(body) if event.request is ConnectRequest else None
        request = ConnectRequest(transport=transport[1].decode("ascii", "replace")) if transport else None
        raise HTTPRejection(refusal_reply(event, errors.BadRequest(), request)) from None


def size_limit(app: Flask) -> int:
    """Bytes that a body may have."""
    limit: int | None = app.config["MAX_CONTENT_LENGTH"]
    return DEFAULT_MAX_CONTENT_LENGTH if limit is None else limit
