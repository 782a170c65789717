"""What verdicts do to a client over time: expiry, refresh, grace. No I/O and no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ..centrifugo.replies.verdict import Verdict

GRACE: Final = 60
"""Seconds that a client stays after a refresh that failed."""
CLOSE_DELAY: Final = 25
"""Seconds after which what has expired ends where nothing refreshes it: ``client.expired_close_delay``."""
MAX_TTL: Final = 365 * 24 * 3600
"""Seconds; Centrifugo shortens what lasts longer."""


class Due(NamedTuple):
    """Something that time brings."""

    moment: int
    """Unix seconds."""
    event: Literal["refresh", "sub_refresh"]
    channel: str | None
    asked: bool
    """Whether the application is asked; else it is the end."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """A client as its Centrifugo sees it.

    Centrifugo looks at the subscriptions of a connection now and then, so that a sub_refresh comes up to 52 s late by
    default; here it comes on time.
    """

    refreshes: bool
    """Whether the refresh proxy is on."""
    sub_refreshes: bool
    connected: bool = False
    user: str = ""
    meta: Any = None
    expire_at: int = 0
    """Unix seconds; 0: never."""
    subscriptions: dict[str, int] = field(default_factory=dict)
    """The ``expire_at`` of each channel."""

    def open(self, verdict: Verdict) -> None:
        """What a connect that was allowed makes of the client."""
        result = verdict.result or {}
        self.connected, self.user = True, result.get("user", "")
        self.meta = result.get("meta")
        self.expire_at = max(result.get("expire_at", 0), 0)
        self.subscriptions = dict.fromkeys(result.get("channels") or (), 0)
        for channel, options in (result.get("subs") or {}).items():
            self.subscribe(channel, options)

    def subscribe(self, channel: str, result: dict[str, Any] | None) -> None:
        self.subscriptions[channel] = max((result or {}).get("expire_at", 0), 0)

    def close(self) -> None:
        self.connected, self.expire_at = False, 0
        self.subscriptions.clear()

    def apply(self, verdict: Verdict, channel: str | None, now: int) -> None:
        """What the reply to something else than connect and subscribe does.

        :param now: Unix seconds.
        """
        if verdict.outcome == "disconnected" or (verdict.outcome == "expired" and verdict.event == "refresh"):
            self.close()
        elif verdict.event == "refresh":
            self.expire_at = self._next(verdict, now)
            if verdict.outcome == "allowed" and verdict.result and "meta" in verdict.result:
                self.meta = verdict.result["meta"]
        elif verdict.event == "sub_refresh" and channel is not None:
            if verdict.outcome == "expired":
                self.subscriptions.pop(channel, None)
            else:
                self.subscriptions[channel] = self._next(verdict, now)

    def _next(self, verdict: Verdict, now: int) -> int:
        if verdict.outcome == "grace":
            return now + GRACE
        expire_at: int = (verdict.result or {}).get("expire_at", 0)
        return min(max(expire_at, 0), now + MAX_TTL)

    def due(self) -> Due | None:
        """What comes next, if the client only waits."""
        coming: list[Due] = []
        if self.expire_at:
            coming.append(self._due("refresh", None, self.expire_at, self.refreshes))
        for channel, expire_at in self.subscriptions.items():
            if expire_at:
                coming.append(self._due("sub_refresh", channel, expire_at, self.sub_refreshes))
        return min(coming, key=lambda due: due.moment, default=None)

    def _due(self, event: Literal["refresh", "sub_refresh"], channel: str | None, expire_at: int, asked: bool) -> Due:
        return Due(expire_at if asked else expire_at + CLOSE_DELAY, event, channel, asked)
