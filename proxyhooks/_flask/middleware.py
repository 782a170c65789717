"""The WSGI middleware around ``app.wsgi_app``: requests to a hook's URL come in and leave here.

On the way in ``ingress`` checks the request and reads the message, before any function of the application runs. On
the way out ``guarded_response`` decides what may leave.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Flask

from .._dispatch.dispatcher import Call, Dispatcher
from .._dispatch.events import Event
from .._dispatch.replies import Reply
from .._dispatch.signatures import source_location
from .._settings.secrets import Secrets
from .._wire.log import logger
from .guarded_response import GuardedResponse, start_background_tasks, start_reply
from .ingress import HTTPRejection, authenticate_and_check_size, http_rejection, read_body, read_call, size_limit
from .load_shedding import LoadShedder
from .request_state import RequestState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASHES: Final = re.compile("/{2,}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a hook's URL stands for."""

    event: Event
    secrets: Secrets
    load_shedder: LoadShedder
    dispatcher: Callable[[], Dispatcher]
    """Builds the dispatcher on the first call; then the registration of hooks is over."""


class Middleware:
    """A WSGI application around another one."""

    def __init__(self, app: Flask, wsgi_app: WSGIApplication) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        """By path."""
        self.wsgi_app = wsgi_app
        self.hook_app = wsgi_app
        """Where accepted requests to a hook's URL go: ``wsgi_app``, or the fast path in its place."""
        self._app = app
        self._warned: set[tuple[str, str]] = set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        endpoint = self.endpoints.get(path)
        if endpoint is None:
            if (canonical := _SLASHES.sub("/", path).rstrip("/")) in self.endpoints:
                # Flask would route it to the hook, past the checks below.
                logger.warning("%s is not the URL of a hook: %s is", path, canonical)
                return _reject(start_response, Reply(404, b"no hook is here\n", "failed"))
            return self.wsgi_app(environ, start_response)
        try:
            state = RequestState(self._app, path, self._accept(endpoint, environ), guarded=True)
        except HTTPRejection as rejection:
            return _reject(start_response, rejection.reply)
        state.enter(environ)
        response = GuardedResponse(state, start_response, self._log_unexpected, self._log_replaced)
        try:
            return response.body(self.hook_app(environ, response.start_response))
        except BaseException:
            start_background_tasks(state)
            raise

    def _accept(self, endpoint: Endpoint, environ: WSGIEnvironment) -> Call:
        """Check the request and read its message.

        :raises HTTPRejection: if it goes no further.
        """
        limit = size_limit(self._app)
        length = authenticate_and_check_size(environ, endpoint.secrets, limit)
        if endpoint.load_shedder.should_shed(environ):
            raise http_rejection(503, "too late")
        call = read_call(endpoint.event, read_body(environ, length, limit))
        if not endpoint.dispatcher().serves(endpoint.event):
            raise http_rejection(404, "no hook serves this event")
        return call

    def _log_unexpected(self, state: RequestState, status: str) -> None:
        """Log, once for each URL and status, that the application answered with a failure in place of a hook."""
        if state.reply is not None or state.error is not None:
            return
        if (state.path, status) in self._warned:
            return
        self._warned.add((state.path, status))
        functions = self._before_request_functions() or "those of extensions"
        logger.warning(
            "%s: the application answered %s before a hook was called; clients then try again and again. "
            "These functions run before hooks: %s. Let them %s",
            state.path,
            status,
            functions,
            _exemption(state.path),
        )

    def _log_replaced(self, state: RequestState, status: str) -> None:
        if state.error is not None:
            cause = f"an error handler of the application made it out of {state.error!r}"
        elif state.reply is not None:
            cause = "a function of the application replaced a failure"
        else:
            functions = self._before_request_functions() or "one of an extension"
            cause = f"a before_request function answered in place of a hook: {functions}"
        logger.error(
            "%s: the application answered %s, which Centrifugo would take for consent or follow; 500 is sent instead. "
            "Most likely %s. Let it %s",
            state.path,
            status or "nothing",
            cause,
            _exemption(state.path),
        )

    def _before_request_functions(self) -> str:
        functions = itertools.chain.from_iterable(self._app.before_request_funcs.values())
        return ", ".join(map(source_location, functions))


def _exemption(path: str) -> str:
    prefix = path.rpartition("/")[0] + "/"
    return f"leave hooks alone, which are the requests with request.path.startswith({prefix!r})"


def _reject(start_response: StartResponse, reply: Reply) -> tuple[bytes]:
    start_reply(start_response, reply)
    return (reply.body,)
