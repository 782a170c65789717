"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO
from tests.reliability.through_centrifugo import BINARY


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    if name in THROUGH_CENTRIFUGO and not BINARY:
        pytest.skip("there is no centrifugo on PATH")
    asyncio.run(SCENARIOS[name](tmp_path, False))
