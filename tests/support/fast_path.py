"""The levels of the fast path: how to get each of them, and which one a request took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from flask.globals import request_ctx

from proxyhooks._flask.fast_path.lazy_context import LazyRequestContext
from proxyhooks._flask.fast_path.source_digests import CONTEXTS, DISPATCHING
from proxyhooks._flask.fast_path.supported import Level
from proxyhooks._flask.fast_path.wsgi import FastPath


def behind(proxy: Any) -> Any:
    """The object for which a proxy such as ``flask.request`` stands."""
    return proxy._get_current_object()


@contextmanager
def level_forced(level: Level) -> Iterator[None]:
    """Give this level to the applications that are set up inside, as if a source of Flask were unknown."""
    unknown = {Level.FLASK_CONTEXT: "flask.ctx:RequestContext.push", Level.OFF: "flask.app:Flask.finalize_request"}
    with ExitStack() as patches:
        for table in (DISPATCHING, CONTEXTS):
            if (function := unknown.get(level)) in table:
                patches.enter_context(mock.patch.dict(table, {function: {}}))
        yield


def level_taken() -> Level:
    """The level of the request that is being answered."""
    if isinstance(behind(request_ctx), LazyRequestContext):
        return Level.FULL
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is FastPath._dispatch.__code__:
            return Level.FLASK_CONTEXT
    return Level.OFF
