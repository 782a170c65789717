"""The Flask extension: URLs, Flask's context, and the guard around both."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import flask
from flask import Flask, Response
from marshmallow import Schema
from werkzeug.exceptions import HTTPException
from werkzeug.local import LocalProxy

from .._dispatch.decorators import SchemaLike
from .._dispatch.dispatcher import Dispatcher, logger
from .._dispatch.events import EVENTS
from .._dispatch.index import Index
from .._dispatch.registry import Hooks
from .._dispatch.replies import as_rejection, refusal_reply
from .._dispatch.signatures import is_async, source_location
from .._settings.secrets import SECRET_HEADER, load_secrets
from .._settings.timeout import read_timeout
from ..exceptions import Rejection, SetupError
from .fast_path import install_fast_path
from .load_shedding import LoadShedder
from .middleware import CURRENT, Middleware, Passage, Target, response_of, settle

_KEY: Final = "proxyhooks"
_PREFIX: Final = re.compile("(/[A-Za-z0-9._~-]+)*/?")


@dataclass(slots=True)
class _Installed:
    """What there is once per application."""

    guard: Middleware
    hooks: dict[str, ProxyHooks] = field(default_factory=dict)
    """By name."""


class ProxyHooks(Hooks):
    """The hooks of a Flask application, and its extension.

    ::

        app = Flask(__name__)
        app.config.from_prefixed_env()          # FLASK_PROXYHOOKS_SECRETS='["..."]'
        hooks = ProxyHooks(app)                 # or hooks.init_app(app)

    :param name: tells several of them in one application apart, also in endpoints: ``<name>_connect``.
    :param url_prefix: the URLs are ``<url_prefix>/<event>``.
    :param secrets: the accepted values of the ``X-Proxyhooks-Secret`` header; else ``PROXYHOOKS_SECRETS`` of the
        application's configuration.
    :param http_headers: declares the headers of a client's HTTP request that the hooks read, such as ``Cookie``. They
        arrive if Centrifugo's own ``http_headers`` lists them; here it is only checked that the secret's is not one.
    :param emulated_headers: likewise those that browser SDKs send with their ``headers`` option.
    :param meta_schema: the marshmallow schema of what connect results attach as ``meta`` and later requests bring.
    :raises SetupError: if one of these cannot work.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str = "proxyhooks",
        url_prefix: str = "/centrifugo",
        secrets: Sequence[str] | None = None,
        http_headers: Sequence[str] = (),
        emulated_headers: Sequence[str] = (),
        meta_schema: SchemaLike | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(name, str) or not name.isidentifier():
            raise SetupError(f"name must be an identifier, not {name!r}")
        self.name = name
        self.url_prefix = _checked_prefix(url_prefix)
        self.http_headers = _checked_headers("http_headers", http_headers)
        self.emulated_headers = _checked_headers("emulated_headers", emulated_headers)
        self._secrets = secrets
        self._meta_schema = meta_schema() if isinstance(meta_schema, type) else meta_schema
        if self._meta_schema is not None and not isinstance(self._meta_schema, Schema):
            raise SetupError(f"meta_schema must be a marshmallow schema, class or instance, not {meta_schema!r}")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve the hooks from this application.

        :raises SetupError: if no secret is configured, if a setting is none that there is, if the name or the URL
            prefix is taken, or if two hooks have the same shape.
        """
        secrets, timeout = load_secrets(app.config, self._secrets), read_timeout(app.config)
        Index(self)
        installed: _Installed | None = app.extensions.get(_KEY)
        if installed is None:
            installed = app.extensions[_KEY] = _install(app)
        if self.name in installed.hooks:
            raise SetupError(
                f"the application has a ProxyHooks named {self.name!r} already: give this one another name"
            )
        if f"{self.url_prefix}/connect" in installed.guard.targets:
            raise SetupError(f"another ProxyHooks has the url_prefix {self.url_prefix!r}: give this one another")
        _check_free(app, self.url_prefix)
        build: Callable[[], Dispatcher] = functools.partial(self._build, app, timeout)
        build = install_fast_path(app, installed.guard, build, _view)
        dispatcher, load_shedder = _once(build), LoadShedder(timeout)
        installed.hooks[self.name] = self
        for event in EVENTS.values():
            path = f"{self.url_prefix}/{event.name}"
            installed.guard.targets[path] = Target(event, secrets, load_shedder, dispatcher)
            app.add_url_rule(
                path, f"{self.name}_{event.name}", _view, methods=["POST"], provide_automatic_options=False
            )

    def _build(self, app: Flask, timeout: float) -> Dispatcher:
        """What answers, made with the first request; from then on nothing can be registered."""
        self._freeze()
        csrf = app.extensions.get("csrf")
        if csrf is not None and hasattr(csrf, "exempt"):
            # Flask-WTF: it protects from what browsers do with a user's cookies; here the secret is asked for.
            csrf.exempt(f"{_view.__module__}.{_view.__name__}")

        def ready(function: Callable[..., Any]) -> Callable[..., Any]:
            return _sync(app, function) if is_async(function) else function

        details = bool(app.config.get("PROXYHOOKS_VALIDATION_DETAILS", False))
        return Dispatcher(Index(self, ready), self._meta_schema, details, timeout)


class AmbiguousHooks(LookupError):
    """The application has several ProxyHooks, and no name says which one is meant."""


def hooks_of(app: Flask, name: str | None = None) -> ProxyHooks:
    """The application's ProxyHooks.

    :raises LookupError: if there is none, or none of that name; :class:`AmbiguousHooks` if several and no name.
    """
    installed: _Installed | None = app.extensions.get(_KEY)
    if installed is None:
        raise LookupError(
            f"the application {app.import_name!r} has no hooks: it needs ProxyHooks(app), or init_app(app)"
        )
    names = ", ".join(map(repr, installed.hooks))
    if name is None and len(installed.hooks) > 1:
        raise AmbiguousHooks(f"the application has several ProxyHooks: say which, one of {names}")
    if name is not None and name not in installed.hooks:
        raise LookupError(f"the application has no ProxyHooks named {name!r}: there is {names}")
    return next(iter(installed.hooks.values())) if name is None else installed.hooks[name]


def _sync(app: Flask, function: Callable[..., Any]) -> Callable[..., Any]:
    """The async function, to be called as others are."""
    run = app.async_to_sync(function)

    @functools.wraps(function)
    def call(*args: Any, **variables: Any) -> Any:
        try:
            return run(*args, **variables)
        except asyncio.CancelledError as error:  # no Exception: it would take the worker with it
            raise RuntimeError(f"{source_location(function)} was cancelled") from error

    return call


def _view(**_: Any) -> Response:  # url_value_preprocessors may add values
    passage: Passage | None = flask.request.environ.get(CURRENT)
    if passage is None or passage.call is None:
        flask.abort(404)  # by a path that the guard does not know, such as one with a slash at its end
    return response_of(passage.app, settle(passage))


def _check_free(app: Flask, url_prefix: str) -> None:
    taken = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    for name in EVENTS:
        if (path := f"{url_prefix}/{name}") in taken:
            raise SetupError(f"endpoint {taken[path]!r} of the application has {path} already: choose a url_prefix")


def _install(app: Flask) -> _Installed:
    guard = Middleware(app, app.wsgi_app)
    app.wsgi_app = guard  # type: ignore[method-assign]  # Flask's documented way to wrap it
    app.handle_user_exception = _refusing(app.handle_user_exception)  # type: ignore[method-assign, assignment]  # see there
    app.handle_exception = _failing(app.handle_exception)  # type: ignore[method-assign, assignment]  # see there
    return _Installed(guard)


def _refusing(handle: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
    """Flask's handling of exceptions, but on a hook's URL a refusal that nobody handles becomes its answer.

    An error handler of our own would not do: registered for HTTPException it would take the place of the
    application's, and it could not tell what the application leaves alone from what it turns into a page.
    """

    @functools.wraps(handle)
    def handle_user_exception(error: Exception) -> Any:
        passage: Passage | None = flask.request.environ.get(CURRENT)
        if passage is None or passage.call is None:
            return handle(error)
        passage.error, passage.answer = error, None
        if flask.request.routing_exception is error:
            # No function of the application refuses: its host is another one than Centrifugo asks for.
            host = flask.request.environ.get("HTTP_HOST")
            logger.error("%s: Flask does not serve the host %r: %s", flask.request.path, host, error)
            return handle(error)
        try:
            handled = handle(error)
        except (Rejection, HTTPException) as raised:
            meant = as_rejection(raised)
            if meant is None:
                raise
        else:
            # Flask gives an HTTPException back where no handler made something else of it.
            meant = as_rejection(error) if handled is error else None
            if meant is None:
                return handled
        passage.answer = refusal_reply(passage.call.event, meant, passage.message)
        return response_of(passage.app, passage.answer)

    return handle_user_exception


def _failing(handle: Callable[[Exception], Response]) -> Callable[[Exception], Response]:
    """Flask's handling of what nobody handled: whatever a hook had answered by then, the request has failed."""

    @functools.wraps(handle)
    def handle_exception(error: Exception) -> Response:
        passage: Passage | None = flask.request.environ.get(CURRENT)
        if passage is not None:
            passage.error, passage.answer = error, None
        return handle(error)

    return handle_exception


def _once(make: Callable[[], Dispatcher]) -> Callable[[], Dispatcher]:
    lock, made = Lock(), list[Dispatcher]()

    def get() -> Dispatcher:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get


def _checked_prefix(prefix: str) -> str:
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise SetupError(f"url_prefix must be a path such as '/centrifugo', not {prefix!r}")
    return prefix.rstrip("/")


def _checked_headers(name: str, headers: Sequence[str]) -> tuple[str, ...]:
    if isinstance(headers, str) or not all(isinstance(header, str) for header in headers):
        raise SetupError(f"{name} must be a list of header names, not {headers!r}")
    if any(header.lower() == SECRET_HEADER.lower() for header in headers):
        raise SetupError(f"{name} must not have {SECRET_HEADER}: clients could then override the secret with their own")
    return tuple(headers)


def _current_passage() -> Passage:
    passage: Passage | None = flask.request.environ.get(CURRENT) if flask.has_request_context() else None
    if passage is None:
        raise RuntimeError("there is no request of Centrifugo: this works in a hook and what runs around it")
    return passage


# Of which class depends on the event, which no type can say.
current_request: Any = LocalProxy(lambda: _current_passage().message)
"""The message being answered, from ``before_request`` on; in a plain view after :func:`proxyhooks.read_request`.

:raises RuntimeError: if used outside.
"""


def after_reply(function: Callable[..., object], /, *args: object) -> None:
    """Call the function when the reply has been sent, in the application's context; an exception is logged.

    It runs in a thread of its own, whatever the reply is, and a graceful stop waits for it. When the application is
    being tested (``TESTING``) it runs as soon as the reply has been read, in the same thread.

    There is no request any more: give what is needed of it, and of ``g``, as arguments. The function may be async.

    :raises TypeError: if it is no function.
    :raises RuntimeError: if used outside of a hook and what runs around it.
    """
    if not callable(function):
        raise TypeError(f"after_reply takes the function and its arguments, after_reply(f, 1), not {function!r}")
    passage = _current_passage()
    if passage.call is None:
        raise RuntimeError("after_reply works with hooks: in a view of your own use response.call_on_close")
    run = flask.current_app.ensure_sync(function)
    passage.after += ((source_location(function), functools.partial(run, *args)),)
