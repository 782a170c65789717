"""Which worker of gunicorn may stop, and when: not before somebody else serves.

gunicorn tells its old workers to stop as soon as their successors are forked, which then still have to load the
application; it exits altogether if that fails; and workers that reach ``max_requests`` may do so all at once. Here the
workers write what they are doing on a board that all processes share, and one that is asked to stop goes on serving
until the board says that it is not needed.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

State = Literal["starting", "serving", "asked", "stopping"]
"""Of a worker: loads the application; serves; serves, and was asked to stop; takes no new connections."""
Decision = Literal["wait", "stop", "stay", "spare"]
"""For a worker that was asked: later; now; not at all, since what was to replace it has failed; later, and somebody has
to be started for it first."""

_MAX: Final = 1 << 20


@dataclass
class Entry:
    """A worker."""

    generation: int
    """How often the application had been reloaded when it was forked."""
    state: State = "starting"


@dataclass
class Notes:
    """What is on the board."""

    generation: int = 0
    failed: bool = False
    """Whether the last worker of this generation that has ended could not load the application."""
    workers: dict[str, Entry] = field(default_factory=dict)

    def serving(self) -> int:
        """How many take new connections."""
        return sum(entry.state in ("serving", "asked") for entry in self.workers.values())

    def current(self) -> list[State]:
        """What the workers of this generation do."""
        return [entry.state for entry in self.workers.values() if entry.generation == self.generation]

    def decide(self, number: int, *, alone: bool) -> Decision:
        """Whether the worker, which was asked to stop, may.

        :param alone: it is the only one that there is meant to be.
        """
        me = self.workers[str(number)]
        others = {int(other): entry for other, entry in self.workers.items() if int(other) != number}
        if me.generation < self.generation:  # by a reload
            states = self.current()
            if "starting" in states:
                return "wait"
            if "serving" in states or "asked" in states:
                return "stop"
            return "stay" if self.failed else "wait"
        if any(entry.state in ("starting", "stopping") for entry in others.values()):
            return "wait"  # one after the other
        # Of two that are asked at once the first relies on the second, never both on each other.
        if any(e.state == "serving" or (e.state == "asked" and other > number) for other, e in others.items()):
            return "stop"
        return "spare" if alone else "wait"


class Board:
    """The notes, in a file without a name that forked processes share."""

    def __init__(self) -> None:
        self._fd, path = tempfile.mkstemp(prefix="proxyhooks-")
        os.unlink(path)
        # One byte, for a signal handler, which cannot wait for a lock.
        self._ending = mmap.mmap(-1, 1)

    @property
    def ending(self) -> bool:
        """Whether the whole server is about to end, so that nobody will take over."""
        return self._ending[0] == 1

    @ending.setter
    def ending(self, value: bool) -> None:
        self._ending[0] = int(value)

    @contextmanager
    def notes(self) -> Iterator[Notes]:
        """What is on the board, to be read and changed by one process at a time."""
        fd = self._fd
        fcntl.lockf(fd, fcntl.LOCK_EX)
        try:
            before = os.pread(fd, _MAX, 0)
            notes = _read(before)
            yield notes
            after = json.dumps(asdict(notes)).encode()
            if after != before:
                os.pwrite(fd, after, 0)
                os.ftruncate(fd, len(after))
        finally:
            fcntl.lockf(fd, fcntl.LOCK_UN)


def _read(text: bytes) -> Notes:
    if not text:
        return Notes()
    read = json.loads(text)
    workers = {number: Entry(**entry) for number, entry in read.pop("workers").items()}
    return Notes(**read, workers=workers)
