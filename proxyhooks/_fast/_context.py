"""Flask's context of a request that is matched already, whose parts are made when somebody asks for them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import (
    Flask,
    Request,
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    request_tearing_down,
)
from flask.ctx import AppContext, RequestContext, _AppCtxGlobals
from flask.globals import _cv_app, _cv_request
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.typing import AfterRequestCallable
from werkzeug.routing import MapAdapter, Rule

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _ShortAppContext(AppContext):
    def __init__(self, app: Flask) -> None:
        self.app = app
        self._cv_tokens = [_cv_app.set(self)]

    @cached_property
    def g(self) -> _AppCtxGlobals:  # type: ignore[override]  # a plain attribute, to whoever looks
        return self.app.app_ctx_globals_class()

    @cached_property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]  # likewise
        return self.app.create_url_adapter(None)


class ShortContext(RequestContext):
    """As Flask's own, of which everything is there; where nobody looks, nothing is made.

    :meth:`begin` and :meth:`end` stand in for the first ``push`` and its ``pop``. Whatever is not the usual case goes
    to Flask's methods, which find all that they need.
    """

    flashes = None

    def __init__(self, app: Flask, environ: WSGIEnvironment, rule: Rule) -> None:
        # Not Flask's own __init__, whose work is done below, when it is needed.
        self.app = app
        self.environ = environ
        self.rule = rule
        self._cv_tokens = []
        if app.request_class is not Request:
            self.request  # noqa: B018  # what another class does when it is made, it shall do now

    @cached_property
    def request(self) -> Request:  # type: ignore[override]  # a plain attribute, to whoever looks
        request = self.app.request_class(self.environ)
        request.json_module = self.app.json
        if (trusted := self.app.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        request.url_rule, request.view_args = self.rule, {}
        return request

    @cached_property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]  # likewise
        return self.app.create_url_adapter(self.request)

    @cached_property
    def _session(self) -> SessionMixin:  # type: ignore[override]  # likewise
        vars(self)["_session"] = None  # as in Flask until it is open, and for good if that fails
        interface = self.app.session_interface
        session = interface.open_session(self.app, self.request)
        return interface.make_null_session(self.app) if session is None else session

    @cached_property
    def _after_request_functions(self) -> list[AfterRequestCallable[Any]]:  # type: ignore[override]  # likewise
        return []

    @property
    def concerns_the_response(self) -> bool:
        """Whether something has happened for whose sake the response has to be Flask's."""
        made = vars(self)
        return "_session" in made or "_after_request_functions" in made

    def copy(self) -> RequestContext:
        return RequestContext(self.app, self.environ, self.request, self._session)

    def match_request(self) -> None:
        self.request.url_rule, self.request.view_args = self.rule, {}

    def _unmatch(self) -> None:
        # Flask opens a session before it matches, and who opens it may look.
        self.request.url_rule = self.request.view_args = None

    def begin(self) -> None:
        if _cv_app.get(None) is not None or appcontext_pushed.receivers:
            self._unmatch()
            self.push()
            return
        app_ctx = _ShortAppContext(self.app)
        self._cv_tokens.append((_cv_request.set(self), app_ctx))
        if "HTTP_COOKIE" in self.environ or type(self.app.session_interface) is not SecureCookieSessionInterface:
            self._unmatch()
            self._session  # noqa: B018  # opened now
            self.match_request()

    def end(self, exc: BaseException | None) -> None:
        app = self.app
        if (
            None in app.teardown_request_funcs
            or request_tearing_down.receivers
            or "request" in vars(self)
            or len(self._cv_tokens) != 1
            or _cv_request.get(None) is not self
        ):
            self.pop(exc)
            return
        token, app_ctx = self._cv_tokens.pop()
        _cv_request.reset(token)
        if app_ctx is None:
            return
        if (
            app.teardown_appcontext_funcs
            or appcontext_tearing_down.receivers
            or appcontext_popped.receivers
            or len(app_ctx._cv_tokens) != 1
            or _cv_app.get(None) is not app_ctx
        ):
            app_ctx.pop(exc)
            return
        _cv_app.reset(app_ctx._cv_tokens.pop())
