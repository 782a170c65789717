"""The observer that counts calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from .._flask.installation import EXTENSION_KEY
from .count import Count, Counts

if TYPE_CHECKING:
    from ..signals import FinishedCall

_MAX_KINDS: Final = 2_000
"""Kinds of calls with a number of their own. A hook may choose codes without end; more are counted as ``other``."""
_REFUSALS: Final = (403, 503)
"""The statuses of what is refused before a hook is found, exported from the beginning for each event with hooks."""

_Kind = tuple[str, str | None, str, int | None, int]
"""Event, hook, outcome, code and status."""


class CallMetrics:
    """Counts calls by event, hook, outcome and code."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._by_kind: dict[_Kind, Count] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_anew)

    def record(self, app: Any, call: FinishedCall) -> None:
        """Count a call: the observer."""
        kind = call.event, call.hook, call.outcome, call.code, call.status
        try:
            count = self._by_kind[kind]
        except KeyError:
            count = self._count_of(*kind)
        count(call.duration, call.queue_time)

    def prepare(self, app: Any) -> None:
        """Export the metrics of the hooks of a Flask application: an increase from nothing to 1 shows nowhere."""
        installation = getattr(app, "extensions", {}).get(EXTENSION_KEY)
        for hooks in installation.hooks.values() if installation is not None else ():
            for registration in hooks.index.registrations():
                event, hook = registration.hook.event.name, registration.hook.name
                self._count_of(event, hook, "result", None, 200)
                self._count_of(event, hook, "failed", None, 500)
                for status in _REFUSALS:
                    self._count_of(event, None, "failed", None, status)

    def _count_of(self, event: str, hook: str | None, outcome: str, code: int | None, status: int) -> Count:
        kind = event, hook, outcome, code, status
        if len(self._by_kind) >= _MAX_KINDS:
            return self._counts.count_of(event, hook or "", outcome, "other")
        number = status if outcome == "failed" else code
        label = "" if number is None else str(number)
        count = self._by_kind[kind] = self._counts.count_of(event, hook or "", outcome, label)
        return count

    def _start_anew(self) -> None:
        self._by_kind.clear()
        self._counts.start_anew()
