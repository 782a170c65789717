"""What each gunicorn worker is doing, and whether one of them may stop.

gunicorn stops its old workers as soon as it has forked new ones, although these still have to load the application. If
they cannot load it, the whole server exits. Several workers may also reach ``max_requests`` at the same time. So the
workers record their states in memory that all processes share. A worker with a stop request keeps serving until the
table shows that another worker has taken over.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

State = Literal[
    "starting",  # loads the application
    "serving",
    "stop_requested",  # serves until another worker has taken over
    "stopping",  # accepts no more connections
]
Decision = Literal[
    "wait",  # decide again later
    "stop",
    "cancel",  # forget the stop request: the replacement could not load the application
    "start_replacement",  # have another worker started, then decide again
]

_STATES: Final[tuple[State, ...]] = get_args(State)
_HEADER: Final = struct.Struct("=I?")  # generation, load_failed
_RECORD: Final = struct.Struct("=IIB?")  # worker number, generation, index in _STATES, has_replacement
_PREFIX: Final = struct.Struct("=II")  # checksum and length of the packed table that follows
_NUMBER: Final = struct.Struct("=I")  # how many workers there are to be

_SNAPSHOT_TRIES: Final = 100
"""An update makes a copy unreadable only if it is the second one since somebody began to read the copy."""
_COPY_SIZE: Final = 1 << 20
"""Bytes; enough for 100,000 workers. Memory that is not in use is not allocated."""
_NO_WORKERS_OFFSET, _SIGTERM_OFFSET, _CURRENT_COPY_OFFSET, _COPIES_OFFSET = 0, 1, 2, 3
"""Where the shared memory holds two flags, the number of the current copy (0 or 1), and the two copies."""
_NUMBER_OFFSET: Final = _COPIES_OFFSET + 2 * _COPY_SIZE

_logger = logging.getLogger("gunicorn.error")


@dataclass
class WorkerRecord:
    """What the table says about one worker."""

    generation: int
    """The table's generation when the worker was forked."""
    state: State = "starting"
    has_replacement: bool = False
    """Whether the worker had another one started, so that gunicorn has one more than it is configured for."""


@dataclass
class WorkerTable:
    """What each worker is doing, and how far a reload has come."""

    generation: int = 0
    """Number of reloads since the server started."""
    load_failed: bool = False
    """Whether the worker of this generation that ended last could not load the application."""
    workers: dict[int, WorkerRecord] = field(default_factory=dict)
    """By number, see :mod:`proxyhooks.gunicorn.server_hooks`."""

    def serving_count(self) -> int:
        """Return how many workers accept connections."""
        return sum(record.state in ("serving", "stop_requested") for record in self.workers.values())

    def current_states(self) -> list[State]:
        """Return the states of the workers of the current generation."""
        return [record.state for record in self.workers.values() if record.generation == self.generation]

    def decide(self, number: int, *, only_worker: bool) -> Decision:
        """Decide what a worker with a stop request does. If it has a replacement started, its record notes that.

        :param only_worker: whether gunicorn is configured for one worker.
        """
        own = self.workers[number]
        others = {other: record for other, record in self.workers.items() if other != number}
        if own.generation < self.generation:  # a reload replaces this worker
            states = self.current_states()
            if "starting" in states:
                return "wait"
            if "serving" in states or "stop_requested" in states:
                return "stop"
            return "cancel" if self.load_failed else "wait"
        if any(record.state in ("starting", "stopping") for record in others.values()):
            return "wait"  # workers stop one after the other
        # Of several workers with a stop request, the one with the highest number keeps serving. The others rely on it.
        for other, record in others.items():
            if record.state == "serving" or (record.state == "stop_requested" and other > number):
                return "stop"
        if not only_worker:
            return "wait"
        own.has_replacement = True
        return "start_replacement"

    def pack(self) -> bytes:
        """Return the table as bytes."""
        records = [
            _RECORD.pack(number, record.generation, _STATES.index(record.state), record.has_replacement)
            for number, record in self.workers.items()
        ]
        return _HEADER.pack(self.generation, self.load_failed) + b"".join(records)

    @classmethod
    def unpack(cls, packed: bytes) -> WorkerTable:
        """Return the table that was packed with :meth:`pack`."""
        generation, load_failed = _HEADER.unpack_from(packed)
        records = _RECORD.iter_unpack(packed[_HEADER.size :])
        workers = {
            number: WorkerRecord(forked_in, _STATES[state], has_replacement)
            for number, forked_in, state, has_replacement in records
        }
        return cls(generation, load_failed, workers)


class SharedState:
    """Memory that the master and all workers share: the master creates it, and the workers inherit it.

    The memory holds two copies of the table. An update writes the copy that is not current, and then makes it the
    current one. So the table is complete at any time, even if a process is killed during an update. Such a process
    leaves no lock either: the kernel releases it.

    :param directory: for the lock file, on systems without files in memory; None for the temporary directory.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._memory = mmap.mmap(-1, _NUMBER_OFFSET + _NUMBER.size)
        self._lock_file = _create_lock_file(directory)
        self._write(WorkerTable())

    @property
    def shutting_down(self) -> bool:
        """Whether the whole server stops, so that no worker takes over. A signal handler may use it: it has no lock."""
        return self._memory[_NO_WORKERS_OFFSET] == 1 or self._memory[_SIGTERM_OFFSET] == 1

    def note_number_of_workers(self, number: int) -> None:
        """Note how many workers gunicorn is to have. With 0, the server shuts down until there are to be some again."""
        self._memory[_NO_WORKERS_OFFSET] = int(number == 0)
        self._memory[_NUMBER_OFFSET:] = _NUMBER.pack(number)

    @property
    def desired_workers(self) -> int:
        """How many workers gunicorn is to have."""
        number: int = _NUMBER.unpack_from(self._memory, _NUMBER_OFFSET)[0]
        return number

    def note_sigterm(self) -> None:
        """Note that the server shuts down for good. A signal handler may call it."""
        self._memory[_SIGTERM_OFFSET] = 1

    def snapshot(self) -> WorkerTable:
        """Return the table as it is, without the lock.

        For signal handlers and for other processes than the workers: the lock excludes no other thread of a process.
        """
        for _ in range(_SNAPSHOT_TRIES):
            if (table := self._read_current()) is not None:
                return table
        return WorkerTable()

    def is_serving(self) -> bool:
        """Whether the server answers calls: a worker accepts connections, and the server does not shut down."""
        return not self.shutting_down and self.snapshot().serving_count() > 0

    @contextmanager
    def table(self) -> Iterator[WorkerTable]:
        """Lock the table for this process, and save the changes when the block ends without an exception.

        :raises OSError: if it cannot be locked.
        """
        # Imported here: Windows has no fcntl. It has no gunicorn either, but the command line imports this package.
        import fcntl

        if self._lock_file is None:
            raise OSError(errno.ENOLCK, "the table of workers has no file for its lock")
        fcntl.lockf(self._lock_file, fcntl.LOCK_EX)
        try:
            table = self._read()
            yield table
            self._write(table)
        finally:
            fcntl.lockf(self._lock_file, fcntl.LOCK_UN)

    def _read(self) -> WorkerTable:
        if (table := self._read_current()) is not None:
            return table
        _logger.error("The table of workers is damaged and starts again empty: workers may stop before others serve")
        self._write(WorkerTable())
        return WorkerTable()

    def _read_current(self) -> WorkerTable | None:
        """Return the current copy of the table; None if it is damaged, or is being written."""
        start = _COPIES_OFFSET + _COPY_SIZE * bool(self._memory[_CURRENT_COPY_OFFSET])
        checksum, length = _PREFIX.unpack_from(self._memory, start)
        if _HEADER.size <= length <= _COPY_SIZE - _PREFIX.size:
            packed = self._memory[start + _PREFIX.size : start + _PREFIX.size + length]
            if zlib.crc32(packed) == checksum:
                return WorkerTable.unpack(packed)
        return None

    def _write(self, table: WorkerTable) -> None:
        packed = table.pack()
        copy = not self._memory[_CURRENT_COPY_OFFSET]
        start = _COPIES_OFFSET + _COPY_SIZE * copy
        prefixed = _PREFIX.pack(zlib.crc32(packed), len(packed)) + packed
        self._memory[start : start + len(prefixed)] = prefixed
        self._memory[_CURRENT_COPY_OFFSET] = copy


def _create_lock_file(directory: str | None) -> int | None:
    """Create a file without a name, in memory if possible, and return its descriptor; None if it cannot be made."""
    if sys.platform == "linux":
        # Python may be built without it, and a hardened system may refuse it.
        with suppress(AttributeError, OSError):
            return os.memfd_create("proxyhooks-workers")
    try:
        descriptor, path = tempfile.mkstemp(prefix="proxyhooks-", dir=directory)
        os.unlink(path)
    except OSError as error:
        _logger.error("No file can be made for the lock of the table of workers: %s", error)
        return None
    return descriptor
