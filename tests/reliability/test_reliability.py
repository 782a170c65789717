"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.centrifugo.servers import binary
from tests.reliability import reload
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # That nothing is lost is the promise; how long a machine stands still that runs all tests is none.
    monkeypatch.setattr(reload, "TIMEOUT", 5.0)
    if name in THROUGH_CENTRIFUGO:
        binary()
    asyncio.run(SCENARIOS[name](tmp_path, False))
