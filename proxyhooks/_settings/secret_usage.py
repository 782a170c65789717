"""When each secret of a list was last used, by whichever worker: so one knows when an old one can go.

It is kept as the times of empty files, named by the index of the secret, among the machine's temporary ones, in a
directory that only the user of the workers can enter. Its name is a digest of the whole list, so that a changed list
begins anew and nothing has to be agreed upon.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_EVERY: Final = 1.0
"""Seconds; a file is not touched more often by a process."""
_SINCE: Final = "since"
_logger = logging.getLogger("proxyhooks")


class SecretUsage:
    """Of one list of secrets."""

    def __init__(self, values: Sequence[bytes]) -> None:
        digest = hmac.new(b"\n".join(values), b"proxyhooks.uses", hashlib.sha256).hexdigest()[:32]
        self._directory = _own_directory() / digest
        self._noted = [float("-inf")] * len(values)

    def record(self, index: int) -> None:
        """A request brought the secret of this index."""
        now = time.monotonic()
        if now - self._noted[index] < _EVERY:
            return
        self._noted[index] = now
        try:
            _make(self._directory.parent)
            _make(self._directory)
            since = self._directory / _SINCE
            if not since.exists():
                since.touch()
            (self._directory / str(index)).touch()
        except OSError as error:
            self._noted = [float("inf")] * len(self._noted)
            _logger.info("when secrets are used cannot be kept in %s: %s", self._directory.parent, error.strerror)

    def since(self) -> float | None:
        """When the list was first used; seconds since the epoch."""
        return _time(self._directory / _SINCE)

    def last(self) -> list[float | None]:
        """When each secret was last used."""
        return [_time(self._directory / str(index)) for index in range(len(self._noted))]


@functools.lru_cache(16)
def usage_of(values: tuple[bytes, ...]) -> SecretUsage:
    """The one for a list, so that it remembers what it has just written."""
    return SecretUsage(values)


def _own_directory() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"proxyhooks-{user}")


def _make(directory: Path) -> None:
    """Have the directory, as one's own.

    :raises PermissionError: if somebody else has put something there.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(0, "it belongs to somebody else")


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
