"""Flask's request context for requests to hooks: once matched, the request has the URL rule of its hook."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from flask.ctx import RequestContext

from .request_state import STATE_KEY, RequestState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class HookContextFactory:
    """``Flask.request_context`` of an application that has hooks.

    :param create: the application's own.
    """

    def __init__(self, create: Callable[[WSGIEnvironment], RequestContext]) -> None:
        self.create = create

    def __call__(self, environ: WSGIEnvironment) -> RequestContext:
        context = self.create(environ)
        if STATE_KEY in environ:
            # Its copies, as of copy_current_request_context, are of the same class.
            context.__class__ = hook_context_class(type(context))  # type: ignore[arg-type]  # a class is hashable
        return context


def install_hook_contexts(app: Flask) -> None:
    methods: Any = app  # type checkers let none be replaced
    methods.request_context = HookContextFactory(app.request_context)


@functools.cache
def hook_context_class(context_class: type[RequestContext]) -> type[RequestContext]:
    """A subclass whose requests get the URL rule of their hook when they are matched."""

    def match_request(self: Any) -> None:
        context_class.match_request(self)
        _use_rule_of_hook(self.request)

    return type(context_class.__name__, (context_class,), {"match_request": match_request})


def _use_rule_of_hook(request: Request) -> None:
    state: RequestState | None = request.environ.get(STATE_KEY)
    rule = request.url_rule
    if state is not None and state.view is not None and rule is not None and rule.rule == state.path:
        request.url_rule = state.view.rule(rule)
