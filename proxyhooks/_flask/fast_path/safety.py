"""Whether an application is still Flask where the short way takes Flask's place."""

from __future__ import annotations

import importlib.metadata
import types
from typing import TYPE_CHECKING, Final

from flask import Flask, Request
from flask.ctx import AppContext, RequestContext
from flask.sessions import SecureCookieSessionInterface

from .plain_schemas import is_function_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# What RequestContext and AppContext keep, and what Flask does with them, was compared in these. Another one may do
# something more, which the short way would leave out.
_KNOWN: Final = ("3.1.3",)

# What the short way stands in for, or passes by.
_METHODS: Final = (
    "app_context",
    "create_url_adapter",
    "dispatch_request",
    "do_teardown_appcontext",
    "do_teardown_request",
    "ensure_sync",
    "finalize_request",
    "full_dispatch_request",
    "make_response",
    "preprocess_request",
    "process_response",
    "request_context",
)
_OF_CLASSES: Final[dict[type, tuple[str, ...]]] = {
    RequestContext: ("__init__", "push", "pop", "match_request"),
    AppContext: ("__init__", "push", "pop"),
    SecureCookieSessionInterface: ("open_session", "save_session"),
}


def unsupported_reason(app: Flask, wsgi_app: WSGIApplication) -> str | None:
    """Why the short way, in the place of that ``wsgi_app``, might give another answer, or ``None``."""
    version = importlib.metadata.version("flask")
    if version not in _KNOWN:
        return f"Flask {version} is not one of those it was compared with, {', '.join(_KNOWN)}"
    if app.url_map.host_matching or app.subdomain_matching:
        return "the application matches hosts or subdomains"
    if not _is_flasks(wsgi_app):
        return f"{wsgi_app!r} is around Flask's wsgi_app since before ProxyHooks was; wrap app.wsgi_app after init_app"
    if app.request_class is not Request:
        return f"its request_class is {app.request_class!r}, whose requests may be matched in another way"
    for method in _METHODS:
        if not _is_flasks(getattr(app, method)):
            return f"{type(app).__name__}.{method} is not Flask's own"
    for cls, names in _OF_CLASSES.items():
        for name in names:
            if not is_function_of(getattr(cls, name), cls.__module__):
                return f"{cls.__name__}.{name} is not Flask's own"
    return None


def _is_flasks(method: object) -> bool:
    # No isinstance(): what tools wrap methods in says that it is one, and has its attributes.
    if type(method) is not types.MethodType:
        return False
    return any(is_function_of(method.__func__, module) for module in ("flask.app", "flask.sansio.app"))
