"""Flask's own request context, and what the fast path reads from any request context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from flask import Flask, Request
from flask.ctx import RequestContext
from flask.sessions import SecureCookieSessionInterface
from werkzeug.routing import Rule

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SESSION_ATTRIBUTE: Final = "_session" if hasattr(RequestContext, "session") else "session"
"""The attribute that holds the session. From Flask 3.1.3 on, reading ``session`` marks the session as accessed."""


class CallContext(Protocol):
    """The request context of a call on the fast path."""

    app: Flask
    untouched: bool
    """Whether no attribute of the context has been read or set. Then the context has no effect on the response."""

    @property
    def request(self) -> Request: ...
    def push(self) -> None: ...
    def pop(self, exc: BaseException | None, /) -> None: ...


def create_flask_context(app: Flask, environ: WSGIEnvironment, _rule: Rule) -> CallContext:
    """Create Flask's own request context, which matches the rule itself."""
    context: Any = app.request_context(environ)
    context.untouched = False  # this is not known
    return cast(CallContext, context)


def starts_with_empty_session(app: Flask, environ: WSGIEnvironment) -> bool:
    """Whether the request begins with an empty session of Flask's own session interface."""
    interface = app.session_interface
    return (
        "HTTP_COOKIE" not in environ
        and type(interface) is SecureCookieSessionInterface
        and not interface.__dict__  # no method or attribute is replaced on the instance
    )


def needs_response(context: CallContext) -> bool:
    """Whether the session, or a function that ``after_this_request`` registered, may change Flask's response."""
    attributes = vars(context)
    if attributes.get("_after_request_functions"):
        return True
    session = attributes.get(SESSION_ATTRIBUTE)
    return session is not None and (
        session.accessed or session.modified or not starts_with_empty_session(context.app, context.request.environ)
    )
