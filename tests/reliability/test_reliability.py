"""The scenarios, in their short form."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import cluster
from tests.reliability.attacks.all_attacks import ATTACKS
from tests.reliability.hostile import check_shortly
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO, WITH_PROGRAMS
from tests.reliability.server import Gunicorn, gunicorn

ABOUT_TIME = ("centrifugo_and_503",)
ON_ONE_SERVER = {f"attack_{name}": name for name, attack in ATTACKS.items() if not attack.environ}
"""The attacks on a server with the usual settings; one server serves them all, one after the other."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.centrifugo] * (name in THROUGH_CENTRIFUGO))
        for name in SCENARIOS
        if name not in ON_ONE_SERVER
    ],
)
def test_scenario(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in WITH_PROGRAMS and cluster.MISSING:
        pytest.skip(cluster.MISSING)
    # The promise is that no call is lost. A busy machine that answers late breaks no promise.
    if name not in ABOUT_TIME:
        monkeypatch.setenv("CALLERS_TIMEOUT", "10")
    asyncio.run(SCENARIOS[name](tmp_path, False))


@pytest.fixture(scope="module")
def attacked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLERS_TIMEOUT", "10")
        with gunicorn(tmp_path_factory.mktemp("attacked")) as server:
            asyncio.run(server.ready())
            yield server
            assert server.stop() == 0


@pytest.mark.parametrize("name", ON_ONE_SERVER.values())
def test_attack(name: str, attacked_server: Gunicorn) -> None:
    asyncio.run(check_shortly(attacked_server, name))
