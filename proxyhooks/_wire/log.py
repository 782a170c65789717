"""The one logger of the package, and limits for the log lines that callers can cause."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

logger: Final = logging.getLogger("proxyhooks")
GUNICORN_LOG: Final = "gunicorn.error"
"""The name of gunicorn's own logger, which has handlers in its processes only."""

_INTERVAL: Final = 1.0
"""Seconds between two lines of one kind."""
_MAX_OF_GROUP: Final = 3
"""Lines of all kinds of a group in one interval: an application may have a thousand hooks, and each is a kind."""
_MAX_KINDS: Final = 1000
"""Kinds that are remembered. Beyond that, the kinds of a group count as one."""
MAX_QUOTED: Final = 200
"""Characters of a value in a line."""


class RateLimit:
    """Allows one log line of each kind a second, and three of each group of kinds; counts those in between.

    The next line of the kind has the count. Lines that are left out after the last one are not mentioned.

    :param clock: a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[Hashable, tuple[float, int]] = {}
        """For each kind: when the next line is allowed, and how many were left out since the last one."""
        self._groups: dict[Hashable, tuple[float, int]] = {}
        """For each group: when its interval ends, and how many lines it has had in it."""

    def count(self, kind: Hashable, group: Hashable = None) -> int | None:
        """Return how many lines of the kind were left out since the last one; None if this one is left out, too.

        :param group: one of a limited number of values, such as the text of the line; by default the kind.
        """
        group = kind if group is None else group
        with self._lock:
            now = self.clock()
            if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
                kind = group
            next_line, left_out = self._kinds.get(kind, (now, 0))
            end, lines = self._groups.get(group, (now, 0))
            if now >= end:
                end, lines = now + _INTERVAL, 0
            if now < next_line or lines >= _MAX_OF_GROUP:
                self._kinds[kind] = next_line, left_out + 1
                return None
            self._groups[group] = end, lines + 1
            self._kinds[kind] = now + _INTERVAL, 0
            return left_out

    def reset(self) -> None:
        """Allow a line of every kind at once, and forget the counts."""
        with self._lock:
            self._kinds.clear()
            self._groups.clear()


class Trusted(str):
    """Text that no caller chooses. A log line quotes it unchanged and uncut."""

    __slots__ = ()


class RateLimitedLogger:
    """Logs lines that callers can cause: at most one of each kind and three of each text a second, with values cut.

    Every value except numbers and :class:`Trusted` text is passed through :func:`quote`.
    """

    def __init__(self, target: logging.Logger) -> None:
        self.limit = RateLimit()
        self._target = target

    def warning(self, text: str, *values: object, kind: Hashable = None) -> bool:
        """Log a warning, or count it. Return whether it was logged.

        :param text: a format in the style of ``%``.
        :param kind: what is limited to one line a second; by default the text.
        """
        return self._log(logging.WARNING, text, values, kind)

    def error(self, text: str, *values: object, kind: Hashable = None, exc_info: BaseException | None = None) -> bool:
        """As :meth:`warning`, with the level ERROR, and with the traceback of an exception."""
        return self._log(logging.ERROR, text, values, kind, exc_info)

    def _log(
        self,
        level: int,
        text: str,
        values: tuple[object, ...],
        kind: Hashable,
        exc_info: BaseException | None = None,
    ) -> bool:
        left_out = self.limit.count(text if kind is None else kind, text)
        if left_out is None:
            return False
        quoted = [value if isinstance(value, int | float | Trusted) else quote(value) for value in values]
        # The record names the line of the caller.
        self._target.log(level, f"{text}%s", *quoted, left_out_suffix(left_out), exc_info=exc_info, stacklevel=3)
        return True


def quote(value: object, limit: int | None = None) -> str:
    """Return the value as text without control characters.

    :param limit: the most characters of the value; the rest is cut. By default its ``max_quoted``, or 200.
    """
    most: int = getattr(value, "max_quoted", MAX_QUOTED) if limit is None else limit
    text = text_of(value)
    shown = text[:most]
    if not shown.isprintable():
        shown = repr(shown)[1:-1]
    is_whole = text[:most] == text and shown[:most] == shown
    return shown if is_whole else f"{shown[:most]}..."


def text_of(value: object) -> str:
    """``str(value)``, or the name of its class if that raises: a log line must not fail a call."""
    try:
        return str(value)
    except Exception:  # the value may be of any class, such as an exception of the application
        return f"<{type(value).__name__}>"


def left_out_suffix(left_out: int) -> str:
    """Return the end of a log line: how many lines of the same kind were left out before it; empty for none."""
    return f" ({left_out} more like this since the last such line)" if left_out else ""


rate_limited: Final = RateLimitedLogger(logger)
