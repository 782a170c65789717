"""Blinker signals, like those of Flask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blinker import Namespace

from ._dispatch.replies import ReplyOutcome

__all__ = ["FinishedCall", "hook_finished"]


@dataclass(slots=True)
class FinishedCall:
    """What became of one request to a hook's URL. All receivers of the signal get the same object: do not change it."""

    event: str
    hook: str | None
    """Module and qualified name of the function; None if no hook serves the request, or if it was refused unread."""
    pattern: str | None
    """The pattern of the hook, as of a channel or method; None if the hook has none."""
    outcome: ReplyOutcome
    """``result``, ``error``, ``disconnect``, or ``failed``, which is any other HTTP response.

    It is ``error`` or ``disconnect``, too, where the event carries none and another reply is sent in its place.
    """
    code: int | None
    """The code of the error or disconnect."""
    status: int
    """The HTTP status that is sent; 500 if an exception goes to the server."""
    duration: float
    """Seconds from the middleware's start to the beginning of the body."""
    queue_time: float | None
    """Seconds that the request waited for the application; None if the server does not tell."""
    request: Any
    """The request message; None if it was refused unread."""
    error: BaseException | None
    """The exception that made the call fail; None if there was none, or if it is a refusal that was sent."""


_signals = Namespace()

hook_finished = _signals.signal("hook-finished")
"""Sent once for each request to a hook's URL, when it is decided what is sent, before it is sent.

The sender is the Flask application. The keyword argument ``call`` is a :class:`FinishedCall`. Flask's contexts are
over. An exception in a receiver is logged. It changes no reply, and the other receivers are called.
"""
