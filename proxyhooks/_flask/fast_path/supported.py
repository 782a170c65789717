"""How much of Flask the fast path may replace for an application."""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING

from flask import Flask, Request

from ..hook_context import HookContextFactory
from .source_digests import CONTEXTS, DISPATCHING, installed_function, unknown_functions

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Level(enum.StrEnum):
    """How much of Flask the fast path replaces. Compiled schemas do not depend on it."""

    FULL = "full"
    """Flask's dispatching and its contexts."""
    FLASK_CONTEXT = "flask-context"
    """Flask's dispatching, in contexts that Flask makes itself."""
    OFF = "off"
    """Nothing."""


def supported_level() -> tuple[Level, list[str]]:
    """Return the level for the installed Flask, and the functions of unknown source that rule out a higher level."""
    if unknown := unknown_functions(DISPATCHING):
        return Level.OFF, unknown
    if unknown := unknown_functions(CONTEXTS):
        return Level.FLASK_CONTEXT, unknown
    return Level.FULL, []


def unsupported_reason(app: Flask, wsgi_app: WSGIApplication) -> str | None:
    """Return what in this application makes the fast path unsafe, or ``None``.

    :param wsgi_app: what the application had as its ``wsgi_app`` when ProxyHooks wrapped it.
    """
    if app.url_map.host_matching or app.subdomain_matching:
        return "the application matches hosts or subdomains"
    if not _is_method_of_flask(wsgi_app):
        return f"app.wsgi_app was {wsgi_app!r} before init_app, not Flask's own; wrap app.wsgi_app after init_app"
    if app.request_class is not Request:
        return f"app.request_class is {app.request_class!r}, not Flask's Request"
    for name in (*DISPATCHING, *CONTEXTS):
        module, _, qualified_name = name.partition(":")
        if (function := installed_function(name)) is None:  # an unknown release, which supported_level() handles
            continue
        package, (owner, _, attribute) = module.partition(".")[0], qualified_name.rpartition(".")
        if not _is_function_of(function, package):
            return f"{qualified_name} is not {package.capitalize()}'s own"
        if owner == "Flask" and attribute != "wsgi_app" and not _is_method_of_flask(_method(app, attribute)):
            return f"{type(app).__name__}.{attribute} is not Flask's own"
    return None


def _method(app: Flask, name: str) -> object:
    """The method of the application, without the wrapper of this package."""
    method = getattr(app, name)
    return method.create if type(method) is HookContextFactory else method


# Below type() and not isinstance(), for which a tool's wrapper can pretend to be a function.


def _is_method_of_flask(method: object) -> bool:
    return type(method) is types.MethodType and _is_function_of(method.__func__, "flask")


def _is_function_of(function: object, package: str) -> bool:
    """Whether the package defines the function. The globals tell it, as a wrapper copies ``__module__``."""
    return type(function) is types.FunctionType and function.__globals__["__name__"].partition(".")[0] == package
