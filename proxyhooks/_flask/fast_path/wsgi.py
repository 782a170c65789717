"""A WSGI application that brings a call to its hook in place of ``Flask.wsgi_app``.

The middleware has read the message before this application starts. Flask matches all calls of one event and host to the
same rule: the first call goes through ``Flask.wsgi_app``, and later ones reuse its rule. Functions such as
``before_request``, receivers of signals, error handlers and sessions of the application run as Flask runs them. Steps
that would call nothing are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import Flask, Request, Response, request_finished, request_started
from flask.ctx import RequestContext
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from ..._wire.log import rate_limited
from ..guarded_response import flask_response
from ..hook_call import run_hook
from ..middleware import Middleware
from ..request_state import request_state
from .flask_context import needs_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Paths and schemes are few, but a caller that knows the secret can send any number of hosts.
_MAX_RULES: Final = 1000

_RoutingKey: TypeAlias = tuple[str, str | None, str]
"""Path, host and scheme, which decide the rule."""


class FastPath:
    """A WSGI application in place of ``Flask.wsgi_app``, for calls that passed the middleware's checks.

    :param view: the view of every hook.
    :param create_context: creates the request context of a call whose rule is known.
    """

    def __init__(
        self,
        app: Flask,
        view: Callable[..., Any],
        middleware: Middleware,
        create_context: Callable[[Flask, WSGIEnvironment, Rule], RequestContext],
    ) -> None:
        self._app = app
        self._view = view
        self._wsgi_app = middleware.wsgi_app
        self._hook_urls = middleware.hook_urls
        self._create_context = create_context
        self._rules: dict[_RoutingKey, Rule | None] = {}
        """``None`` if Flask matches no rule: ``Flask.wsgi_app`` then sends the error."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = (environ["PATH_INFO"], environ.get("HTTP_HOST"), environ["wsgi.url_scheme"])
        rule = self._rules.get(key)
        if rule is None or not self._can_reuse(rule, environ):
            if rule is None and key not in self._rules:
                self._remember_rule(key, environ)
            return self._wsgi_app(environ, start_response)
        app, ctx = self._app, self._create_context(self._app, environ, rule)
        raised: BaseException | None = None
        # The steps below are those of Flask.wsgi_app.
        try:
            try:
                ctx.push()
                response = self._dispatch(ctx, environ, rule)
            except Exception as error:
                raised = error
                response = app.handle_exception(error)
            except BaseException as error:
                raised = error
                raise
            return response(environ, start_response)
        finally:
            ctx.pop(None if raised is not None and app.should_ignore_error(raised) else raised)

    def _dispatch(self, ctx: RequestContext, environ: WSGIEnvironment, rule: Rule) -> WSGIApplication:
        """The steps of ``Flask.full_dispatch_request``. It makes no Flask response if no function would receive it."""
        app = self._app
        try:
            if request_started.receivers:
                request_started.send(app, _async_wrapper=app.ensure_sync)
            returned: Any = None
            if None in app.before_request_funcs or None in app.url_value_preprocessors:
                returned = app.preprocess_request()
            # Only through ctx.request, created on first access, could the application have changed the rule.
            if returned is None and "request" in vars(ctx) and _was_rerouted(ctx.request, rule):
                returned = app.dispatch_request()
            if returned is None:
                state = request_state(environ)
                assert state is not None  # the middleware made it
                reply = run_hook(state, self._hook_urls[state.path].get_dispatcher())
                if reply.status == 200 and not (
                    None in app.after_request_funcs
                    or request_finished.receivers
                    or app.response_class is not Response  # its own __init__ may add headers
                    or needs_response(ctx)
                ):
                    return _unseen_response
                returned = flask_response(app, reply)
        except Exception as error:
            returned = app.handle_user_exception(error)
        return app.finalize_request(returned)

    def _can_reuse(self, rule: Rule, environ: WSGIEnvironment) -> bool:
        """Whether Flask would match this request to the same rule and call the view of hooks."""
        return (
            "HTTP_UPGRADE" not in environ  # a WebSocket request matches other rules
            and "werkzeug.debug.preserve_context" not in environ
            and self._app.view_functions.get(rule.endpoint) is self._view
        )

    def _remember_rule(self, key: _RoutingKey, environ: WSGIEnvironment) -> None:
        """Remember which rule Flask matches for this key, if any."""
        if key[1] is None or "HTTP_UPGRADE" in environ or len(self._rules) >= _MAX_RULES:
            return
        try:
            adapter = self._app.create_url_adapter(Request(dict(environ)))
            rule = None if adapter is None else adapter.match(return_rule=True)[0]
        except HTTPException:  # for example if the host is invalid or not trusted
            rule = None
        self._rules[key] = rule
        if rule is not None and (view := self._app.view_functions.get(rule.endpoint)) is not self._view:
            text = "the fast path is off for %s: the view of %r is now %s"
            rate_limited.warning(text, key[0], rule.endpoint, view)


def _unseen_response(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A response whose body the middleware replaces by that of the reply in the request state."""
    start_response("200 OK", [])
    return ()


def _was_rerouted(request: Request, rule: Rule) -> bool:
    """Whether the application set another rule, or an exception for Flask's dispatching to raise."""
    return request.routing_exception is not None or request.url_rule is not rule
