"""The Flask extension: :class:`ProxyHooks` registers the hooks' URLs and installs the middleware."""

from __future__ import annotations

import functools
import re
import weakref
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final

from flask import Flask
from marshmallow import Schema

from .._dispatch.decorators import SchemaLike
from .._dispatch.dispatcher import Dispatcher
from .._dispatch.events import EVENTS
from .._dispatch.index import Registration
from .._dispatch.json_fields import check_dumps_json
from .._dispatch.payloads import PayloadLoader
from .._dispatch.registry import Hooks
from .._dispatch.schema_functions import check_schema_functions
from .._dispatch.signatures import is_async
from .._settings.secrets import SECRET_HEADER
from .._settings.setting import shown
from .._settings.settings import DEFAULT_URL_PREFIX, Settings, read_settings
from ..exceptions import SetupError
from .async_functions import async_to_sync_of, install_event_loops
from .background import install_queue
from .csrf import exempt_from_csrf_protection
from .error_handling import wrap_error_handling
from .event_log import install_event_log
from .fast_path import install_fast_path
from .hook_call import hook_view
from .hook_context import install_hook_contexts
from .hook_views import HookViews
from .installation import EXTENSION_KEY, Installation, application_name, installation_of
from .json_provider import json_default_of
from .load_shedding import LoadShedder
from .middleware import HookURL, Middleware
from .opentelemetry import install_middleware, name_spans
from .probes import Probes

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PREFIX: Final = re.compile("(/[A-Za-z0-9._~-]+)*/?")


class ProxyHooks(Hooks):
    """The hooks of a Flask application; a Flask extension.

    ::

        app = Flask(__name__)
        app.config.from_prefixed_env()          # FLASK_PROXYHOOKS_SECRETS='["..."]'
        hooks = ProxyHooks(app)                 # or hooks.init_app(app)

    :param name: distinguishes several ``ProxyHooks`` of one application. Endpoints begin with it.
    :param url_prefix: the URLs are ``<url_prefix>/<event>``.
    :param secrets: the accepted values of the ``X-Proxyhooks-Secret`` header. By default those of the application's
        configuration, ``PROXYHOOKS_SECRETS`` or ``PROXYHOOKS_SECRETS_FILE``.
    :param http_headers: the headers of a client's HTTP request that the hooks read, such as ``Cookie``. Centrifugo
        forwards them if its own ``http_headers`` lists them; ``flask centrifugo config`` and ``check`` compare.
    :param emulated_headers: the headers that the hooks read and that browser SDKs send with their ``headers`` option.
    :param meta_schema: the marshmallow schema of ``meta``, which connect results attach and later requests carry.
    :raises SetupError: if an argument cannot work.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str = "proxyhooks",
        url_prefix: str = DEFAULT_URL_PREFIX,
        secrets: Sequence[str] | None = None,
        http_headers: Sequence[str] = (),
        emulated_headers: Sequence[str] = (),
        meta_schema: SchemaLike | None = None,
    ) -> None:
        super().__init__()
        self._views: weakref.WeakSet[HookViews] = weakref.WeakSet()
        self._secrets = secrets
        del secrets  # error reporters show the variables of frames, and the checks below raise
        if not isinstance(name, str) or not name.isidentifier():
            raise SetupError(f"name must be an identifier, not {shown(name)}")
        self.name = name
        self.url_prefix = _check_prefix(url_prefix)
        self.http_headers = _check_headers("http_headers", http_headers)
        self.emulated_headers = _check_headers("emulated_headers", emulated_headers)
        self._meta_schema = meta_schema() if isinstance(meta_schema, type) else meta_schema
        if self._meta_schema is not None and not isinstance(self._meta_schema, Schema):
            raise SetupError(f"meta_schema must be a marshmallow schema, class or instance, not {shown(meta_schema)}")
        if self._meta_schema is not None:
            check_schema_functions("meta_schema", self._meta_schema)
            check_dumps_json("meta_schema", self._meta_schema)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve the hooks from this application.

        :raises SetupError: if no secret is configured, a setting is wrong, or the name or the URL prefix is taken.
        """
        settings = read_settings(app.config, application_name(app), self._secrets)
        installation: Installation = app.extensions.get(EXTENSION_KEY) or _install(app, settings)
        middleware = installation.middleware
        if self.name in installation.hooks:
            raise SetupError(
                f"the application has a ProxyHooks named {self.name!r} already: give this one another name"
            )
        if f"{self.url_prefix}/connect" in middleware.hook_urls:
            raise SetupError(f"another ProxyHooks has the url_prefix {self.url_prefix!r}: give this one another")
        _check_paths_are_free(app, self.url_prefix)
        middleware.probes.check_hook_urls(f"{self.url_prefix}/{name}" for name in EVENTS)
        build: Callable[[], Dispatcher] = functools.partial(self._build_dispatcher, app, settings)
        build = install_fast_path(app, middleware, build, hook_view) if settings.fast_path else build
        get_dispatcher, load_shedder = _once(build), LoadShedder(settings.timeout)
        views = HookViews(app, self.name)
        installation.hooks[self.name] = self
        for event in EVENTS.values():
            path = f"{self.url_prefix}/{event.name}"
            middleware.hook_urls[path] = HookURL(event, views, settings.secrets, load_shedder, get_dispatcher)
            endpoint = views.event_endpoint(event.name)
            app.add_url_rule(path, endpoint, hook_view, methods=["POST"], provide_automatic_options=False)
        for registration in self.index.registrations():
            views.add(registration.hook)
        self._views.add(views)

    def _add_to_index(self, registrations: list[Registration]) -> None:
        super()._add_to_index(registrations)
        for views in self._views:
            for registration in registrations:
                views.add(registration.hook)

    def _build_dispatcher(self, app: Flask, settings: Settings) -> Dispatcher:
        """Called at the first request. From then on no hook can be registered."""
        self._freeze()
        exempt_from_csrf_protection(app)
        name_spans(app)
        async_to_sync = async_to_sync_of(app)

        def ensure_sync(function: Callable[..., Any]) -> Callable[..., Any]:
            return async_to_sync(function) if is_async(function) else function

        logs_values = settings.log_validation_details
        return Dispatcher(
            self.index,
            ensure_sync,
            self._meta_schema,
            PayloadLoader(settings.max_payload_items, settings.validation_details, logs_values),
            settings.timeout,
            json_default_of(app),
            logs_values,
        )


class AmbiguousHooks(LookupError):
    """The application has several ProxyHooks, and no name says which one is meant."""


def hooks_of(app: Flask, name: str | None = None) -> ProxyHooks:
    """The application's ProxyHooks.

    :param name: required if the application has several.
    :raises LookupError: if there is none, or none of that name. The text says what to do.
    :raises AmbiguousHooks: if there are several and no name.
    """
    hooks: dict[str, ProxyHooks] = installation_of(app).hooks
    names = ", ".join(map(repr, hooks))
    if name is None and len(hooks) > 1:
        raise AmbiguousHooks(f"the application has several ProxyHooks: say which, one of {names}")
    if name is not None and name not in hooks:
        raise LookupError(f"the application has no ProxyHooks named {name!r}: it has {names}")
    return next(iter(hooks.values())) if name is None else hooks[name]


def _check_paths_are_free(app: Flask, url_prefix: str) -> None:
    taken = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    for name in EVENTS:
        if (path := f"{url_prefix}/{name}") in taken:
            raise SetupError(f"{path} is already the URL of the endpoint {taken[path]!r}: choose another url_prefix")


def _install(app: Flask, settings: Settings) -> Installation:
    middleware = install_middleware(app, functools.partial(Middleware, app, Probes(app, settings)))
    wrap_error_handling(app)
    install_queue(app, settings.after_reply_threads, settings.after_reply_queue)
    install_event_loops(app)
    install_hook_contexts(app)
    if settings.event_log is not None:
        install_event_log(app, settings.event_log)
    installation = app.extensions[EXTENSION_KEY] = Installation(middleware)
    return installation


def _once(build: Callable[[], Dispatcher]) -> Callable[[], Dispatcher]:
    """A function that builds the dispatcher on its first call, whichever thread that is."""
    lock, built = Lock(), list[Dispatcher]()

    def get() -> Dispatcher:
        if not built:
            with lock:
                if not built:
                    built.append(build())
        return built[0]

    return get


def _check_prefix(prefix: str) -> str:
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise SetupError(f"url_prefix must be a path such as '/centrifugo', not {shown(prefix)}")
    return prefix.rstrip("/")


def _is_header_name(name: object) -> bool:
    return isinstance(name, str) and _HEADER_NAME.fullmatch(name) is not None


def _check_headers(name: str, headers: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(headers, (list, tuple)) or not all(map(_is_header_name, headers)):
        raise SetupError(f"{name} must be a list of header names, not {shown(headers)}")
    if any(header.lower() == SECRET_HEADER.lower() for header in headers):
        raise SetupError(f"{name} must not contain {SECRET_HEADER}: clients could override the secret with their own")
    return tuple(headers)
