"""The steps of a test client: verdicts with what led to them, and those that need no application."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from .._wire.codes import ERRORS
from ..centrifugo.replies.verdict import Verdict
from .transport import AppResponse, compact

_MAX_CHANNEL: Final = 255


recent: Final[deque[Exchange]] = deque(maxlen=20)
"""The last steps of all clients, for the report of a test that fails."""


class MisreadReply(AssertionError):
    """Centrifugo would misread what the application answered, or follow it elsewhere, or never get to a hook."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exchange(Verdict):
    """A verdict, with what led to it."""

    request: dict[str, Any] | None = None
    """As it was sent; ``None`` where Centrifugo asks nobody."""
    status: int | None = None
    reply: bytes | None = None

    def __post_init__(self) -> None:
        recent.append(self)

    def __repr__(self) -> str:
        said = {"code": self.code, "message": self.message, "reason": self.reason}
        words = [self.outcome, *(f"{name}={value!r}" for name, value in said.items() if value is not None)]
        lines = [f"<{self.event}: {' '.join(words)}>"]
        if self.request is not None:
            lines.append(f"  request: {compact(self.request)}")
        if self.reply is not None:
            lines.append(f"  reply:   {self.status} {self.reply.decode('utf-8', 'replace')}")
        lines.append(f"  why:     {self.why}")
        lines += [f"  warning: {warning.id}: {warning.text}" for warning in self.warnings]
        return "\n".join(lines)


def exchange_of(verdict: Verdict, request: dict[str, Any], reply: AppResponse) -> Exchange:
    """The verdict, with what led to it."""
    given = {name: getattr(verdict, name) for name in Verdict.__slots__}
    if reply.location is not None and verdict.outcome == "redirected":
        given["why"] += f"; it leads to {reply.location}"
    return Exchange(**given, request=request, status=reply.status, reply=reply.body)


def raise_if_misread(step: Exchange) -> Exchange:
    """The step, if Centrifugo and the application understand each other.

    :raises MisreadReply: if not.
    """
    if step.misread or step.outcome == "redirected" or (step.status is not None and 400 <= step.status < 500):
        raise MisreadReply(f"Centrifugo would misread this reply, or never got to a hook\n{step!r}")
    return step


def decide_locally(channel: str, user: str, subscribed: Container[str]) -> Exchange | None:
    """What Centrifugo answers a subscription without asking; ``None``: it asks."""
    if not channel.isascii() or not 0 < len(channel) <= _MAX_CHANNEL:
        return _refusal(107, f"{channel!r} is no channel: 1 to {_MAX_CHANNEL} characters of ASCII")
    if channel in subscribed:
        return _refusal(105, "the client is subscribed already")
    if channel.startswith("$"):
        return _refusal(103, "channels that start with $ need a token")
    if "#" in channel:
        users = channel.rpartition("#")[2].split(",")
        if user not in users:
            return _refusal(103, f"the channel is that of {users}, and Centrifugo does not ask about it")
        return Exchange(
            event="subscribe", outcome="allowed", why="the channel names the user, so Centrifugo does not ask"
        )
    return None


def _refusal(code: int, why: str) -> Exchange:
    return Exchange(event="subscribe", outcome="refused", code=code, message=ERRORS[code].message, why=why)
