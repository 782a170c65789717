"""For views of your own, without the decorators: read a request from Centrifugo, and answer it.

::

    @app.post("/centrifugo/connect")
    def connect():
        req = read_request(ConnectRequest)
        return result_response(ConnectResult(user="42"))

Nothing guards the response of such a view: a ``before_request`` that redirects, say, lets clients in.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast, get_origin, overload

import flask
from flask import Flask, Response

from . import disconnects, errors
from ._dispatch.events import EVENT_OF_MESSAGE, Event
from ._dispatch.replies import Reply, refusal_reply, result_reply
from ._flask.guarded_response import flask_response
from ._flask.ingress import EarlyReply, authenticate_and_check_size, read_message, size_limit
from ._flask.installation import application_name
from ._flask.json_provider import json_default_of
from ._flask.request_state import STATE_KEY, RequestState, request_state
from ._settings.settings import load_secrets
from ._wire.codes import DISCONNECTS, ERRORS
from ._wire.decoding import decoder_for
from .exceptions import Disconnect, Error, Rejection
from .messages import Request, Result, RPCRequest

__all__ = ["disconnect_response", "error_response", "read_request", "result_response"]

RequestT = TypeVar("RequestT", bound=Request)


def read_request(message: type[RequestT]) -> RequestT:
    """The message in the current Flask request, after the same checks of method, size, secret and body as for hooks.

    :raises werkzeug.exceptions.HTTPException: if a check fails: 403, 405, 413 or 400, or a reply with error 107 for
        JSON built to break a parser. Let Flask handle it.
    :raises SetupError: if no secret is configured.
    :raises TypeError: if the argument is not the class of a request.
    """
    wanted = get_origin(message) or message
    event = EVENT_OF_MESSAGE.get(wanted)
    if event is None or event.request is not wanted:
        raise TypeError(f"read_request takes the class of a request, such as ConnectRequest, not {message!r}")
    state = request_state()
    if state is not None and type(state.message) is wanted:
        return cast(RequestT, state.message)  # it was read before
    app, request = _app(), flask.request
    limit = size_limit(app)
    try:
        authenticate_and_check_size(request.environ, event, load_secrets(app.config, application_name(app)), limit)
        request.max_content_length = limit
        body = request.get_data()  # also if a before_request has read it already
        read, payload_size = read_message(event, decoder_for(event.request), body)
    except EarlyReply as early:
        flask.abort(flask_response(app, early.reply))
    request.environ[STATE_KEY] = RequestState(app, request.path, event, read, payload_size, guarded=False)
    return cast(RequestT, read)


def result_response(result: Result) -> Response:
    """The response for a result.

    :raises TypeError: if the argument is not a result, belongs to another event than the request that was read, or
        has something in it that ``app.json`` cannot write.
    :raises ValueError: if a number in it is not finite, or bytes for a client that speaks JSON are not JSON.
    """
    event = next((EVENT_OF_MESSAGE[cls] for cls in type(result).__mro__ if cls in EVENT_OF_MESSAGE), None)
    if event is None or not isinstance(result, event.result):
        raise TypeError(f"result_response takes a result, such as ConnectResult(user=...), not {result!r}")
    message = _current_message()
    if message is not None and not isinstance(message, event.request):
        wanted = EVENT_OF_MESSAGE[type(message)].result.__name__
        raise TypeError(f"{type(message).__name__} is answered with {wanted}, not {result!r}")
    return _response_for(result_reply(event, result, message, json_default_of(_app())))


@overload
def error_response(error: Error | type[Error], /) -> Response: ...
@overload
def error_response(code: int, message: str = ..., /, *, temporary: bool | None = None) -> Response: ...
def error_response(error: Any, /, *args: Any, temporary: bool | None = None) -> Response:
    """The response for an error: ``errors.PermissionDenied``, ``RoomIsFull()``, ``103`` or ``1001, "room is full"``.

    An event without errors gets the reply with the same effect, as from a hook: after
    ``read_request(RefreshRequest)`` an ``expired`` result, or HTTP 500 for a temporary error.

    :raises TypeError: if the arguments are none of these.
    :raises ValueError: if no reply may carry the code.
    """
    if isinstance(error, int) and not isinstance(error, bool):
        if error in ERRORS:
            return _refusal_response(errors.by_code(error)(*args, temporary=temporary))
        return _refusal_response(Error(error, *args, temporary=temporary))
    return _refusal_response(_instance_of(Error, error, args if temporary is None else (*args, temporary)))


@overload
def disconnect_response(disconnect: Disconnect | type[Disconnect], /) -> Response: ...
@overload
def disconnect_response(code: int, reason: str = ..., /) -> Response: ...
def disconnect_response(disconnect: Any, /, *args: Any) -> Response:
    """The response for a disconnect: ``disconnects.ForceNoReconnect``, an instance, ``3503``, or a code and a reason.

    :raises TypeError: if the arguments are none of these.
    :raises ValueError: if no reply may carry the code.
    """
    if isinstance(disconnect, int) and not isinstance(disconnect, bool):
        if disconnect in DISCONNECTS:
            return _refusal_response(disconnects.by_code(disconnect)(*args))
        return _refusal_response(Disconnect(disconnect, *args))
    return _refusal_response(_instance_of(Disconnect, disconnect, args))


def _instance_of(base: type[Error] | type[Disconnect], argument: Any, extra: tuple[Any, ...]) -> Rejection:
    if extra:
        raise TypeError(f"{argument!r} takes no further arguments here, but got {extra!r}: pass them to the class")
    if isinstance(argument, type) and issubclass(argument, base):
        return argument()
    if isinstance(argument, base):
        return argument
    raise TypeError(f"expected a class, an instance or a code of {base.__name__}, not {argument!r}")


def _refusal_response(rejection: Rejection) -> Response:
    message = _current_message()
    # Without read_request the event is unknown. rpc stands for all: it carries errors and disconnects.
    event: Event = EVENT_OF_MESSAGE[RPCRequest if message is None else type(message)]
    return _response_for(refusal_reply(event, rejection, message))


def _current_message() -> Request | None:
    state = request_state()
    return None if state is None else state.message


def _response_for(reply: Reply) -> Response:
    state = request_state()
    if state is not None:
        state.reply = reply
    return flask_response(_app(), reply)


def _app() -> Flask:
    app: Flask = flask.current_app._get_current_object()  # type: ignore[attr-defined]  # it is a LocalProxy
    return app
