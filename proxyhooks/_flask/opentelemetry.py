"""The spans that OpenTelemetry's Flask instrumentation makes of requests to hooks: their names, attributes and links.

The instrumentation wraps ``app.wsgi_app``. It starts a span in a ``before_request`` function and ends it in a
``teardown_request`` function. This module puts functions of its own next to these two, and the middleware inside the
wrapper, whichever was installed first.

It knows the functions of the instrumentation by their module, and the wrapped application by its name in the wrapper,
``wsgi_app``. If they are renamed, spans keep the names of HTTP requests, or the fast path is off where the
instrumentation came first.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

import flask
from flask import Flask

from .ingress import SECRET_KEY
from .request_state import STATE_KEY, RequestState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from opentelemetry.trace import Span

_M = TypeVar("_M", bound=Callable[..., Any])

_INSTRUMENTATION: Final = "opentelemetry.instrumentation.flask"
SPANS_KEY: Final = "proxyhooks.opentelemetry"
"""The key in ``app.extensions`` of the functions around those of the instrumentation."""
_BEFORE_KEY: Final = "proxyhooks.before_span"
"""The key in the WSGI environ of the current span and of the hidden headers, while the span of a request is made."""
_SPAN_KEY: Final = "proxyhooks.span"
"""The key in the WSGI environ of the span of a request to a hook."""
_lock: Final = Lock()
_BAGGAGE: Final = "baggage"
"""The header of values for the application. It tells no trace."""


def install_middleware(app: Flask, create: Callable[[WSGIApplication], _M]) -> _M:
    """Wrap ``app.wsgi_app``: inside of OpenTelemetry's wrapper, if there is one, which then sees what leaves.

    :param create: creates the middleware around the application that it gets.
    """
    wrapped: Any = app  # Flask documents that its wsgi_app is replaced; its types do not
    wrapper: Any = app.wsgi_app
    cells = _cells(wrapper)
    if (cell := cells.get("wsgi_app")) is None:
        middleware = create(wrapper)
        wrapped.wsgi_app = middleware
        return middleware
    inner = cell.cell_contents
    middleware = create(inner)
    closure = tuple((cells | {"wsgi_app": types.CellType(middleware)}).values())
    code, defaults = wrapper.__code__, wrapper.__defaults__
    wrapped.wsgi_app = types.FunctionType(code, wrapper.__globals__, wrapper.__name__, defaults, closure)
    if getattr(app, "_original_wsgi_app", None) == inner:  # what FlaskInstrumentor.uninstrument_app sets
        wrapped._original_wsgi_app = middleware
    return middleware


def name_spans(app: Flask) -> None:
    """Have the spans of requests to hooks named and described, if the instrumentation makes any.

    Called before Flask gets its first request. Flask accepts no instrumentation after that.
    """
    with _lock:
        if SPANS_KEY not in app.extensions:
            _insert_functions(app)


def _insert_functions(app: Flask) -> None:
    before = app.before_request_funcs.get(None, [])
    made_at = next((n for n, function in enumerate(before) if _is_of_instrumentation(function)), None)
    if made_at is None:
        return
    spans = app.extensions[SPANS_KEY] = _Spans()
    # Other lists, as other threads may be calling the functions of these.
    app.before_request_funcs[None] = [
        *before[:made_at], spans.before_start, before[made_at], spans.after_start, *before[made_at + 1 :]
    ]  # fmt: skip
    # Flask calls the last function first.
    app.teardown_request_funcs[None] = [*app.teardown_request_funcs.get(None, ()), spans.before_end]


def in_current_trace(app: Flask, run: Callable[[], object]) -> Callable[[], object]:
    """The function, with the current span as the parent of its spans, in whatever thread it runs."""
    if SPANS_KEY not in app.extensions:
        return run
    from opentelemetry import context

    current = context.get_current()

    def run_in_trace() -> object:
        token = context.attach(current)
        try:
            return run()
        finally:
            context.detach(token)

    return run_in_trace


def surrounds_span(function: object) -> bool:
    """Whether a ``before_request`` function is one of this module."""
    return isinstance(getattr(function, "__self__", None), _Spans)


def _is_of_instrumentation(function: object) -> bool:
    return type(function) is types.FunctionType and function.__module__ == _INSTRUMENTATION


def _cells(function: Any) -> dict[str, types.CellType]:
    """The free variables of a function of the instrumentation, in order; none if it is another function."""
    if not _is_of_instrumentation(function):
        return {}
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


class _Spans:
    """The functions around those of the instrumentation."""

    def __init__(self) -> None:
        # Imported where the application has imported the instrumentation already.
        from opentelemetry import propagate, trace
        from opentelemetry.context import Context
        from opentelemetry.instrumentation.wsgi import wsgi_getter

        fields = set(propagate.get_global_textmap().fields) - {_BAGGAGE}
        self._trace_headers = tuple("HTTP_" + name.upper().replace("-", "_") for name in fields)
        self._current_span = trace.get_current_span
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._ok = trace.Status(trace.StatusCode.OK)

        def carried(headers: WSGIEnvironment) -> trace.SpanContext:
            return trace.get_current_span(propagate.extract(headers, Context(), wsgi_getter)).get_span_context()

        self._carried_by = carried

    def before_start(self) -> None:
        """Hide what must not become the parent of the span, or one of its attributes."""
        environ = flask.request.environ
        # Centrifugo forwards the headers of the client's first request with all events of its connection. As a parent
        # they would make one trace of them. The middleware has the secret of requests to hooks.
        hide = self._trace_headers if STATE_KEY in environ else (SECRET_KEY,)
        hidden = {name: environ.pop(name) for name in hide if name in environ}
        environ[_BEFORE_KEY] = self._current_span(), hidden

    def after_start(self) -> None:
        environ = flask.request.environ
        outer, hidden = environ.pop(_BEFORE_KEY)
        environ |= hidden
        span, state = self._current_span(), environ.get(STATE_KEY)
        if span is outer or state is None or not state.guarded or not span.is_recording():
            return
        environ[_SPAN_KEY] = span
        _describe(span, state)
        if hidden and (carried := self._carried_by(hidden)).is_valid:
            span.add_link(carried)

    def before_end(self, exc: BaseException | None) -> None:
        environ = flask.request.environ
        span: Span | None = environ.get(_SPAN_KEY)
        if span is None or not span.is_recording():  # a copy of the request's context may end later
            return
        state: RequestState = environ[STATE_KEY]
        sent = state.sent
        handled = exc is None or exc is state.error
        if sent is None or not handled:
            if exc is not None:  # else it is a copy of the context that ends
                span.set_attribute("proxyhooks.outcome", "failed")
            return
        span.set_attribute("proxyhooks.outcome", sent.outcome)
        if sent.code is not None:
            span.set_attribute("proxyhooks.code", sent.code)
        if sent.status != 200:
            span.set_status(self._failed)
        elif exc is not None:  # a refusal of an after_request function, which would end the span as an error
            span.set_status(self._ok)


def _describe(span: Span, state: RequestState) -> None:
    """Give the span the name and attributes that are known before the hook runs."""
    span.update_name(state.name)
    attributes = {"event": state.event.name, "hook": state.hook, "pattern": state.pattern}
    span.set_attributes({f"proxyhooks.{name}": value for name, value in attributes.items() if value is not None})
