"""The fast path: the same replies as through Flask and marshmallow, without the steps that have no effect.

It can be deleted: remove this package, and its import and its call in ``extension``. Everything then works as before,
only slower. ``PROXYHOOKS_FAST = False`` switches it off for one application.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.ctx import RequestContext
from marshmallow import Schema

from ..._dispatch.dispatcher import Dispatcher, Route
from ..._settings.settings import FAST
from ..._wire.log import logger
from ..middleware import Middleware
from .compiled_dump import compile_dump
from .compiled_load import compile_load
from .flask_context import flask_context
from .source_digests import SCHEMAS, unknown_functions
from .supported import Level, supported_level, unsupported_reason
from .wsgi import FastPath


def install_fast_path(
    app: Flask, middleware: Middleware, build: Callable[[], Dispatcher], view: Callable[..., Any]
) -> Callable[[], Dispatcher]:
    """Return a function that builds the dispatcher and lets its calls take the fast path.

    The log has a warning if the application changes what the fast path replaces, and a debug line if the source of
    the installed Flask or marshmallow is not known.

    :param view: the view of every hook.
    """
    # Here and not with the first request, as it reads source files.
    level, unknown_of_flask = supported_level()
    unknown_of_marshmallow = unknown_functions(SCHEMAS)

    def build_with_fast_path() -> Dispatcher:
        dispatcher = build()
        dispatcher.load_meta = compile_load(dispatcher.meta_schema) or dispatcher.load_meta
        for route in dispatcher.routes.values():
            _compile_schemas_on_first_use(route)
        if unknown_of_marshmallow:
            _log_unknown("schemas are not compiled", "marshmallow", unknown_of_marshmallow)
        if isinstance(middleware.hook_app, FastPath):  # another ProxyHooks of the application did it
            return dispatcher
        if (reason := unsupported_reason(app, middleware.wsgi_app)) is not None:
            logger.warning("hooks go the whole way through Flask: %s. %s = False accepts that", reason, FAST.key)
            return dispatcher
        if unknown_of_flask:
            _log_unknown(f"the level of the fast path is {level}", "flask", unknown_of_flask)
        if level is not Level.OFF:
            middleware.hook_app = FastPath(app, view, middleware, _context_of(level))
        return dispatcher

    return build_with_fast_path


def _log_unknown(consequence: str, package: str, functions: list[str]) -> None:
    release, names = importlib.metadata.version(package), ", ".join(functions)
    logger.debug("%s, as the source of %s %s is not known: %s", consequence, package, release, names)


def _context_of(level: Level) -> Callable[..., RequestContext]:
    if level is Level.FULL:
        with contextlib.suppress(ImportError):  # private names of Flask may move although the source is known
            from .lazy_context import LazyRequestContext

            return LazyRequestContext
    return flask_context


def _compile_schemas_on_first_use(route: Route) -> None:
    """Give the route functions in place of its schemas; there may be thousands of routes that are never used."""
    data_schema, result_schema = route.hook.data_schema, route.hook.result_schema

    if isinstance(data_schema, Schema):

        def load(data: Any) -> Any:
            route.load = compiled = compile_load(data_schema) or data_schema.load
            return compiled(data)

        route.load = load

    if result_schema is not None:

        def dump(data: Any) -> Any:
            route.dump = compiled = compile_dump(result_schema) or result_schema.dump
            return compiled(data)

        route.dump = dump
