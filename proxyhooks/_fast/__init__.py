"""The short way: the same answers as by Flask's and marshmallow's own ways, with less work where nobody would notice.

To delete it, delete this package, its one import and its one call in ``_extension``: everything works as before, only
slower. ``PROXYHOOKS_FAST = False`` does so for an application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from .._dispatch import Dispatcher, logger
from .._guard import Guard
from ..exceptions import SetupError
from ._payloads import quick_dump, quick_load
from ._safety import obstacle
from ._way import Way

FAST: Final = "PROXYHOOKS_FAST"


def shorten(app: Flask, guard: Guard, dispatcher: Dispatcher, view: Callable[..., Any]) -> None:
    """Let the calls of the dispatcher, which Flask brings to the view, take the short way from now on.

    The log says why not, where Flask's own is not left as it was.

    :raises SetupError: if ``PROXYHOOKS_FAST`` is neither True nor False.
    """
    wanted = app.config.get(FAST, True)
    if not isinstance(wanted, bool):
        raise SetupError(f"{FAST} must be True or False, not {wanted!r}")
    if not wanted:
        return
    dispatcher.load_meta = quick_load(dispatcher.meta_schema) or dispatcher.load_meta
    for _, _, route in dispatcher.index.routes():
        route.load = quick_load(route.hook.data_schema) or route.load
        route.dump = quick_dump(route.hook.result_schema) or route.dump
    if isinstance(guard.way, Way):  # another ProxyHooks was here
        return
    if (why := obstacle(app, guard.wsgi_app)) is not None:
        logger.warning("hooks go the whole way through Flask: %s. %s = False says that it is meant so", why, FAST)
        return
    guard.way = Way(app, view, guard.wsgi_app)
