"""The attacks of all modules of this folder."""

from __future__ import annotations

from tests.reliability.attacks import bodies, connections, heads, logs, replies  # noqa: F401  # they register attacks
from tests.reliability.attacks.attack import ATTACKS

__all__ = ["ATTACKS"]
