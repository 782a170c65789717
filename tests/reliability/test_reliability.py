"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.real_centrifugo.servers import binary
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO

ABOUT_TIME = ("slow_peers", "flood", "centrifugo_and_503")


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # That nothing is lost is the promise; how long a machine stands still that runs all tests is none.
    if name not in ABOUT_TIME:
        monkeypatch.setenv("CALLERS_TIMEOUT", "10")
    if name in THROUGH_CENTRIFUGO:
        binary()
    asyncio.run(SCENARIOS[name](tmp_path, False))
