"""The type of the fixture ``ask``, which sends events to an application as Centrifugo does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from werkzeug.test import TestResponse

Ask: TypeAlias = Callable[..., TestResponse]
"""``ask("rpc", method="x", data=1)``, or ``ask("rpc", b"...")``."""
