"""Flask's context of a request that is matched already, whose parts are made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
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


class _Lazy:
    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._name = make.__name__

    def __get__(self, instance: Any, owner: type) -> Any:
        return vars(instance).setdefault(self._name, self._make(instance))


def lazy(make: Callable[[Any], Any]) -> Any:  # for type checkers what the base class has
    """An attribute that is made when somebody asks for it, and is the same for all who do.

    ``functools.cached_property`` has all threads wait for each other in Python 3.11, whatever takes them so long; from
    3.12 on two that ask at once may get two.
    """
    return _Lazy(make)


class _LazyAppContext(AppContext):
    def __init__(self, app: Flask) -> None:
        self.app = app
        self._cv_tokens = [_cv_app.set(self)]

    @lazy
    def g(self) -> _AppCtxGlobals:
        return self.app.app_ctx_globals_class()

    @lazy
    def url_adapter(self) -> MapAdapter | None:
        return self.app.create_url_adapter(None)


class LazyRequestContext(RequestContext):
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

    @lazy
    def request(self) -> Request:
        request = Request(self.environ)
        request.json_module = self.app.json
        if (trusted := self.app.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        request.url_rule, request.view_args = self.rule, {}
        return request

    @lazy
    def url_adapter(self) -> MapAdapter | None:
        return self.app.create_url_adapter(self.request)

    @lazy
    def _session(self) -> SessionMixin:
        return self._open_session()

    def _open_session(self) -> SessionMixin:
        interface = self.app.session_interface
        session = interface.open_session(self.app, self.request)
        return interface.make_null_session(self.app) if session is None else session

    @lazy
    def _after_request_functions(self) -> list[AfterRequestCallable[Any]]:
        return []

    @property
    def concerns_the_response(self) -> bool:
        """Whether something has happened for whose sake the response has to be Flask's."""
        made = vars(self)
        return "_session" in made or "_after_request_functions" in made

    @property
    def is_rematched(self) -> bool:
        """Whether something that has run wants the request to lead somewhere else than it does."""
        return self.request.routing_exception is not None or self.request.url_rule is not self.rule

    def copy(self) -> RequestContext:
        return RequestContext(self.app, self.environ, self.request, self._session)

    def match_request(self) -> None:
        self.request.url_rule, self.request.view_args = self.rule, {}

    def _unmatch(self) -> None:
        # As it is in Flask when a session is opened: who does that may look, and it may fail.
        self._session = None
        self.request.url_rule = self.request.view_args = None

    def begin(self) -> None:
        if _cv_app.get(None) is not None or appcontext_pushed.receivers:
            self._unmatch()
            self.push()
            return
        app_ctx = _LazyAppContext(self.app)
        self._cv_tokens.append((_cv_request.set(self), app_ctx))
        interface = self.app.session_interface
        if (
            "HTTP_COOKIE" in self.environ
            or type(interface) is not SecureCookieSessionInterface
            or interface.__dict__  # something of it was replaced
        ):
            self._unmatch()
            self._session = self._open_session()
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
