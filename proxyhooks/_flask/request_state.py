"""The state of one request from Centrifugo, from the message to the reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import flask
from flask import Flask
from werkzeug.local import LocalProxy

from .. import messages as m
from .._dispatch.events import Event
from .._dispatch.replies import Reply
from .._dispatch.routes import Match
from .background_queue import BackgroundTask
from .hook_views import HookView

STATE_KEY: Final = "proxyhooks.request_state"
"""The key of the state in the WSGI environ."""


@dataclass(slots=True)
class RequestState:
    """What is known about one request of Centrifugo.

    The middleware makes it. In a view without the decorators, :func:`proxyhooks.read_request` does.
    """

    app: Flask
    path: str
    event: Event
    message: m.Request
    """The request as the hook gets it."""
    payload_size: int
    """Bytes that the payload has at most; 0 without one. In the message an absent payload and null are both None."""
    tasks_in_place: bool = False
    """Whether the thread of the request runs the background tasks, as in tests."""
    match: Match | None = None
    """The hook that serves the request, and the variables of its pattern. None: no hook does."""
    view: HookView | None = None
    """The endpoint and the view function of that hook."""
    guarded: bool = True
    """Whether the middleware decides which response may leave: the request goes to a hook."""
    reply: Reply | None = None
    """The decision so far. ``None`` before there is one, and after a failure."""
    sent: Reply | None = None
    """What leaves: the reply, or the status of the application's failure. ``None`` until the response is started."""
    error: Exception | None = None
    """The last exception that Flask's error handlers were called with."""
    background_tasks: tuple[BackgroundTask, ...] = ()
    """What :data:`proxyhooks.after_reply` was given, in order."""

    @property
    def hook(self) -> str | None:
        """Module and qualified name of the hook; ``None`` if no hook serves the request."""
        return None if self.match is None else self.match.route.hook.name

    @property
    def pattern(self) -> str | None:
        """The pattern of the hook; ``None`` if it has none."""
        pattern = None if self.match is None else self.match.route.pattern
        return None if pattern is None else pattern.text

    @property
    def name(self) -> str:
        """The event, and the pattern of the hook if it has one, such as ``rpc order``."""
        pattern = self.pattern
        return self.event.name if pattern is None else f"{self.event.name} {pattern}"


def request_state() -> RequestState | None:
    """The state of Flask's current request; ``None`` if there is no request, or if it is not one of Centrifugo's."""
    if not flask.has_request_context():
        return None
    state: RequestState | None = flask.request.environ.get(STATE_KEY)
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
current_request: Any = LocalProxy(lambda: require_request_state().message)
"""The request message being answered, from ``before_request`` on; in a view of your own after ``read_request``.

:raises RuntimeError: if it is used elsewhere.
"""
