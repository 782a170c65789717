"""Work that a process finishes before it ends.

The Flask side knows what is left to do, and gunicorn's side how much time there is.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import Final, Protocol

# All times are in seconds.
_AT_EXIT: Final = 9.0
"""Time to finish where no server has set a limit. Docker kills a container 10 s after it told it to stop."""
_POLL_INTERVAL: Final = 0.02


class Work(Protocol):
    """Work that goes on in threads."""

    def is_busy(self) -> bool:
        """Whether some of it is left that can still be finished."""
        ...

    def pending(self) -> int:
        """How many functions wait or run."""
        ...

    def give_up(self) -> None:
        """Begin nothing more, and log what is lost. Later calls do nothing."""
        ...

    def start_anew(self) -> None:
        """Forget all work: it goes on in the parent of this process, whose threads and locks are not here."""
        ...


_all: Final[weakref.WeakSet[Work]] = weakref.WeakSet()


def register(work: Work) -> None:
    """Have the process wait for this work before it ends."""
    _all.add(work)


def pending() -> int:
    """How many functions of this process wait or run."""
    return sum(work.pending() for work in list(_all))


def finish(seconds: float) -> None:
    """Wait until all work is done, and give up what is not done in time."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and any(work.is_busy() for work in list(_all)):
            time.sleep(_POLL_INTERVAL)
    finally:  # also if a signal handler raises SystemExit or KeyboardInterrupt
        give_up()


def give_up() -> None:
    """Give up all work that is not done."""
    for work in list(_all):
        work.give_up()


def _forget_work_of_parent() -> None:
    inherited = list(_all)
    _all.clear()
    for work in inherited:
        work.start_anew()


atexit.register(finish, _AT_EXIT)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_work_of_parent)
