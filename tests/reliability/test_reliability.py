"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.centrifugo.servers import binary
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    if name in THROUGH_CENTRIFUGO:
        binary()
    asyncio.run(SCENARIOS[name](tmp_path, False))
