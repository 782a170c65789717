"""What Centrifugo makes of a reply, and what the client makes of that: :func:`judge`.

Pure; for tests, for the command line, and for asking "what would happen if my backend sent this?". Checked against
Centrifugo v6.9.1.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

from .._dispatch.events import EVENTS, Event
from .._wire import clock
from .._wire.codes import DISCONNECTS, ERRORS, UNSUBSCRIBE_EXPIRED, disconnect_is_terminal, error_is_terminal
from .replies.go_json import NotJson, parse, text_of
from .replies.go_reader import Reader, chosen, crashing_null, envelope_of
from .replies.verdict import Verdict
from .replies.warnings import add_warnings

__all__ = ["judge"]

_FOLLOWED: Final = (301, 302, 303, 307, 308)
# What an error on connect becomes where the transport carries none.
_ONE_WAY: Final = {103: 3507, 109: 3005, 110: 3005, 111: 3013}
_LONGEST_REASON: Final = 123
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
    """What Centrifugo makes of a reply, and what a client SDK makes of that.

    :param event: as in the URL, such as ``subscribe``.
    :param protocol: what the client speaks, ``json`` or ``protobuf``.
    :param transport: of the client; errors reach one-way clients (``uni_...``) as disconnects.
    :param request: the fields of the request; with them channels copied from it are noticed.
    :param now: Unix seconds, for what has expired; by default it is now.
    :raises ValueError: if there is no such event.
    """
    if event not in EVENTS:
        near = difflib.get_close_matches(event, EVENTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(EVENTS)}"
        raise ValueError(f"there is no event {event!r}: {hint}")
    seconds = int(clock.now() if now is None else now)
    return _Case(EVENTS[event], protocol, transport, request or {}, seconds).judge(status, body)


@dataclasses.dataclass(frozen=True, slots=True)
class _Case:
    event: Event
    protocol: str
    transport: str
    request: Mapping[str, Any]
    now: int

    def judge(self, status: int, body: bytes) -> Verdict:
        if status in _FOLLOWED:
            return self.verdict(
                outcome="redirected",
                why=f"Centrifugo follows a redirect ({status}), with the secret: if JSON is found there, it is consent",
            )
        if status != 200:
            return self.failed(f"the status is {status}: only 200 counts")
        text = text_of(body)
        try:
            node = parse(text)
        except NotJson as error:
            return self.misread(self.failed(f"the body is no JSON: {error}"))
        reader, reply = Reader(text), dict[str, Any]()
        if node.value is not None:  # Go reads a bare null as an empty object
            reader.struct(envelope_of(self.event), node, "", reply)
        if reader.wrong:
            return self.misread(self.failed("; ".join(reader.wrong)))
        verdict = self.read(reply)
        return add_warnings(verdict, self.event, reply, reader.unknown, self.protocol, self.request)

    def read(self, reply: dict[str, Any]) -> Verdict:
        if "disconnect" in reply:
            given = reply["disconnect"]
            return self.disconnected(given.get("code", 0), given.get("reason", ""), "the reply is a disconnect")
        if "error" in reply:
            given = reply["error"]
            return self.refused(
                given.get("code", 0), given.get("message", ""), given.get("temporary", False), "the reply is an error"
            )
        given = reply.get("result")
        if nothing := crashing_null(given or {}):
            why = f"`{nothing}` is null: Centrifugo v6.9.1 crashes of it, and every client loses its connection"
            return self.misread(self.verdict(outcome="internal_error", comes_back=True, why=why))
        try:
            result = None if given is None else self.result(given)
        except ValueError as error:
            return self.misread(self.unreadable(str(error)))
        return _READ.get(self.event.name, _Case.allow)(self, result)

    # What becomes of a result, event by event.

    def allow(self, result: dict[str, Any] | None) -> Verdict:
        why = "there is neither error nor disconnect" if result is None else "the reply is a result"
        return self.verdict(outcome="allowed", result=result, why=why)

    def connect(self, result: dict[str, Any] | None) -> Verdict:
        if result is None:
            return self.disconnected(3501, DISCONNECTS[3501], "a connect reply without a result names no user")
        if 0 < result.get("expire_at", 0) < self.now:
            return self.late(result)
        return self.no_json(result) or self.allow(result)

    def subscribe(self, result: dict[str, Any] | None) -> Verdict:
        if result is not None and 0 < result.get("expire_at", 0) <= self.now:
            return self.late(result)
        return (self.no_json(result) if result else None) or self.allow(result)

    def rpc(self, result: dict[str, Any] | None) -> Verdict:
        return (self.no_json(result) if result else None) or self.allow(result)

    def refresh(self, result: dict[str, Any] | None) -> Verdict:
        if result is None:
            return self.over("a refresh reply without a result ends it on the spot")
        if result.get("expired"):
            return self.over("`result.expired` is true", result)
        expire_at = result.get("expire_at", 0)
        if self.event.name == "refresh" and expire_at <= self.now:
            text = "is missing" if not expire_at else f"{expire_at} has passed"
            return self.over(f"`result.expire_at` {text}", result)
        if 0 < expire_at < self.now:
            return self.over(f"`result.expire_at` {expire_at} has passed", result)
        return self.allow(result)

    def poll(self, result: dict[str, Any] | None) -> Verdict:
        if result is None:
            return self.verdict(outcome="ignored", why="there is no result: no news this time")
        return self.allow(result)

    # The ends.

    def refused(self, code: int, message: str, temporary: bool, why: str) -> Verdict:
        if self.event.failure_is_grace:
            raise AssertionError("refreshes carry no error")
        if not self.event.carries_disconnect:
            return self.verdict(
                outcome="ignored", code=code, message=message, temporary=temporary, why=f"{why}: no news this time"
            )
        if self.one_way:
            meant = _ONE_WAY.get(code, 3004)
            return self.disconnected(
                meant, DISCONNECTS[meant], f"error {code} reaches a client of {self.transport} as a disconnect"
            )
        return self.verdict(
            outcome="refused",
            code=code,
            message=message,
            temporary=temporary,
            comes_back=self.retried and not error_is_terminal(code, temporary),
            why=f"{why}, {code} {message!r}",
        )

    def disconnected(self, code: int, reason: str, why: str) -> Verdict:
        why = f"{why}, {code} {reason!r}"
        comes_back = not disconnect_is_terminal(code)
        if not comes_back and len(reason.encode()) > _LONGEST_REASON:
            comes_back, why = True, f"{why}: a reason this long breaks the closing of the connection"
        return self.verdict(outcome="disconnected", code=code, reason=reason, comes_back=comes_back, why=why)

    def late(self, result: dict[str, Any]) -> Verdict:
        return self.refused(110, ERRORS[110].message, False, f"`result.expire_at` {result['expire_at']} has passed")

    def over(self, why: str, result: dict[str, Any] | None = None) -> Verdict:
        whole = self.event.name == "refresh"
        return self.verdict(
            outcome="expired",
            code=3005 if whole else UNSUBSCRIBE_EXPIRED,
            reason=DISCONNECTS[3005 if whole else 3006],
            comes_back=True,
            result=result,
            why=why,
        )

    def no_json(self, result: dict[str, Any]) -> Verdict | None:
        """The end of a client that speaks JSON and is given something else."""
        data = result.get("data")
        if self.protocol != "json" or not isinstance(data, bytes) or not data:
            return None
        try:
            parse(text_of(data))
        except NotJson as error:
            return self.disconnected(3506, DISCONNECTS[3506], f"`result.b64data` is no JSON ({error})")
        return None

    def failed(self, why: str) -> Verdict:
        """Centrifugo has no reply."""
        if self.event.failure_is_grace:
            return self.verdict(outcome="grace", comes_back=True, why=why)
        if not self.event.carries_disconnect:
            return self.verdict(outcome="ignored", why=why)
        return self.internal(why)

    def misread(self, verdict: Verdict) -> Verdict:
        return dataclasses.replace(verdict, misread=True)

    def unreadable(self, why: str) -> Verdict:
        """Centrifugo has a reply with base64 in it that is none."""
        if self.event.name == "refresh":
            return self.disconnected(3004, DISCONNECTS[3004], why)
        if self.event.name == "sub_refresh":
            return self.over(why)
        return self.internal(why)

    def internal(self, why: str) -> Verdict:
        return self.verdict(
            outcome="internal_error",
            code=3004 if self.one_way else 100,
            message=ERRORS[100].message,
            temporary=True,
            comes_back=self.retried,
            why=why,
        )

    @property
    def one_way(self) -> bool:
        return self.event.name == "connect" and self.transport.startswith("uni_")

    @property
    def retried(self) -> bool:
        """Whether SDKs try again by themselves; calls and publications they leave to their caller."""
        return self.event.name in ("connect", "subscribe")

    def verdict(self, **fields: Any) -> Verdict:
        return Verdict(event=self.event.name, **fields)

    def result(self, given: dict[str, Any]) -> dict[str, Any]:
        """The result with the payloads that count.

        :raises ValueError: if base64 is none.
        """
        # Results that answer a publication look for JSON first, all others for base64.
        json_first = self.event.result_has_data and not self.event.result_reaches_client
        return chosen(given, json_first, "result")


_READ: Final[dict[str, Callable[[_Case, dict[str, Any] | None], Verdict]]] = {
    "connect": _Case.connect,
    "refresh": _Case.refresh,
    "subscribe": _Case.subscribe,
    "sub_refresh": _Case.refresh,
    "rpc": _Case.rpc,
    "shared_poll_refresh": _Case.poll,
    "cache_empty": _Case.poll,
    "state": _Case.poll,
}
