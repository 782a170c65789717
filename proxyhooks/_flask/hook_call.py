"""From Flask to the hook: the view of every hook's URL."""

from __future__ import annotations

from typing import Any

import flask
from flask import Response

from .._dispatch.dispatcher import Dispatcher
from .._dispatch.replies import Reply
from .._dispatch.tracebacks import end_at_application
from .error_handling import replace_base_exception
from .guarded_response import flask_response
from .installation import installation_of
from .request_state import RequestState, request_state


def hook_view(**_: Any) -> Response:  # a url_value_preprocessor may add arguments
    """Answer the request of Centrifugo that the middleware has accepted."""
    state = request_state()
    if state is None or not state.guarded:
        flask.abort(404)  # the middleware does not know the path: it has a slash at its end, for example
    hook_url = installation_of(state.app).middleware.hook_urls[state.path]
    return flask_response(state.app, run_hook(state, hook_url.get_dispatcher()))


def run_hook(state: RequestState, dispatcher: Dispatcher) -> Reply:
    """Have the dispatcher answer the call.

    :raises Exception: what the hook raises, except refusals.
    """
    try:
        reply = state.reply = dispatcher.run(state.event, state.message, state.payload_size, state.match)
    except BaseException as error:
        end_at_application(error)
        replace_base_exception(error, f"the hook for {state.event.name}")
        raise
    return reply
