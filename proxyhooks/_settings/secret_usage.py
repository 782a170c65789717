"""When each secret was last used by any worker of this machine, so that an operator knows when to remove an old one.

Each secret has an empty file, named by the secret's index in the list: its modification time is the time of the last
use. The directory of the files is in the temporary directory of the machine; only the user of the workers can enter it.
Its name is a digest of the list and of the application's name, so a changed list starts with no usage.

Recording never fails a request: any error disables it for the process and is logged once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from .._wire.log import logger

_INTERVAL: Final = 1.0
"""Seconds; a process touches a file at most that often."""
_SINCE: Final = "since"
"""The file whose time is that of the first use of the list."""
_PROBE: Final = "probe"


class SecretUsage:
    """The usage of one list of secrets by one application."""

    def __init__(self, values: tuple[bytes, ...], application: str) -> None:
        self.values = values
        name = b"proxyhooks.uses " + application.encode("utf-8", "surrogatepass")
        self._digest = hmac.new(b"\n".join(values), name, hashlib.sha256).hexdigest()[:32]
        self._recorded_at = [float("-inf")] * len(values)

    def record(self, index: int) -> None:
        """Record a use of the secret with this index. Never raises."""
        try:
            now = time.monotonic()
            if now - self._recorded_at[index] < _INTERVAL:
                return
            self._recorded_at[index] = now
            directory = self._make_directory()
            since = directory / _SINCE
            if not since.exists():
                since.touch()
            (directory / str(index)).touch()
        except Exception as error:
            self._recorded_at = [float("inf")] * len(self._recorded_at)
            with contextlib.suppress(Exception):  # of a log handler
                logger.info("the usage of secrets cannot be recorded: %s", _reason(error))

    def why_unavailable(self) -> str | None:
        """Why usage cannot be recorded here, or None if it can."""
        try:
            probe = self._make_directory() / _PROBE
            probe.touch()
            probe.unlink(missing_ok=True)
        except Exception as error:
            return _reason(error)
        return None

    def first_use(self) -> float | None:
        """When the list was first used, in Unix seconds; None if it was not used."""
        return self._time_of(_SINCE)

    def last_uses(self) -> list[float | None]:
        """When each secret was last used, in Unix seconds; None for one that was not used."""
        return [self._time_of(str(index)) for index in range(len(self._recorded_at))]

    def _time_of(self, name: str) -> float | None:
        try:
            return (_directory_of_user() / self._digest / name).stat().st_mtime
        except OSError:
            return None

    def _make_directory(self) -> Path:
        parent = _directory_of_user()
        _make_own_directory(parent)
        _make_own_directory(parent / self._digest)
        return parent / self._digest


@functools.lru_cache(16)
def usage_of(values: tuple[bytes, ...], application: str) -> SecretUsage:
    """The usage of a list by an application, always the same object: it remembers what it has just recorded."""
    return SecretUsage(values, application)


def _directory_of_user() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"proxyhooks-{user}")


def _make_own_directory(directory: Path) -> None:
    """Create the directory if it does not exist.

    :raises PermissionError: if it belongs to another user, or is not a directory.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise PermissionError(0, "not a directory of this user", str(directory))


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return f"{type(error).__name__}: {error}"
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
