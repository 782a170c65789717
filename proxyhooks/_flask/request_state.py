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
    """A function, with its arguments, that runs after the reply was sent."""

    name: str
    """The function with its file and line, for the log."""
    run: Callable[[], object]


@dataclass(slots=True)
class RequestState:
    """What is known about one request of Centrifugo.

    The middleware makes it. In a view without the decorators, :func:`proxyhooks.read_request` does.
    """

    app: Flask
    path: str
    call: Call
    guarded: bool
    """Whether the middleware decides which response may leave: the request goes to a hook."""
    reply: Reply | None = None
    """The decision so far. ``None`` before there is one, and after a failure."""
    error: Exception | None = None
    """The last exception that Flask's error handlers were called with."""
    background_tasks: tuple[BackgroundTask, ...] = ()
    """What :func:`proxyhooks.after_reply` was given, in order."""

    def store_in(self, environ: WSGIEnvironment) -> None:
        """Store the state where :func:`request_state` finds it."""
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

    :raises RuntimeError: if it has none: it is not one of Centrifugo's, or there is no request.
    """
    state = request_state()
    if state is None:
        raise RuntimeError(
            "there is no request from Centrifugo here: current_request and after_reply work in hooks and in the "
            "functions that run before or after them; in a view of your own call read_request first"
        )
    return state


# Any: the class depends on the event, which no type can express.
current_request: Any = LocalProxy(lambda: require_request_state().call.message)
"""The request message being answered, from ``before_request`` on; in a view of your own after ``read_request``.

:raises RuntimeError: if it is used elsewhere.
"""
