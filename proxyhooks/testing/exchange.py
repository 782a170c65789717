"""Exchanges: a request, the reply, and Centrifugo's verdict on it; or a verdict that needs no request."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

from .._wire.codes import DISCONNECTS, UNSUBSCRIBE_EXPIRED, disconnect_is_terminal
from ..centrifugo.replies.verdict import Verdict
from ..exceptions import Disconnect
from .transport import AppResponse, to_go_json

__tracebackhide__ = True  # pytest then ends a traceback at the line of the test

recent: Final[deque[Exchange]] = deque(maxlen=20)
"""The last exchanges of all clients, for the report of a test that fails."""


class MisreadReply(AssertionError):
    """Centrifugo would misread the reply, or follow a redirect, or the request reached no hook."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange(Verdict):
    """A verdict with the request and the reply that led to it."""

    request: dict[str, Any] | None = None
    """The body that was sent; None if Centrifugo decides without a request."""
    status: int | None = None
    """The HTTP status of the reply."""
    reply: bytes | None = None
    """The body of the reply."""

    def __post_init__(self) -> None:
        recent.append(self)

    def __repr__(self) -> str:
        details = {"code": self.code, "message": self.message, "reason": self.reason}
        words = [self.outcome, *(f"{name}={value!r}" for name, value in details.items() if value is not None)]
        lines = [f"<{self.event}: {' '.join(words)}>"]
        if self.request is not None:
            lines.append(f"  request: {to_go_json(self.request)}")
        if self.reply is not None:
            text = self.reply.decode("utf-8", "replace")
            lines.append(f"  reply:   {self.status} {'(an HTML page)' if text.lstrip().startswith('<') else text}")
        lines.append(f"  why:     {self.why}")
        lines += [f"  warning: {warning.id}: {warning.text}" for warning in self.warnings]
        return "\n".join(lines)


def exchange_of(verdict: Verdict, request: dict[str, Any], response: AppResponse) -> Exchange:
    """The verdict with the request and the response that led to it."""
    exchange = _attributes(verdict)
    if response.location is not None and verdict.outcome == "redirected":
        exchange["why"] += f"; it leads to {response.location}"
    if response.error is not None:
        error = "".join(traceback.format_exception_only(response.error)).partition("\n")[0]
        exchange["why"] += f"; the application raised {error}"
    return Exchange(**exchange, request=request, status=response.status, reply=response.body)


def exchange_without_request(verdict: Verdict) -> Exchange:
    """What Centrifugo decides by itself."""
    return Exchange(**_attributes(verdict))


def _attributes(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in Verdict.__slots__}


def raise_if_misread(exchange: Exchange) -> Exchange:
    """Return the exchange if Centrifugo reads the reply as it is meant.

    :raises MisreadReply: if it does not, or if it follows a redirect, or if the request reached no hook.
    """
    client_error = exchange.status is not None and 400 <= exchange.status < 500
    if exchange.misread or exchange.outcome == "redirected" or client_error:
        raise MisreadReply(f"Centrifugo would misread this reply, or the request reached no hook\n{exchange!r}")
    return exchange


def expire_locally(event: Literal["refresh", "sub_refresh"], transport: str) -> Exchange:
    """The end of a connection or subscription that the application cannot refresh."""
    # Centrifugo tells an SDK of the expiry only if there is no hook. The SDK then calls the page's getToken.
    is_unidirectional = transport.startswith("uni_")
    code, reason = (3005, DISCONNECTS[3005]) if event == "refresh" else (UNSUBSCRIBE_EXPIRED, DISCONNECTS[3006])
    why = f"expire_at has passed, and Centrifugo calls no {event} hook"
    if not is_unidirectional:
        why += ": an SDK gives up, unless it gets a token from getToken"
    return Exchange(event=event, outcome="expired", code=code, reason=reason, comes_back=is_unidirectional, why=why)


def disconnect_by_server(disconnect: type[Disconnect] | Disconnect | int) -> Exchange:
    """The disconnect that the application has asked for with Centrifugo's server API."""
    if isinstance(disconnect, int):
        code, reason = disconnect, DISCONNECTS.get(disconnect, "")
    else:
        code, reason = disconnect.code, disconnect.reason
    return Exchange(
        event="connect",
        outcome="disconnected",
        code=code,
        reason=reason,
        comes_back=not disconnect_is_terminal(code),
        why="the application has called the server API",
    )
