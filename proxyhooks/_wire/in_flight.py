"""The requests to hooks that this process is answering."""

from __future__ import annotations

from typing import Final

calls_in_flight: Final[list[None]] = []
"""Has an item for each request: ``list.append`` and ``list.pop`` are atomic, and need no lock."""
