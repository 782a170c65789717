"""The state of one request from Centrifugo, from the message to the reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import flask
from flask import Flask
from werkzeug.local import LocalProxy

from .._dispatch.dispatcher import Call
from .._dispatch.replies import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ENVIRON_KEY: Final = "proxyhooks.request_state"


class BackgroundTask(NamedTuple):
    """A call to be made after the reply was sent."""

    name: str
    """Function, file and line, for the log."""
    run: Callable[[], object]


@dataclass(slots=True)
class RequestState:
    """What is known about one request: made by the middleware, in a plain view by ``read_request``."""

    app: Flask
    path: str
    """The path of the request."""
    call: Call
    guarded: bool
    """Whether the middleware guards the reply. A plain view answers for itself."""
    reply: Reply | None = None
    """The decision so far. ``None`` before there is one, and after a failure."""
    error: Exception | None = None
    """The last exception that Flask's error handlers were called with."""
    background_tasks: tuple[BackgroundTask, ...] = ()
    """The calls that :func:`proxyhooks.after_reply` collected."""

    def enter(self, environ: WSGIEnvironment) -> None:
        """Make this the state of the request with this environ."""
        environ[_ENVIRON_KEY] = self


def request_state(environ: WSGIEnvironment | None = None) -> RequestState | None:
    """The state of the request with this environ, by default of Flask's current request.

    ``None`` if there is no request, or if it is not one of Centrifugo's.
    """
    if environ is None:
        if not flask.has_request_context():
            return None
        environ = flask.request.environ
    state: RequestState | None = environ.get(_ENVIRON_KEY)
    return state


def require_request_state() -> RequestState:
    """The state of Flask's current request.

    :raises RuntimeError: if there is none.
    """
    state = request_state()
    if state is None:
        raise RuntimeError("there is no request from Centrifugo: this works in a hook and in what runs around it")
    return state


# Any: the class depends on the event, which no type can express.
current_request: Any = LocalProxy(lambda: require_request_state().call.message)
"""The request message being answered, from ``before_request`` on; in a plain view after ``read_request``.

:raises RuntimeError: if used elsewhere.
"""
