"""The judge: how Centrifugo reads a reply, and what the client does then.

:func:`judge` does no input or output. It works for tests, for the command line and for backends in any language. It
follows Centrifugo v6.9.1.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .._dispatch.events import EVENTS, Event
from .._wire import clock
from .._wire.codes import DISCONNECTS, ERRORS, UNSUBSCRIBE_EXPIRED, disconnect_is_terminal, error_is_terminal
from .go.json import NotJson, decode_utf8, parse
from .replies.go_reader import GoReader, decode_payloads, envelope_kinds, find_crashing_null
from .replies.verdict import Cause, Verdict
from .replies.warnings import add_warnings

__all__ = ["Verdict", "judge"]

_FOLLOWED_REDIRECTS: Final = (301, 302, 303, 307, 308)
_UNIDIRECTIONAL_DISCONNECTS: Final = {103: 3507, 109: 3005, 110: 3005, 111: 3013}
"""The disconnect that an error on connect becomes for a unidirectional client; every other error becomes 3004."""
_MAX_CLOSE_REASON: Final = 123
"""Bytes of a reason that fit into the closing frame of a WebSocket."""


def judge(
    event: str,
    status: int,
    body: bytes,
    *,
    protocol: str = "json",
    transport: str = "websocket",
    request: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> Verdict:
    """Return how Centrifugo reads a reply, and what the client does then.

    :param event: its name, as in the URL of the hook: ``subscribe``.
    :param protocol: the protocol of the client, ``json`` or ``protobuf``.
    :param transport: the transport of the client. Unidirectional clients (``uni_...``) get errors as disconnects.
    :param request: the fields of the request, for the warning ``channels-copied``.
    :param now: Unix seconds against which ``expire_at`` is compared; by default the current time.
    :raises ValueError: if there is no such event.
    """
    if event not in EVENTS:
        near = difflib.get_close_matches(event, EVENTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the events are {', '.join(EVENTS)}"
        raise ValueError(f"there is no event {event!r}: {hint}")
    seconds = int(clock.now() if now is None else now)
    return _Judge(EVENTS[event], protocol, transport, request or {}, seconds).judge(status, body)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges one reply."""

    event: Event
    protocol: str
    transport: str
    request: Mapping[str, Any]
    now: int
    """Unix seconds."""

    def judge(self, status: int, body: bytes) -> Verdict:
        if status in _FOLLOWED_REDIRECTS:
            why = (
                f"the status is {status}: Centrifugo follows the redirect and sends the secret along; any JSON object "
                "at its end allows the operation"
            )
            return self.verdict(outcome="redirected", cause="redirect", why=why)
        if status != 200:
            return self.failed_call("status", f"the status is {status}: Centrifugo reads replies of status 200 only")
        text = decode_utf8(body)
        try:
            node = parse(text)
        except NotJson as error:
            return _mark_misread(self.failed_call("not-json", f"the body is not JSON: {error}"))
        reader, reply = GoReader(text), dict[str, Any]()
        if node.value is not None:  # Go reads a bare null as an empty object
            reader.read_object(envelope_kinds(self.event), node, "", reply)
        if reader.mistakes:
            return _mark_misread(self.failed_call("wrong-type", "; ".join(reader.mistakes)))
        verdict = self.judge_reply(reply)
        return add_warnings(verdict, self.event, reply, reader.unknown_keys, self.protocol, self.request)

    def judge_reply(self, reply: dict[str, Any]) -> Verdict:
        if "disconnect" in reply:
            disconnect = reply["disconnect"]
            code, reason = disconnect.get("code", 0), disconnect.get("reason", "")
            return self.disconnected(code, reason, "disconnect", "the reply is a disconnect")
        if "error" in reply:
            error = reply["error"]
            code, message, temporary = error.get("code", 0), error.get("message", ""), error.get("temporary", False)
            return self.refused(code, message, temporary, "error", "the reply is an error")
        raw_result = reply.get("result")
        if raw_result is None:
            return self.judge_empty_reply()
        if path := find_crashing_null(raw_result):
            why = f"`{path}` is null: Centrifugo v6.9.1 crashes, and every client loses its connection"
            return _mark_misread(
                self.verdict(outcome="internal_error", cause="crashing-null", comes_back=True, why=why)
            )
        try:
            result: dict[str, Any] = decode_payloads(raw_result, self.prefers_json)
        except ValueError as error:
            return _mark_misread(self.unreadable_payload(str(error)))
        return self.judge_result(result)

    def judge_empty_reply(self) -> Verdict:
        if self.event.opens == "connection":
            why = "the reply to connect has no result"
            return self.disconnected(3501, DISCONNECTS[3501], "empty-reply", why)
        if self.event.extends is not None:
            return self.expired("empty-reply", f"the reply has no result, which ends the {self.event.extends} at once")
        if not self.event.carries_disconnect:
            return self.verdict(outcome="ignored", cause="empty-reply", why="the reply has no result: nothing changes")
        why = "the reply has no result, no error and no disconnect, which allows the operation"
        return self.verdict(outcome="allowed", cause="empty-reply", why=why)

    def judge_result(self, result: dict[str, Any]) -> Verdict:
        expire_at = result.get("expire_at", 0)
        if self.event.extends is not None:
            if result.get("expired"):
                return self.expired("expired-flag", "`result.expired` is true", result)
            if self.event.extends == "connection" and not expire_at:
                return self.expired("expire-at-missing", "`result.expire_at` is missing", result)
            if self.has_expired(expire_at):
                return self.expired("expire-at-past", f"`result.expire_at` {expire_at} is in the past", result)
        elif self.has_expired(expire_at):
            why = f"`result.expire_at` {expire_at} is in the past"
            return self.refused(110, ERRORS[110].message, False, "expire-at-past", why)
        elif self.event.result_reaches_client and (problem := self.json_problem(result)):
            why = f"`result.b64data` is not JSON ({problem}), and the client speaks JSON"
            return self.disconnected(3506, DISCONNECTS[3506], "binary-for-json", why)
        return self.verdict(outcome="allowed", cause="result", result=result, why="the reply is a result")

    # Questions about the event, the client and the result.

    def has_expired(self, expire_at: int) -> bool:
        """Whether Centrifugo takes a result's ``expire_at`` (Unix seconds, 0 if absent) for expired.

        It compares in another way for each kind of event.
        """
        if self.event.extends == "connection":
            return expire_at <= self.now
        if self.event.opens == "subscription":
            return 0 < expire_at <= self.now
        return 0 < expire_at < self.now

    def json_problem(self, result: dict[str, Any]) -> str | None:
        """Why a client that speaks JSON cannot read the payload, or ``None``."""
        data = result.get("data")
        if self.protocol != "json" or not isinstance(data, bytes) or not data:
            return None
        try:
            parse(decode_utf8(data))
        except NotJson as error:
            return str(error)
        return None

    @property
    def prefers_json(self) -> bool:
        """Whether JSON counts if a payload and its ``b64`` twin are both set, as in replies to publications."""
        return self.event.result_has_data and not self.event.result_reaches_client

    @property
    def is_unidirectional(self) -> bool:
        """Whether the client gets an error as a disconnect."""
        return self.event.opens == "connection" and self.transport.startswith("uni_")

    @property
    def sdk_retries(self) -> bool:
        """Whether SDKs try again by themselves after a temporary error. They leave an rpc to its caller."""
        return self.event.opens is not None

    # Verdicts.

    def refused(self, code: int, message: str, temporary: bool, cause: Cause, why: str) -> Verdict:
        """The client gets an error."""
        if not self.event.carries_disconnect:
            return self.verdict(
                outcome="ignored",
                cause=cause,
                code=code,
                message=message,
                temporary=temporary,
                why=f"{why}: nothing changes",
            )
        if self.is_unidirectional:
            disconnect = _UNIDIRECTIONAL_DISCONNECTS.get(code, 3004)
            why = f"{why}, {code} {message!r}, which a client of {self.transport} gets as a disconnect"
            return self.disconnected(disconnect, DISCONNECTS[disconnect], cause, why)
        return self.verdict(
            outcome="refused",
            cause=cause,
            code=code,
            message=message,
            temporary=temporary,
            comes_back=self.sdk_retries and not error_is_terminal(code, temporary),
            why=f"{why}, {code} {message!r}",
        )

    def disconnected(self, code: int, reason: str, cause: Cause, why: str) -> Verdict:
        """The client gets a disconnect."""
        why = f"{why}, {code} {reason!r}"
        comes_back = not disconnect_is_terminal(code)
        if not comes_back and len(reason.encode()) > _MAX_CLOSE_REASON:
            comes_back = True
            why = f"{why}; the reason has over {_MAX_CLOSE_REASON} bytes, so the client gets no code and reconnects"
        return self.verdict(
            outcome="disconnected", cause=cause, code=code, reason=reason, comes_back=comes_back, why=why
        )

    def expired(self, cause: Cause, why: str, result: dict[str, Any] | None = None) -> Verdict:
        """A refresh ends the connection or the subscription."""
        ends_connection = self.event.extends == "connection"
        return self.verdict(
            outcome="expired",
            cause=cause,
            code=3005 if ends_connection else UNSUBSCRIBE_EXPIRED,
            reason=DISCONNECTS[3005 if ends_connection else 3006],
            comes_back=True,
            result=result,
            why=why,
        )

    def failed_call(self, cause: Cause, why: str) -> Verdict:
        """Centrifugo has no reply that it can read."""
        if self.event.failure_is_grace:
            return self.verdict(outcome="grace", cause=cause, comes_back=True, why=why)
        if not self.event.carries_disconnect:
            return self.verdict(outcome="ignored", cause=cause, why=why)
        return self.internal_error(cause, why)

    def unreadable_payload(self, why: str) -> Verdict:
        """Centrifugo reads the reply and fails at the base64 in it."""
        if self.event.extends == "connection":
            return self.disconnected(3004, DISCONNECTS[3004], "bad-base64", why)
        if self.event.extends == "subscription":
            return self.expired("bad-base64", why)
        return self.internal_error("bad-base64", why)

    def internal_error(self, cause: Cause, why: str) -> Verdict:
        return self.verdict(
            outcome="internal_error",
            cause=cause,
            code=3004 if self.is_unidirectional else 100,
            message=ERRORS[100].message,
            temporary=True,
            comes_back=self.sdk_retries,
            why=why,
        )

    def verdict(self, **fields: Any) -> Verdict:
        return Verdict(event=self.event.name, **fields)


def _mark_misread(verdict: Verdict) -> Verdict:
    return dataclasses.replace(verdict, misread=True)
