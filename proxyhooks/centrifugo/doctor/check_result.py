"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    id: str
    """Lower-case words with dashes, such as ``keep-alive``; stable under semantic versioning."""
    level: Level
    text: str
    """A sentence."""
    fix: str = ""
    """The remedy; empty if the level is ``ok``."""
