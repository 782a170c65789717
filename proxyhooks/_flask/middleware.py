"""The WSGI middleware around ``app.wsgi_app``: requests to a hook's URL come in and leave here.

On the way in ``ingress`` checks the request and reads the message, and the dispatcher finds its hook, before any
function of the application runs. On the way out ``guarded_response`` decides what may leave.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flask import Flask

from .._dispatch.dispatcher import Dispatcher
from .._dispatch.events import Event
from .._dispatch.refusals import as_rejection
from .._dispatch.replies import Reply
from .._dispatch.routes import Match
from .._settings.secrets import Secrets
from .._wire.decoding import Decoder, decoder_for
from .._wire.environ_keys import ACCEPTED, CLOSE_CONNECTION, RUN_TASKS_IN_PLACE
from .._wire.in_flight import calls_in_flight
from .._wire.log import rate_limited
from ..messages import Request
from ..signals import hook_finished
from .call_log import about_event
from .error_handling import refuse, replace_base_exception
from .finished_calls import finished_call, observers, tell
from .guarded_response import FAILURE, GuardedResponse, start_background_tasks, start_reply
from .hook_views import HookViews
from .ingress import (
    EarlyReply,
    authenticate_and_check_size,
    early_failure,
    read_body,
    read_message,
    size_limit,
    take_secret,
)
from .load_shedding import LoadShedder
from .opentelemetry import name_spans
from .probes import Probes
from .request_state import STATE_KEY, RequestState
from .sentry import describe_to_sentry
from .unexpected_answers import UnexpectedAnswers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASHES: Final = re.compile("/{2,}")


@dataclass(slots=True)
class HookURL:
    """A URL that serves the hooks of one event, and what its requests are checked with."""

    event: Event
    views: HookViews
    secrets: Secrets
    load_shedder: LoadShedder
    get_dispatcher: Callable[[], Dispatcher]
    """Builds the dispatcher on the first call. From then on no hook can be registered."""
    decode: Decoder = field(init=False)
    _dispatcher: Dispatcher | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.decode = decoder_for(self.event.request)

    def find_hook(self, message: Request) -> Match | None:
        """Find the hook that serves the request. None: hooks serve the event, but none serves this request.

        :raises EarlyReply: with 404 if no hook serves the event.
        """
        if (dispatcher := self._dispatcher) is None:
            dispatcher = self.get_dispatcher()
            with about_event(self.event):  # the log says so once
                is_served = dispatcher.serves(self.event)
            if not is_served:
                raise early_failure(404, "no hook serves this event")
            self._dispatcher = dispatcher
        return dispatcher.find(self.event, message)


class Middleware:
    """The WSGI application around ``app.wsgi_app``. Requests to URLs of neither hooks nor probes pass unchanged."""

    def __init__(self, app: Flask, probes: Probes, wsgi_app: WSGIApplication) -> None:
        self.hook_urls: dict[str, HookURL] = {}
        """By path."""
        self.probes = probes
        self.wsgi_app = wsgi_app
        self.hook_app = wsgi_app
        """Where accepted requests to a hook's URL go: ``wsgi_app``, or the fast path in its place."""
        self._app = app
        self._spans_named = False
        self._unexpected_answers = UnexpectedAnswers(app)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        hook_url = self.hook_urls.get(path) or self.hook_urls.get(_canonical(path))
        if "sentry_sdk" in sys.modules:
            describe_to_sentry(environ, None if hook_url is None else hook_url.event)
        if hook_url is None:
            return self._serve_other(path, environ, start_response)
        started = time.monotonic()
        calls_in_flight.append(None)
        state: RequestState | None = None
        sent, error = FAILURE, None  # for hook_finished, unless something else is decided
        try:
            state = environ[STATE_KEY] = self._accept(path, hook_url, environ)
            response = GuardedResponse(state, start_response, self._unexpected_answers)
            body = response.body(self.hook_app(environ, response.start_response))
            sent = state.sent or FAILURE
            return body
        except EarlyReply as early:
            sent = early.reply
            return _send(environ, start_response, sent)
        except BaseException as raised:
            error = raised
            if state is not None:
                start_background_tasks(state)
                rejection = None if isinstance(raised, Exception) or state.sent is not None else as_rejection(raised)
                if rejection is not None:  # in a BaseExceptionGroup, which Flask does not handle
                    sent, error = refuse(state, rejection, raised), None
                    return _send(environ, start_response, sent)
            replace_base_exception(raised, f"a function around the hook for {hook_url.event.name}")
            raise
        finally:
            calls_in_flight.pop()
            if observers or hook_finished.receivers:
                call = finished_call(hook_url.event, environ, started, state, sent, error)
                tell(self._app, hook_url.event, state, call)

    def _serve_other(self, path: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request to another URL: as a probe, or by the application."""
        if path in self.probes.paths and (body := self.probes.answer(environ, start_response)) is not None:
            return body
        if not self._spans_named:  # Centrifugo may send the secret to a wrong URL, before any to a right one
            name_spans(self._app)
            self._spans_named = True
        return self.wsgi_app(environ, start_response)

    def _accept(self, path: str, hook_url: HookURL, environ: WSGIEnvironment) -> RequestState:
        """Check the request and decode its body.

        :raises EarlyReply: if the request goes no further.
        """
        if path not in self.hook_urls:  # Flask would route it to the hook, past the checks below
            take_secret(environ)
            with about_event(hook_url.event):
                text = "%s is not the URL of a hook: %s is"
                rate_limited.warning(text, path, _canonical(path))
            raise early_failure(404, "no hook is here")
        event, limit = hook_url.event, size_limit(self._app)
        length = authenticate_and_check_size(environ, event, hook_url.secrets, limit)
        environ[ACCEPTED] = True
        if hook_url.load_shedder.should_shed(environ, event):
            raise early_failure(503, "too late")
        message, payload_size = read_message(event, hook_url.decode, read_body(environ, event, length, limit))
        match = hook_url.find_hook(message)
        view = None if match is None else hook_url.views.by_hook[match.route.hook]
        in_place = self._app.config["TESTING"] or RUN_TASKS_IN_PLACE in environ
        return RequestState(self._app, path, event, message, payload_size, in_place, match, view)


def _canonical(path: str) -> str:
    return _SLASHES.sub("/", path).rstrip("/")


def _send(environ: WSGIEnvironment, start_response: StartResponse, reply: Reply) -> Iterable[bytes]:
    if reply.status == 403:
        environ[CLOSE_CONNECTION] = True
    start_reply(start_response, reply)
    # gunicorn warns of a body in a reply to HEAD.
    return (reply.body,) if environ["REQUEST_METHOD"] != "HEAD" else ()
