"""The differences between gthread and the package's worker that are intended."""

from __future__ import annotations

from tests.gunicorn.differential.comparing import Intended

INTENDED: tuple[Intended, ...] = ()
