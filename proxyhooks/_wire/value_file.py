"""Files of values in the format of prometheus_client's multiprocess mode, written with less work than it needs.

A file has the values of one process. It begins with the number of bytes in use, as an int, and four bytes of padding.
Entries follow: the length of the key as an int, the key as JSON, one to eight spaces up to a multiple of eight bytes,
the value and a time as doubles. prometheus_client describes this format at its class ``MmapedDict``, and its
``MultiProcessCollector`` reads it.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Sequence
from typing import Final

FIRST_SIZE: Final = 65_536
"""Bytes of a new file, here and in prometheus_client."""
_INT: Final = struct.Struct("i")
_HEADER: Final = 8
"""Bytes before the first entry."""
_VALUES: Final = 16
"""Bytes of the value and the time of an entry."""


class ValueFile:
    """A file of values. A crash of the process loses none, since the kernel keeps the map.

    An existing file is continued.

    :raises OSError: if there is no room.
    :raises ValueError: if the file is damaged.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._map_file(FIRST_SIZE)
        self._used = _INT.unpack_from(self._map)[0] or _HEADER
        self._positions = self._read_positions()
        self._write_used()

    def cell(
        self, metric: str, name: str, labels: Sequence[tuple[str, str]], meaning: str
    ) -> tuple[memoryview[float], int]:
        """Return where the value of a sample is: a view of doubles, and the index in it. A new value is 0."""
        key = json.dumps([metric, name, dict(labels), meaning], sort_keys=True).encode()
        if key not in self._positions:
            self._positions[key] = self._add(key)
        return self._view, self._positions[key] // 8

    def _map_file(self, size: int) -> None:
        """Map the file, which then has at least this size in bytes.

        Cells of an earlier map keep it. It has the same memory, so what they write is in the new map, too.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            allocate(descriptor, max(size, os.fstat(descriptor).st_size))
            self._map = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
        self._view: memoryview[float] = memoryview(self._map).cast("d")

    def _read_positions(self) -> dict[bytes, int]:
        if not _HEADER <= self._used <= len(self._map):
            raise ValueError("the number of its bytes in use is wrong")
        positions, position = {}, _HEADER
        while position < self._used:
            length = _INT.unpack_from(self._map, position)[0]
            value = position + _space_of_key(length)
            key = self._map[position + _INT.size : position + _INT.size + length]
            if length <= 0 or value + _VALUES > self._used or not _is_key(key):
                raise ValueError(f"there is no entry at byte {position}")
            positions[key] = value
            position = value + _VALUES
        return positions

    def _add(self, key: bytes) -> int:
        """Add an entry, and return the position of its value."""
        start, space = self._used, _space_of_key(len(key))
        while start + space + _VALUES > len(self._map):
            self._map_file(2 * len(self._map))
        entry = _INT.pack(len(key)) + key.ljust(space - _INT.size) + bytes(_VALUES)
        self._map[start : start + len(entry)] = entry
        self._used = start + space + _VALUES
        self._write_used()  # only now does a reader see the entry
        return start + space

    def _write_used(self) -> None:
        self._map[: _INT.size] = _INT.pack(self._used)


def allocate(descriptor: int, size: int) -> None:
    """Give a file so many bytes of room.

    :raises OSError: if there is none. Without room, writing to a map of the file would end the process with SIGBUS.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        os.ftruncate(descriptor, size)


def _space_of_key(length: int) -> int:
    """Bytes of a key of this length, with its length before it and the spaces after it."""
    return (_INT.size + length) // 8 * 8 + 8


def _is_key(key: bytes) -> bool:
    """Whether prometheus_client can read a key."""
    try:
        metric, name, labels, meaning = json.loads(key)
    except (ValueError, TypeError):
        return False
    return all(isinstance(text, str) for text in (metric, name, meaning)) and isinstance(labels, dict)
