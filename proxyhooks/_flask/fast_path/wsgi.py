"""The way of a call through Flask.

The guard has read the message before Flask starts, and calls of one event and host are all matched alike. So what
Flask finds out anew for every request is found out once, by the first one, which goes Flask's own way. What runs around
a hook runs as Flask runs it, and is passed by where there is nothing: no function, no receiver, no session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import Flask, Request, Response, request_finished, request_started
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from ..._wire.log import logger
from ..guarded_response import flask_response
from ..hook_call import run_hook
from ..middleware import Middleware
from ..request_state import request_state
from .lazy_context import LazyRequestContext

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MAX_RULES: Final = 1000

_Matched: TypeAlias = tuple[str, str | None, str]
"""What decides how a request is matched: path, host, scheme."""


class FastPath:
    """A WSGI application in the place of ``Flask.wsgi_app``, for calls that the guard has let in."""

    def __init__(self, app: Flask, view: Callable[..., Any], middleware: Middleware) -> None:
        self._app = app
        self._view = view
        self._flasks = middleware.wsgi_app
        self._rules: dict[_Matched, Rule | None] = {}
        """``None``: no rule of a hook."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        matched = (environ["PATH_INFO"], environ.get("HTTP_HOST"), environ["wsgi.url_scheme"])
        rule = self._rules.get(matched)
        if rule is None or not self._is_usual(environ, rule):
            if rule is None and matched not in self._rules:
                self._learn(matched, environ)
            return self._flasks(environ, start_response)
        app, ctx = self._app, LazyRequestContext(self._app, environ, rule)
        raised: BaseException | None = None
        # From here on as Flask.wsgi_app, step by step.
        try:
            try:
                ctx.begin()
                response = self._dispatch(ctx)
            except Exception as error:
                raised = error
                response = app.handle_exception(error)
            except BaseException as error:
                raised = error
                raise
            if response is None:
                # The reply is in the request state, and its body takes the place of this one.
                start_response("200 OK", [])
                return ()
            return response(environ, start_response)
        finally:
            ctx.end(None if raised is not None and app.should_ignore_error(raised) else raised)

    def _dispatch(self, ctx: LazyRequestContext) -> Response | None:
        """As ``Flask.full_dispatch_request``, but ``None`` where nobody would see the response."""
        app = self._app
        try:
            if request_started.receivers:
                request_started.send(app, _async_wrapper=app.ensure_sync)
            returned: Any = None
            if None in app.before_request_funcs or None in app.url_value_preprocessors:
                returned = app.preprocess_request()
            if returned is None and "request" in vars(ctx) and ctx.is_rematched:
                returned = app.dispatch_request()
            if returned is None:
                state = request_state(ctx.environ)
                assert state is not None  # the middleware made it
                assert state.dispatcher is not None
                reply = run_hook(state, state.dispatcher)
                if reply.status == 200 and not (
                    None in app.after_request_funcs
                    or request_finished.receivers
                    or app.response_class is not Response  # another one may say more than this reply
                    or ctx.concerns_the_response
                ):
                    return None
                returned = flask_response(app, reply)
        except Exception as error:
            returned = app.handle_user_exception(error)
        return app.finalize_request(returned)

    def _is_usual(self, environ: WSGIEnvironment, rule: Rule) -> bool:
        """Whether Flask would do with this request what it did with the first of its kind."""
        return (
            "HTTP_UPGRADE" not in environ  # such as to WebSocket, for which other rules match
            and "werkzeug.debug.preserve_context" not in environ
            and self._app.view_functions.get(rule.endpoint) is self._view
        )

    def _learn(self, matched: _Matched, environ: WSGIEnvironment) -> None:
        """Find out where Flask's way leads."""
        if matched[1] is None or "HTTP_UPGRADE" in environ or len(self._rules) >= _MAX_RULES:
            return  # whoever knows the secret can name as many hosts as he likes
        try:
            adapter = self._app.create_url_adapter(Request(dict(environ)))
            rule = None if adapter is None else adapter.match(return_rule=True)[0]
        except HTTPException:  # such as for a host that is none, or not trusted
            rule = None
        self._rules[matched] = rule
        if rule is not None and (view := self._app.view_functions.get(rule.endpoint)) is not self._view:
            logger.warning("%s goes the whole way through Flask: the view of %r is %r", matched[0], rule.endpoint, view)
