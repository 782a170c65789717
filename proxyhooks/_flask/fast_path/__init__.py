"""The short way: the same answers as by Flask's and marshmallow's own ways, with less work where nobody would notice.

To delete it, delete this package, its one import and its one call in ``_extension``: everything works as before, only
slower. ``PROXYHOOKS_FAST = False`` does so for an application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from marshmallow import Schema

from ..._dispatch.dispatcher import Dispatcher, Route
from ..._settings.settings import FAST
from ..._wire.log import logger
from ..middleware import Middleware
from .compiled_dump import compile_dump
from .compiled_load import compile_load
from .safety import unsupported_reason
from .wsgi import FastPath


def install_fast_path(
    app: Flask, middleware: Middleware, build: Callable[[], Dispatcher], view: Callable[..., Any]
) -> Callable[[], Dispatcher]:
    """What builds the dispatcher, and lets its calls, which Flask would bring to the view, take the short way.

    The log says why not, where Flask's own is not left as it was.
    """

    def build_and_shorten() -> Dispatcher:
        dispatcher = build()
        dispatcher.load_meta = compile_load(dispatcher.meta_schema) or dispatcher.load_meta
        for route in dispatcher.routes.values():
            _quicken(route)
        if isinstance(middleware.hook_app, FastPath):  # another ProxyHooks was here
            return dispatcher
        if (why := unsupported_reason(app, middleware.wsgi_app)) is None:
            middleware.hook_app = FastPath(app, view, middleware)
        else:
            logger.warning("hooks go the whole way through Flask: %s. %s = False says that it may be so", why, FAST.key)
        return dispatcher

    return build_and_shorten


def _quicken(route: Route) -> None:
    """Have functions for the schemas of the route; made when they are used, as there may be thousands of routes."""
    data_schema, result_schema = route.hook.data_schema, route.hook.result_schema

    if isinstance(data_schema, Schema):

        def load(data: Any) -> Any:
            route.load = convert = compile_load(data_schema) or data_schema.load
            return convert(data)

        route.load = load

    if result_schema is not None:

        def dump(data: Any) -> Any:
            route.dump = convert = compile_dump(result_schema) or result_schema.dump
            return convert(data)

        route.dump = dump
