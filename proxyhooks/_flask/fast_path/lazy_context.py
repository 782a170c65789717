"""Flask's contexts for a request whose URL rule is known, with attributes that are created on first access."""

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
from flask.ctx import AppContext, RequestContext, _sentinel
from flask.globals import _cv_app, _cv_request
from flask.sessions import SessionMixin
from flask.typing import AfterRequestCallable
from werkzeug.routing import MapAdapter, Rule

from ..hook_context import hook_context_class
from .flask_context import SESSION_ATTRIBUTE, starts_with_empty_session

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.ctx import _AppCtxGlobals

# Python calls a method of a name that the module assigns in fewer steps than one of a name that it imports.
_app_context, _request_context = _cv_app, _cv_request


class _OnFirstAccess:
    """The descriptor of :func:`on_first_access`. As it has no ``__set__``, the created attribute hides it."""

    def __init__(self, create: Callable[[Any], Any], name: str) -> None:
        self._create = create
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        instance.untouched = False
        return vars(instance).setdefault(self._name, self._create(instance))


def on_first_access(create: Callable[[Any], Any]) -> Any:  # Any: for type checkers the base class declares it
    """Decorate a method that creates an attribute on first access; all threads get the same object.

    Not ``functools.cached_property``: in Python 3.11 it makes threads wait for each other, and from 3.12 on two threads
    can get different objects.
    """
    return _OnFirstAccess(create, create.__name__)


class _LazyAppContext(AppContext):
    """An AppContext that creates its attributes on first access, and is pushed from the start."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._cv_tokens = [_app_context.set(self)]

    @on_first_access
    def g(self) -> _AppCtxGlobals:
        return self.app.app_ctx_globals_class()

    @on_first_access
    def url_adapter(self) -> MapAdapter | None:
        return self.app.create_url_adapter(None)


def _open_session(context: RequestContext) -> SessionMixin:
    interface = context.app.session_interface
    session = interface.open_session(context.app, context.request)
    return interface.make_null_session(context.app) if session is None else session


class LazyRequestContext(RequestContext):
    """A RequestContext that creates its attributes on first access.

    The first ``push`` and its ``pop`` skip steps of Flask's own methods that would have no effect. Where such a step
    would have one, they call Flask's own method.
    """

    flashes = None

    def __init__(self, app: Flask, environ: WSGIEnvironment, rule: Rule) -> None:
        # Not super().__init__(), which creates all attributes at once.
        self.app = app
        self.environ = environ
        self.rule = rule
        self.untouched = True
        self._was_pushed = False
        self._cv_tokens = []

    @on_first_access
    def request(self) -> Request:
        request = Request(self.environ)
        request.json_module = self.app.json
        if (trusted := self.app.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        request.url_rule, request.view_args = self.rule, {}
        return request

    @on_first_access
    def url_adapter(self) -> MapAdapter | None:
        return self.app.create_url_adapter(self.request)

    @on_first_access
    def _after_request_functions(self) -> list[AfterRequestCallable[Any]]:
        return []

    def copy(self) -> RequestContext:
        copied = hook_context_class(RequestContext)
        return copied(self.app, self.environ, self.request, getattr(self, SESSION_ATTRIBUTE))

    def match_request(self) -> None:
        self.request.url_rule, self.request.view_args = self.rule, {}

    def _unmatch(self) -> None:
        """Set the request back to before Flask matched it to a rule."""
        # Flask opens the session before it matches the request, and open_session may read the request or fail.
        setattr(self, SESSION_ATTRIBUTE, None)
        self.request.url_rule = self.request.view_args = None

    def push(self) -> None:
        if self._was_pushed:
            super().push()
            return
        self._was_pushed = True
        # Flask's own push creates no application context if one is there, and it sends the signal.
        if _app_context.get(None) is not None or appcontext_pushed.receivers:
            self._unmatch()
            super().push()
            return
        app_ctx = _LazyAppContext(self.app)
        self._cv_tokens.append((_request_context.set(self), app_ctx))
        if not starts_with_empty_session(self.app, self.environ):
            self._unmatch()
            setattr(self, SESSION_ATTRIBUTE, _open_session(self))
            self.match_request()

    def pop(self, exc: BaseException | None = _sentinel) -> None:  # type: ignore[assignment]  # as in Flask
        app = self.app
        # Unless a function, a receiver or the request needs more, it is enough to reset the two context variables.
        if (
            exc is _sentinel
            or None in app.teardown_request_funcs
            or request_tearing_down.receivers
            or not self.untouched
            or len(self._cv_tokens) != 1
            or _request_context.get(None) is not self
        ):
            super().pop(exc)
            return
        token, app_ctx = self._cv_tokens.pop()
        _request_context.reset(token)
        if app_ctx is None:  # the application context was there before this one
            return
        if (
            app.teardown_appcontext_funcs
            or appcontext_tearing_down.receivers
            or appcontext_popped.receivers
            or len(app_ctx._cv_tokens) != 1
            or _app_context.get(None) is not app_ctx
        ):
            app_ctx.pop(exc)
            return
        _app_context.reset(app_ctx._cv_tokens.pop())


# Not a method of the class, as the name of the attribute depends on the release of Flask.
setattr(LazyRequestContext, SESSION_ATTRIBUTE, _OnFirstAccess(_open_session, SESSION_ATTRIBUTE))
