"""The fast path: the same replies as through Flask and marshmallow, without the steps that have no effect.

It has two independent parts: :class:`.wsgi.FastPath` in place of ``Flask.wsgi_app``, and compiled schemas in place of
``Schema.load`` and ``Schema.dump``. ``PROXYHOOKS_FAST = False`` switches both off for one application.

The package can be deleted, with its import and its call in ``extension``: hooks then only take longer.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

from flask import Flask
from marshmallow import Schema

from ..._dispatch.dispatcher import Dispatcher
from ..._dispatch.dumping import Dumper
from ..._dispatch.routes import Route
from ..._settings.settings import FAST
from ..._wire.log import logger
from ..middleware import Middleware
from .compiled_dump import compile_dump
from .compiled_load import compile_load
from .flask_context import CallContext, create_flask_context
from .source_digests import SCHEMAS, unknown_functions
from .supported import Level, supported_level, unsupported_reason
from .wsgi import FastPath


def install_fast_path(
    app: Flask, middleware: Middleware, build: Callable[[], Dispatcher], view: Callable[..., Any]
) -> Callable[[], Dispatcher]:
    """Return a function that builds the dispatcher and installs the fast path.

    That function logs a warning if the application changes what the fast path replaces, and a debug line if the source
    of the installed Flask or marshmallow is not known.

    :param build: builds the dispatcher, at the first call of a hook.
    :param view: the view of every hook.
    """
    # Now and not at the first call, as it reads source files.
    level, unknown_in_flask = supported_level()
    unknown_in_marshmallow = unknown_functions(SCHEMAS)

    def build_with_fast_path() -> Dispatcher:
        dispatcher = build()
        dispatcher.load_meta = compile_load(dispatcher.meta_schema) or dispatcher.load_meta
        for route in dispatcher.routes.values():
            _compile_schemas_on_first_use(route)
        if unknown_in_marshmallow:
            _log_unknown("schemas are not compiled", unknown_in_marshmallow)
        if isinstance(middleware.hook_app, FastPath):  # another ProxyHooks of the application installed it
            return dispatcher
        if (reason := unsupported_reason(app, middleware.wsgi_app)) is not None:
            logger.warning("the fast path is off: %s. Set %s = False to accept that", reason, FAST.key)
            return dispatcher
        if unknown_in_flask:
            _log_unknown(f"the level of the fast path is {level}", unknown_in_flask)
        if level is not Level.OFF:
            middleware.hook_app = FastPath(app, view, middleware, _context_factory(level))
        return dispatcher

    return build_with_fast_path


def _log_unknown(consequence: str, functions: list[str]) -> None:
    packages = sorted({name.partition(".")[0] for name in functions})
    releases = " and ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    logger.debug("%s, as the source of %s is not known: %s", consequence, releases, ", ".join(functions))


def _context_factory(level: Level) -> Callable[..., CallContext]:
    if level is Level.FULL:
        with contextlib.suppress(ImportError):  # a private name may have moved
            from .lazy_context import LazyRequestContext

            return LazyRequestContext
    return create_flask_context


def _compile_schemas_on_first_use(route: Route) -> None:
    """Let the route compile a schema when it first loads or dumps; most of thousands of routes may never be used."""
    data_schema, uncompiled = route.hook.data_schema, route.load

    if isinstance(data_schema, Schema) and uncompiled is not None:

        def load(data: Any) -> Any:
            route.load = compiled = compile_load(data_schema) or uncompiled
            return compiled(data)

        route.load = load

    for dumper in filter(None, (route.dump, route.dump_loaded)):
        _compile_dump_on_first_use(dumper)


def _compile_dump_on_first_use(dumper: Dumper) -> None:
    uncompiled = dumper.dump

    def dump(data: Any) -> Any:
        dumper.dump = compiled = compile_dump(dumper.schema) or uncompiled
        return compiled(data)

    dumper.dump = dump
