"""What counts a call, wherever the counts are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Count: TypeAlias = Callable[[float, float | None], None]
"""Counts a call of one kind. Its arguments are the duration of the call and its time in the queue, in seconds."""


class Counts(Protocol):
    """The counts of one process."""

    def count_of(self, event: str, hook: str, outcome: str, code: str) -> Count:
        """Return what counts calls with these labels. They are then exported, with 0 until there is a call."""
        ...

    def start_anew(self) -> None:
        """Called in a process that was forked."""
        ...
