"""What Sentry sends about requests to hooks, if the application uses its Flask integration. Nothing imports Sentry."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

from .._dispatch.events import Event
from .._settings.secrets import SECRET_HEADER
from .ingress import SECRET_KEY
from .request_state import STATE_KEY, RequestState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEADER: Final = SECRET_HEADER.lower()


def describe_to_sentry(environ: WSGIEnvironment, event: Event | None) -> None:
    """Have what Sentry sends about this request name its hook and its user, and not have the secret.

    Sentry has copied the headers before it called the application.

    :param event: None if the URL is not that of a hook. Such a request may have the secret, too.
    """
    sentry_sdk: Any = sys.modules["sentry_sdk"]
    if event is None and SECRET_KEY not in environ:
        return
    if not hasattr(sentry_sdk, "get_isolation_scope"):
        return  # another thread is importing it, or it is older than 2.0
    if sentry_sdk.get_client().get_integration("flask") is None:
        return  # the scope is not that of the request alone

    def process(sent: dict[str, Any], _: Any) -> dict[str, Any]:
        if headers := sent.get("request", {}).get("headers"):
            sent["request"]["headers"] = {name: value for name, value in headers.items() if name.lower() != _HEADER}
        if event is not None:
            state: RequestState | None = environ.get(STATE_KEY)
            sent["transaction"] = event.name if state is None else state.name
            sent["transaction_info"] = {"source": "route"}
            if user := getattr(state and state.message, "user", None):
                sent.setdefault("user", {}).setdefault("id", user)
        return sent

    sentry_sdk.get_isolation_scope().add_event_processor(process)
    with contextlib.suppress(AttributeError):  # older releases have no streamed spans
        if (span := sentry_sdk.traces.get_current_span()) is not None:
            span.remove_attribute(f"http.request.header.{_HEADER}")
