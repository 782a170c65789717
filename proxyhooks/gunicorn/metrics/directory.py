"""The directory with the counts of all processes, in the format of prometheus_client's multiprocess mode.

Each process has files of its own, named after its number. A new worker takes over the files of one that has ended, and
counts on in them. So no count is lost, and there are never more files than processes at a time. The masters of an
upgrade (USR2) share the directory; the last one removes it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..._wire.metric_table import MULTIPROCESS_DIRECTORY
from ..._wire.value_file import ValueFile

_PREFIX: Final = "proxyhooks-metrics-"
_MASTERS: Final = "masters"
"""A file on which each master holds a lock. The kernel releases it, however the master ends."""
_TAKE_OVER: Final = "take_over"
"""A file on which a process holds a lock while it takes over files."""
_RELOAD_FAILURES: Final = "reload_failures"
"""A file with a byte for each of them."""
_LOCK_LIMIT: Final = 1.0
"""Seconds to wait for a lock that is held for less than a millisecond."""
_STALE_AFTER: Final = 60.0
"""Seconds without a change, after which a directory without a master is removed. Its workers have noticed by then."""
_FREE_SPACE: Final = 16 * 1024 * 1024
"""Bytes that a file system needs."""
_IN_MEMORY: Final = "/dev/shm"  # noqa: S108  # the directory in it gets a random name
_VALUES: Final = re.compile(r"(?P<kind>[a-z_]+)_(?P<number>\d+)(?P<rest>(-proxyhooks)?\.db)")
"""The names of files with counts."""


class Directory:
    """A directory of counts."""

    def __init__(self, path: str) -> None:
        self.path = path

    def value_files(self) -> list[str]:
        """The paths of the files to read, in order: without the gauges of processes that have ended."""
        return [
            str(entry)
            for entry, name in self._entries()
            if not (_is_live_gauge(name) and _has_ended(int(name["number"])))
        ]

    def take_over(self, number: int) -> list[str]:
        """Give the files of a process that has ended to the process of this number, which has not begun to count.

        Damaged files are removed. With them, the process could not count, and an application with metrics of its own
        could not be loaded.

        :return: the paths of the damaged files.
        :raises OSError: if the directory cannot be used.
        """
        with _locked(os.path.join(self.path, _TAKE_OVER)):
            self.remove_dead_gauges(number)
            entries = list(self._entries())
            numbers = sorted({int(name["number"]) for _, name in entries})
            # The system may have given the number of an ended process to this one.
            heritage = number if number in numbers else next(filter(_has_ended, numbers), None)
            inherited = [(path, name) for path, name in entries if int(name["number"]) == heritage]
            damaged = [str(path) for path, _ in inherited if _is_damaged(path)]
            for path, name in inherited:
                if str(path) in damaged:
                    path.unlink()
                elif heritage != number:
                    path.rename(path.with_name(f"{name['kind']}_{number}{name['rest']}"))
        return damaged

    def remove_dead_gauges(self, number: int) -> None:
        """Remove the gauges of all processes that have ended, and those of one process.

        :param number: of a process that has ended, or has none yet: its number may be that of an ended one.
        """
        for path, name in self._entries():
            other = int(name["number"])
            if _is_live_gauge(name) and (other == number or _has_ended(other)):
                path.unlink(missing_ok=True)

    def note_reload_failure(self) -> None:
        with open(os.path.join(self.path, _RELOAD_FAILURES), "ab") as file:
            file.write(b".")

    def reload_failures(self) -> int:
        try:
            return os.stat(os.path.join(self.path, _RELOAD_FAILURES)).st_size
        except FileNotFoundError:
            return 0

    def _entries(self) -> Iterator[tuple[Path, re.Match[str]]]:
        for file in sorted(os.listdir(self.path)):
            if (name := _VALUES.fullmatch(file)) is not None:
                yield Path(self.path, file), name


class MasterDirectory(Directory):
    """The directory in a master: it exists until the last master of an upgrade ends.

    :param worker_tmp_dir: gunicorn's setting: where to create it, if there is none yet.
    :param uid: the user of the workers, who may be another one than that of the master.
    :param gid: their group.
    :raises OSError: if none can be made.
    """

    def __init__(self, worker_tmp_dir: str | None, uid: int, gid: int) -> None:
        inherited = os.environ.get(MULTIPROCESS_DIRECTORY)
        if inherited:
            os.makedirs(inherited, 0o700, exist_ok=True)
        super().__init__(inherited or _create(worker_tmp_dir))
        self._own = os.path.basename(self.path).startswith(_PREFIX)
        """False if it is a directory of the user."""
        self.is_shared = bool(inherited) and self._own
        """Whether another master serves its metrics too."""
        self._masters = os.open(os.path.join(self.path, _MASTERS), os.O_RDWR | os.O_CREAT, 0o600) if self._own else -1
        if self._own:
            _lock(self._masters, exclusive=False)
        if not inherited and (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(self.path, uid, gid)

    def remove_if_last(self) -> None:
        """Called when the master ends."""
        if self._own and _is_unused(self._masters):
            shutil.rmtree(self.path, ignore_errors=True)


def _create(worker_tmp_dir: str | None) -> str:
    """Create a directory, in memory if possible: writing a page back to a disk can block processes that change it."""
    places = [worker_tmp_dir, _IN_MEMORY]
    with suppress(FileNotFoundError):
        places.append(tempfile.gettempdir())
    problem: OSError = FileNotFoundError("there is no place for it")
    for place in filter(None, places):
        try:
            if shutil.disk_usage(place).free < _FREE_SPACE:
                raise OSError(f"{place} has less than {_FREE_SPACE >> 20} MiB left")
            path = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        except OSError as error:
            problem = error
            continue
        _remove_stale(Path(place), path)
        return path
    raise problem


def _remove_stale(place: Path, new: str) -> None:
    """Remove the directories of masters that were killed."""
    for path in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            facts = path.stat(follow_symlinks=False)
            if str(path) == new or facts.st_uid != os.geteuid() or time.time() - facts.st_mtime < _STALE_AFTER:
                continue
            masters = os.open(path / _MASTERS, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _is_unused(masters):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(masters)


def _is_unused(masters: int) -> bool:
    """Whether no other master holds the lock; this one loses its own."""
    import fcntl

    fcntl.lockf(masters, fcntl.LOCK_UN)
    try:
        _lock(masters, exclusive=True)
    except OSError:
        return False
    return True


def _lock(file: int, *, exclusive: bool) -> None:
    """Lock a file for this process.

    :raises OSError: if another process holds a lock that excludes this one.
    """
    # Imported here: Windows has no fcntl. It has no gunicorn either, but the command line imports this package.
    import fcntl

    fcntl.lockf(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the lock of a file.

    :raises OSError: if another process holds it for too long.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_LIMIT
        while True:
            try:
                _lock(file, exclusive=True)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(file)  # this releases the lock


def _is_live_gauge(name: re.Match[str]) -> bool:
    """Whether the values of the file are those of living processes only."""
    return name["kind"].startswith("gauge_live")


def _is_damaged(path: Path) -> bool:
    try:
        ValueFile(str(path))
    except ValueError:
        return True
    return False


def _has_ended(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:  # a process of another user
        return False
    return False
