"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO

ABOUT_TIME = ("flood", "centrifugo_and_503")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.centrifugo] * (name in THROUGH_CENTRIFUGO)) for name in SCENARIOS],
)
def test_scenario(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The promise is that no call is lost. A busy machine that answers late breaks no promise.
    if name not in ABOUT_TIME:
        monkeypatch.setenv("CALLERS_TIMEOUT", "10")
    asyncio.run(SCENARIOS[name](tmp_path, False))
