"""The short way: the same answers as by Flask's and marshmallow's own ways, with less work where nobody would notice.

To delete it, delete this package, its one import and its one call in ``_extension``: everything works as before, only
slower. ``PROXYHOOKS_FAST = False`` does so for an application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from marshmallow import Schema

from .._dispatch import Dispatcher, logger
from .._guard import Guard
from .._hooks import Route
from ..exceptions import SetupError
from ._dumping import quick_dump
from ._loading import quick_load
from ._safety import obstacle
from ._way import Way

FAST: Final = "PROXYHOOKS_FAST"


def shorten(
    app: Flask, guard: Guard, build: Callable[[], Dispatcher], view: Callable[..., Any]
) -> Callable[[], Dispatcher]:
    """What builds the dispatcher, and lets its calls, which Flask would bring to the view, take the short way.

    The log says why not, where Flask's own is not left as it was.

    :raises SetupError: if ``PROXYHOOKS_FAST`` is neither True nor False.
    """
    wanted = app.config.get(FAST, True)
    if not isinstance(wanted, bool):
        raise SetupError(f"{FAST} must be True or False, not {wanted!r}")

    def build_and_shorten() -> Dispatcher:
        dispatcher = build()
        dispatcher.load_meta = quick_load(dispatcher.meta_schema) or dispatcher.load_meta
        for _, _, route in dispatcher.index.routes():
            _quicken(route)
        if isinstance(guard.way, Way):  # another ProxyHooks was here
            return dispatcher
        if (why := obstacle(app, guard.wsgi_app)) is None:
            guard.way = Way(app, view, guard.wsgi_app)
        else:
            logger.warning("hooks go the whole way through Flask: %s. %s = False says that it may be so", why, FAST)
        return dispatcher

    return build_and_shorten if wanted else build


def _quicken(route: Route) -> None:
    """Have functions for the schemas of the route; made when they are used, as there may be thousands of routes."""
    data_schema, result_schema = route.hook.data_schema, route.hook.result_schema

    if isinstance(data_schema, Schema):

        def load(data: Any) -> Any:
            route.load = convert = quick_load(data_schema) or data_schema.load
            return convert(data)

        route.load = load

    if result_schema is not None:

        def dump(data: Any) -> Any:
            route.dump = convert = quick_dump(result_schema) or result_schema.dump
            return convert(data)

        route.dump = dump
