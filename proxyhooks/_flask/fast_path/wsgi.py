"""A WSGI application that brings a call to its hook in place of ``Flask.wsgi_app``.

The middleware has read the message before this application starts. Flask matches all calls of one event and host to the
same rule: the first call goes through ``Flask.wsgi_app``, and later ones reuse its rule. Functions such as
``before_request``, receivers of signals, error handlers and sessions of the application run as Flask runs them. Steps
that would call nothing are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import Flask, Request, Response, request_finished, request_started
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from ..._dispatch.dispatcher import Dispatcher
from ..._wire.log import logger
from ..guarded_response import flask_response
from ..hook_call import run_hook
from ..middleware import Middleware
from ..request_state import STATE_KEY, RequestState
from .flask_context import CallContext, needs_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Paths and schemes are few, but a caller that knows the secret can send any number of hosts.
_MAX_TARGETS: Final = 1000

_RoutingKey: TypeAlias = tuple[str, str | None, str]
"""Path, host and scheme, which decide the rule."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What serves the calls with one routing key."""

    rule: Rule
    dispatcher: Dispatcher


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
        create_context: Callable[[Flask, WSGIEnvironment, Rule], CallContext],
    ) -> None:
        self._app = app
        self._view = view
        self._wsgi_app = middleware.wsgi_app
        self._hook_urls = middleware.hook_urls
        self._create_context = create_context
        self._targets: dict[_RoutingKey, _Target | None] = {}
        """``None`` if Flask matches no rule: ``Flask.wsgi_app`` then sends the error."""
        self._warned: set[str] = set()
        """Endpoints whose view is another one."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = (environ["PATH_INFO"], environ.get("HTTP_HOST"), environ["wsgi.url_scheme"])
        target = self._targets.get(key)
        app, state = self._app, environ[STATE_KEY]
        view = state.view
        if (
            target is None
            or "HTTP_UPGRADE" in environ  # a WebSocket request matches other rules
            or "werkzeug.debug.preserve_context" in environ
            or app.view_functions.get(target.rule.endpoint) is not self._view
            or (view is not None and app.view_functions.get(view.endpoint) is not view.function)
        ):
            if target is None and key not in self._targets:
                self._remember_target(key, environ)
            if view is not None:
                self._warn_of_other_view(key[0], view.endpoint, view.function)
            return self._wsgi_app(environ, start_response)
        rule = target.rule if view is None else view.rule(target.rule)
        create_context = self._create_context
        ctx = create_context(app, environ, rule)
        raised: BaseException | None = None
        # The steps below are those of Flask.wsgi_app.
        try:
            try:
                ctx.push()
                response = self._dispatch(ctx, state, rule, target.dispatcher)
            except Exception as error:
                raised = error
                response = app.handle_exception(error)
            except BaseException as error:
                raised = error
                raise
            return response(environ, start_response)
        finally:
            ctx.pop(None if raised is not None and app.should_ignore_error(raised) else raised)

    def _dispatch(self, ctx: CallContext, state: RequestState, rule: Rule, dispatcher: Dispatcher) -> WSGIApplication:
        """The steps of ``Flask.full_dispatch_request``. It makes no Flask response if no function would receive it."""
        app = self._app
        try:
            if request_started.receivers:
                request_started.send(app, _async_wrapper=app.ensure_sync)
            returned: Any = None
            if None in app.before_request_funcs or None in app.url_value_preprocessors:
                returned = app.preprocess_request()
            # Only through ctx.request, created on first access, could the application have changed the rule.
            if not ctx.untouched and returned is None and _was_rerouted(ctx.request, rule):
                returned = app.dispatch_request()
            if returned is None:
                reply = run_hook(state, dispatcher)
                if reply.status == 200 and not (
                    None in app.after_request_funcs
                    or request_finished.receivers
                    or app.response_class is not Response  # its own __init__ may add headers
                    or (not ctx.untouched and needs_response(ctx))
                ):
                    return _unseen_response
                returned = flask_response(app, reply)
        except Exception as error:
            returned = app.handle_user_exception(error)
        return app.finalize_request(returned)

    def _remember_target(self, key: _RoutingKey, environ: WSGIEnvironment) -> None:
        """Remember which rule Flask matches for this key, if any, and the dispatcher of its hooks."""
        if key[1] is None or "HTTP_UPGRADE" in environ or len(self._targets) >= _MAX_TARGETS:
            return
        try:
            adapter = self._app.create_url_adapter(Request(dict(environ)))
            rule = None if adapter is None else adapter.match(return_rule=True)[0]
        except HTTPException:  # for example if the host is invalid or not trusted
            rule = None
        dispatcher = self._hook_urls[key[0]].get_dispatcher()
        self._targets[key] = None if rule is None else _Target(rule, dispatcher)
        if rule is not None:
            self._warn_of_other_view(key[0], rule.endpoint, self._view)

    def _warn_of_other_view(self, path: str, endpoint: str, expected: Callable[..., Any]) -> None:
        """Log, once for each endpoint, that the application has replaced its view."""
        view = self._app.view_functions.get(endpoint)
        if view is not expected and endpoint not in self._warned:
            self._warned.add(endpoint)
            logger.warning("the fast path is off for %s: the view of %r is now %s", path, endpoint, view)


def _unseen_response(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A response whose body the middleware replaces by that of the reply in the request state."""
    start_response("200 OK", [])
    return ()


def _was_rerouted(request: Request, rule: Rule) -> bool:
    """Whether the application set another rule, or an exception for Flask's dispatching to raise."""
    return request.routing_exception is not None or request.url_rule is not rule
