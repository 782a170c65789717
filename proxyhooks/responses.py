"""For views of your own, without the decorators: read what Centrifugo asks, and answer it.

::

    @app.post("/centrifugo/connect")
    def connect():
        req = read_request(ConnectRequest)
        return result_response(ConnectResult(user="42"))

What the decorators do besides is left to you: nothing guards the way out, so no ``before_request`` may redirect.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast, get_origin, overload

import flask
from flask import Flask, Response

from . import disconnects, errors
from ._dispatch.events import BY_MESSAGE, Event
from ._dispatch.replies import Reply, refusal_reply, result_reply
from ._flask.ingress import HTTPRejection, authenticate_and_check_size, read_call, size_limit
from ._flask.middleware import CURRENT, Passage, response_of
from ._settings.settings import load_secrets
from ._wire.codes import DISCONNECTS, ERRORS
from .exceptions import Disconnect, Error, Rejection
from .messages import Request, Result, RPCRequest

__all__ = ["disconnect_response", "error_response", "read_request", "result_response"]

RequestT = TypeVar("RequestT", bound=Request)


def read_request(message: type[RequestT]) -> RequestT:
    """The message of the current Flask request: method, size, secret and message are checked as for a hook.

    :raises werkzeug.exceptions.HTTPException: with the answer, 403, 405, 413 or 400, or the error 107 for JSON built
        to break a parser; let Flask handle it.
    :raises SetupError: if no secret is configured.
    :raises TypeError: if it is no class of a request.
    """
    wanted = get_origin(message) or message
    event = BY_MESSAGE.get(wanted)
    if event is None or event.request is not wanted:
        raise TypeError(f"read_request takes the class of a request, such as ConnectRequest, not {message!r}")
    app, request = _app(), flask.request
    before: Passage | None = request.environ.get(CURRENT)
    if before is not None and type(before.message) is wanted:
        return cast(RequestT, before.message)  # once more
    limit = size_limit(app)
    try:
        authenticate_and_check_size(request.environ, load_secrets(app.config), limit)
        request.max_content_length = limit
        call = read_call(event, request.get_data())  # a before_request may have read it already
    except HTTPRejection as refused:
        flask.abort(_response(refused.answer))
    request.environ[CURRENT] = Passage(call.message, app)
    return cast(RequestT, call.message)


def result_response(result: Result) -> Response:
    """The result as a reply.

    :raises TypeError: if it is no result, or of another event than ``read_request`` has read, or something in it is
        not JSON.
    :raises ValueError: if a number in it is not finite, or bytes are no JSON for a client that speaks JSON.
    """
    event = next((BY_MESSAGE[cls] for cls in type(result).__mro__ if cls in BY_MESSAGE), None)
    if event is None or not isinstance(result, event.result):
        raise TypeError(f"result_response takes a result, such as ConnectResult(user=...), not {result!r}")
    message = _current_message()
    if message is not None and not isinstance(message, event.request):
        wanted = BY_MESSAGE[type(message)].result.__name__
        raise TypeError(f"a {type(message).__name__} is answered with a {wanted}, not {result!r}")
    return _response(result_reply(event, result, message))


@overload
def error_response(error: Error | type[Error], /) -> Response: ...
@overload
def error_response(code: int, message: str = ..., /, *, temporary: bool | None = None) -> Response: ...
def error_response(error: Any, /, *args: Any, temporary: bool | None = None) -> Response:
    """A refusal as a reply: ``errors.PermissionDenied``, ``RoomIsFull()``, ``103`` or ``1001, "room is full"``.

    Where Centrifugo carries no errors it becomes what does the same, as from a hook: after
    ``read_request(RefreshRequest)`` an ``expired`` result, or HTTP 500 for a temporary one.

    :raises TypeError: if it is none of these.
    :raises ValueError: if no reply may carry the code.
    """
    if isinstance(error, int) and not isinstance(error, bool):
        if error in ERRORS:
            return _refusal(errors.by_code(error)(*args, temporary=temporary))
        return _refusal(Error(error, *args, temporary=temporary))
    return _refusal(_made(Error, error, args if temporary is None else (*args, temporary)))


@overload
def disconnect_response(disconnect: Disconnect | type[Disconnect], /) -> Response: ...
@overload
def disconnect_response(code: int, reason: str = ..., /) -> Response: ...
def disconnect_response(disconnect: Any, /, *args: Any) -> Response:
    """A disconnect as a reply: ``disconnects.ForceNoReconnect``, an instance, ``3503`` or ``4501, "unauthorized"``.

    :raises TypeError: if it is none of these.
    :raises ValueError: if no reply may carry the code.
    """
    if isinstance(disconnect, int) and not isinstance(disconnect, bool):
        if disconnect in DISCONNECTS:
            return _refusal(disconnects.by_code(disconnect)(*args))
        return _refusal(Disconnect(disconnect, *args))
    return _refusal(_made(Disconnect, disconnect, args))


def _made(kind: type[Error] | type[Disconnect], given: Any, more: tuple[Any, ...]) -> Rejection:
    if more:
        raise TypeError(f"{given!r} says it all: give the text to the class, {more!r} cannot be added here")
    if isinstance(given, type) and issubclass(given, kind):
        return given()
    if isinstance(given, kind):
        return given
    raise TypeError(f"this takes a class, an instance or a code of {kind.__name__}, not {given!r}")


def _refusal(rejection: Rejection) -> Response:
    message = _current_message()
    # Without read_request it is not known which event this answers; most can carry everything.
    event: Event = BY_MESSAGE[RPCRequest if message is None else type(message)]
    return _response(refusal_reply(event, rejection, message))


def _current_message() -> Request | None:
    passage: Passage | None = flask.request.environ.get(CURRENT) if flask.has_request_context() else None
    return None if passage is None else passage.message


def _response(answer: Reply) -> Response:
    return response_of(_app(), answer)


def _app() -> Flask:
    app: Flask = flask.current_app._get_current_object()  # type: ignore[attr-defined]  # it is a LocalProxy
    return app
