"""The state of a client in Centrifugo, and how replies and time change it. No I/O, and no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ..centrifugo.replies.verdict import Verdict

GRACE: Final = 60
"""Seconds from a failed refresh to the next one; the client stays meanwhile."""
CLOSE_DELAY: Final = 25
"""Seconds from ``expire_at`` to the end if there is no proxy: ``client.expired_close_delay``."""
MAX_TTL: Final = 365 * 24 * 3600
"""The most seconds from a refresh to ``expire_at``: Centrifugo shortens a longer time."""


class TimedEvent(NamedTuple):
    """A refresh, or the end of a connection or subscription, at a certain time."""

    time: int
    """Unix seconds."""
    event: Literal["refresh", "sub_refresh"]
    channel: str | None
    """The channel of a sub_refresh."""


@dataclass(slots=True, kw_only=True)
class ClientState:
    """The state of one client in Centrifugo.

    Here a sub_refresh is on time. Centrifugo checks subscriptions at intervals, so by default it is up to 52 s late.
    """

    calls_application: Callable[[Literal["refresh", "sub_refresh"], str | None], bool]
    """Whether Centrifugo asks the application to extend the connection, or the subscription to a channel."""
    connected: bool = False
    user: str = ""
    meta: Any = None
    expire_at: int = 0
    """Unix seconds; 0: never."""
    subscriptions: dict[str, int] = field(default_factory=dict)
    """The ``expire_at`` of each channel."""

    def connect(self, verdict: Verdict, channels: Iterable[str]) -> None:
        """Take user, meta, expiry and subscriptions from a connect result.

        :param channels: those to which Centrifugo subscribes the client besides.
        """
        result = verdict.result or {}
        self.connected, self.user = True, result.get("user", "")
        self.meta = result.get("meta")
        self.expire_at = max(result.get("expire_at", 0), 0)
        # Centrifugo v6.9.1 ignores the expire_at of subs: these subscriptions never expire.
        subscriptions = [*(result.get("channels") or ()), *(result.get("subs") or ()), *channels]
        self.subscriptions = dict.fromkeys(subscriptions, 0)

    def subscribe(self, channel: str, result: dict[str, Any] | None) -> None:
        self.subscriptions[channel] = max((result or {}).get("expire_at", 0), 0)

    def disconnect(self) -> None:
        self.connected, self.expire_at = False, 0
        self.subscriptions.clear()

    def apply(self, verdict: Verdict, channel: str | None, now: int) -> None:
        """Apply a disconnect of any event, or the result of a refresh.

        :param channel: the channel of a sub_refresh.
        :param now: Unix seconds.
        """
        if verdict.outcome == "disconnected" or (verdict.outcome == "expired" and verdict.event == "refresh"):
            self.disconnect()
        elif verdict.event == "refresh":
            self.expire_at = self._refreshed_expire_at(verdict, now)
            if verdict.outcome == "allowed" and verdict.result and "meta" in verdict.result:
                self.meta = verdict.result["meta"]
        elif verdict.event == "sub_refresh" and channel is not None:
            if verdict.outcome == "expired":
                self.subscriptions.pop(channel, None)
            else:
                self.subscriptions[channel] = self._refreshed_expire_at(verdict, now)

    def _refreshed_expire_at(self, verdict: Verdict, now: int) -> int:
        if verdict.outcome == "grace":
            return now + GRACE
        expire_at: int = (verdict.result or {}).get("expire_at", 0)
        return min(max(expire_at, 0), now + MAX_TTL)

    def next_timed_event(self) -> TimedEvent | None:
        """What happens first if the client does nothing; None if nothing will."""
        events: list[TimedEvent] = []
        if self.expire_at:
            events.append(self._timed_event("refresh", None, self.expire_at))
        for channel, expire_at in self.subscriptions.items():
            if expire_at:
                events.append(self._timed_event("sub_refresh", channel, expire_at))
        return min(events, key=lambda event: event.time, default=None)

    def _timed_event(self, event: Literal["refresh", "sub_refresh"], channel: str | None, expire_at: int) -> TimedEvent:
        delay = 0 if self.calls_application(event, channel) else CLOSE_DELAY
        return TimedEvent(expire_at + delay, event, channel)
