"""Flask's error handling on hooks' URLs: refusals become replies, failures stay failures.

An error handler of our own would not do: registered for ``HTTPException`` it would take the place of the application's,
and it could not tell an exception that the application leaves alone from one that it turns into a page. So the methods
are wrapped with which Flask calls error handlers.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

import flask
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from .._dispatch.refusals import as_rejection, log_other_exceptions
from .._dispatch.replies import Reply, refusal_reply
from .._wire.log import rate_limited
from ..exceptions import Rejection
from .call_log import call_log_filter, call_text
from .guarded_response import flask_response
from .request_state import RequestState, request_state


def replace_base_exception(error: BaseException, source: str) -> None:
    """Raise an Exception in place of an error that is none, such as ``gevent.Timeout``; return if there is no need.

    Flask handles Exceptions only. On any other error a server may drop the connection without a reply, or may end while
    it answers other calls.

    :param source: what raised the error, for the text.
    :raises RuntimeError: in place of the error.
    """
    if not isinstance(error, Exception) and not ends_process(error):
        raise RuntimeError(f"{source} raised {error!r}, which is not an Exception") from error


def ends_process(error: BaseException) -> bool:
    """Whether a signal handler may have raised the error: Ctrl-C, or the end of gunicorn's sync worker."""
    is_exit = isinstance(error, (SystemExit, KeyboardInterrupt))
    return is_exit and threading.current_thread() is threading.main_thread()


def wrap_error_handling(app: Flask) -> None:
    """Wrap ``handle_user_exception`` and ``handle_exception`` of this application."""
    methods: Any = app  # type checkers let none be replaced
    methods.handle_user_exception = _reply_with_refusals(app.handle_user_exception)
    methods.handle_exception = _forget_reply(app.handle_exception)
    if type(app).log_exception is Flask.log_exception and "log_exception" not in vars(app):
        methods.log_exception = _log_with_call(app)
    # Not app.logger, which gets a handler when it is first used, unless logging is configured by then.
    logging.getLogger(app.name).addFilter(call_log_filter)


def _reply_with_refusals(handle: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
    """Flask's ``handle_user_exception``, after which a refusal that no handler took becomes the reply."""

    @functools.wraps(handle)
    def handle_user_exception(error: Exception) -> Any:
        state = request_state()
        if state is None or not state.guarded:
            return handle(error)
        state.error, state.reply = error, None
        if flask.request.routing_exception is error:
            # Flask has no route for the request. The path is a hook's, so the host is wrong; no hook has refused.
            host = flask.request.environ.get("HTTP_HOST")
            rate_limited.error("%s: Flask does not serve the host %r: %s", state.path, host, error)
            return handle(error)
        refused: BaseException = error
        try:
            handled = handle(error)
        except (Rejection, HTTPException, BaseExceptionGroup) as raised:
            rejection = as_rejection(raised)
            if rejection is None:
                raise
            refused = raised
        else:
            # Flask returns an HTTPException itself where no handler turned it into something else.
            rejection = as_rejection(error) if handled is error else None
            if rejection is None:
                if handled is error and isinstance(error, HTTPException):
                    _log_abort(state, error)
                return handled
        return flask_response(state.app, refuse(state, rejection, refused))

    return handle_user_exception


def refuse(state: RequestState, rejection: Rejection, error: BaseException) -> Reply:
    """Make a refusal that a function around the hook has raised the reply.

    :param error: what was raised: the refusal itself, or a group that has it.
    """
    log_other_exceptions(error, f"a function around the hook for {state.event.name}")
    state.reply = refusal_reply(state.event, rejection, state.message)
    return state.reply


def _log_abort(state: RequestState, error: HTTPException) -> None:
    """Log an abort with 5xx: Flask logs no HTTPException, and Centrifugo drops the reply."""
    response = getattr(error, "response", None)
    status = f"{error.code} {error.name}" if response is None else response.status
    if status >= "5":
        text = "%s: aborted with %s, so the call has failed for Centrifugo. To refuse it, abort with 400 to 499"
        rate_limited.error(text, state.path, status, kind=("abort", state.path, status[:3]))


def _forget_reply(handle: Callable[[Exception], Response]) -> Callable[[Exception], Response]:
    """Flask's ``handle_exception`` for unhandled exceptions: whatever a hook replied before, the request has failed.

    What an ``after_request`` function or the opening of a session raises comes here at once. A refusal is still one.
    """

    @functools.wraps(handle)
    def handle_exception(error: Exception) -> Response:
        state = request_state()
        if state is not None:
            state.error, state.reply = error, None
            if state.guarded and (rejection := as_rejection(error)) is not None:
                return flask_response(state.app, refuse(state, rejection, error))
        return handle(error)

    return handle_exception


def _log_with_call(app: Flask) -> Callable[[Any], None]:
    """Flask's ``log_exception``, whose text also says which call has failed."""
    log_exception = app.log_exception

    @functools.wraps(log_exception)
    def log_exception_of_call(exc_info: Any) -> None:
        text = call_text()
        if not text:
            log_exception(exc_info)
            return
        request = flask.request
        message, values = "Exception on %s [%s]%s", (request.path, request.method, text)
        app.logger.error(message, *values, exc_info=exc_info, stacklevel=2)  # from Flask, as without this function

    return log_exception_of_call
