"""Sends the requests of one client to the application, reads the replies as Centrifugo does, and applies them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .._dispatch.events import EVENTS
from .._wire import clock
from .._wire.requests import ClientRequest, UserRequest
from ..centrifugo.decisions import Decisions
from ..centrifugo.judge import judge
from ..centrifugo.replies.verdict import Verdict
from ..exceptions import HookResultError
from .client_state import ClientState
from .exchange import Exchange, exchange_of, exchange_without_request, expire_locally, raise_if_misread
from .transport import AppTransport, request_body, to_go_json

__tracebackhide__ = True  # pytest then ends a traceback at the line of the test


@dataclass(slots=True, kw_only=True)
class Caller:
    """Sends the requests of one client, whose state the replies change."""

    transport: AppTransport
    client_fields: dict[str, str]
    """The ``transport``, ``protocol`` and ``encoding`` of the client."""
    binary_encoding: bool
    sends_meta: bool
    propagate_exceptions: bool
    """Whether exceptions that the application does not handle are raised."""
    make_decisions: Callable[[], Decisions]
    client_id: str = ""
    ahead: float = 0.0
    """Seconds by which the clock is ahead."""
    state: ClientState = field(init=False)
    _decisions: Decisions | None = None

    def __post_init__(self) -> None:
        self.state = ClientState(calls_application=lambda *what: self.decisions.calls_application(*what))

    @property
    def decisions(self) -> Decisions:
        """What Centrifugo decides by itself."""
        if self._decisions is None:
            self._decisions = self.make_decisions()
        return self._decisions

    def start_connection(self) -> None:
        """Take a new client id, and the configuration of the hooks that there are now."""
        self.client_id = str(uuid.uuid4())
        self._decisions = self.make_decisions()

    @property
    def now(self) -> float:
        """Unix seconds."""
        with clock.ahead(self.ahead):
            return clock.now()

    def call(self, event: str, fields: Mapping[str, Any]) -> Exchange:
        """Send a request with these fields and those of the client. Return Centrifugo's verdict on the reply."""
        if event not in self.transport.urls:
            raise LookupError(f"no URL is given for {event}: pass urls={{{event!r}: ...}}")
        request_class, of_client = EVENTS[event].request, dict[str, Any]()
        if issubclass(request_class, ClientRequest):
            of_client |= {"client": self.client_id, **self.client_fields}
        if issubclass(request_class, UserRequest):
            of_client["user"] = self.state.user
            if self.sends_meta and self.state.meta is not None:
                of_client["meta"] = self.state.meta
        request = request_body(event, of_client | dict(fields), self.binary_encoding)
        response = self.transport.send(event, to_go_json(request).encode(), self.ahead)
        if response.error is not None and self.propagate_exceptions:
            # The frames of a HookResultError are all this package's: its hook has returned.
            raise response.error.with_traceback(None) if isinstance(response.error, HookResultError) else response.error
        verdict = judge(
            event,
            response.status,
            response.body,
            protocol=self.client_fields["protocol"],
            transport=self.client_fields["transport"],
            request=request,
            now=self.now,
        )
        verdict = self.decisions.read_verdict(verdict, fields.get("channel", ""), self.client_fields["transport"])
        return raise_if_misread(exchange_of(verdict, request, response))

    def ask_unless(self, decided: Verdict | None, event: str, fields: Mapping[str, Any]) -> Exchange:
        """Send a request with these fields if Centrifugo has not decided by itself. Apply what was decided."""
        exchange = self.call(event, fields) if decided is None else exchange_without_request(decided)
        return self._apply(exchange)

    def extend(self, event: Literal["refresh", "sub_refresh"], channel: str | None = None) -> Exchange:
        """Have the connection, or the subscription to the channel, refreshed or ended."""
        if not self.decisions.calls_application(event, channel):
            return self._apply(expire_locally(event, self.client_fields["transport"]), channel)
        return self._apply(self.call(event, {} if channel is None else {"channel": channel}), channel)

    def _apply(self, exchange: Exchange, channel: str | None = None) -> Exchange:
        self.state.apply(exchange, channel, int(self.now))
        return exchange
