"""Configurations as people publish them, for v2 to v6, and what a colleague who knows Centrifugo says about each.

Beside each file in ``public`` are its variables (``.env``) and the findings (``.findings``): an id and a path a line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import flask
import pytest

from proxyhooks import ConnectResult, ProxyHooks, PublishResult, RPCResult, SubscribeResult
from proxyhooks.cli import centrifugo as commands
from tests.support.centrifugo import centrifugo_binary

FILES = sorted(
    path for path in Path(__file__).with_name("public").iterdir() if path.suffix in (".json", ".toml", ".yaml")
)
SECRET = "made-up-secret"
HOOKS = {
    "v3_granular": "connect rpc",
    "v4_factory": "subscribe",
    "v4_rpc": "connect rpc",
    "v5_half_converted": "subscribe publish",
    "v5_pro": "subscribe",
    "v6_container": "subscribe",
}
"""The events that the application of a file serves; of the others, connect and subscribe."""


def application(events: str) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    hooks = ProxyHooks(app, http_headers=["Cookie"])
    register: dict[str, Callable[[], object]] = {
        "connect": lambda: hooks.connect(lambda req: ConnectResult(user="42")),
        "subscribe": lambda: hooks.subscribe("chat:<room>")(lambda req, room: SubscribeResult()),
        "publish": lambda: hooks.publish("chat:<room>")(lambda req, room: PublishResult()),
        "rpc": lambda: hooks.rpc(lambda req: RPCResult(data=1)),
    }
    for event in events.split():
        register[event]()
    return app


def variables_of(file: Path) -> dict[str, str]:
    lines = file.with_suffix(".env").read_text().splitlines() if file.with_suffix(".env").exists() else []
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the variables of a file, and no program on PATH that could be asked."""
    for name in [name for name in os.environ if name.startswith("CENTRIFUGO")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_check_says_what_a_colleague_says(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables_of(file).items():
        monkeypatch.setenv(name, value)
    app = application(HOOKS.get(file.stem, "connect subscribe"))
    checked = app.test_cli_runner().invoke(commands, ["check", str(file), "--format", "json"])
    found = [f"{finding['id']} {finding['path']}" for finding in json.loads(checked.stdout)]
    expected = file.with_suffix(".findings").read_text().splitlines()
    assert sorted(found) == sorted(expected)
    assert checked.exit_code == bool(expected)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_check_shows_no_secret_of_a_published_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables_of(file).items():
        monkeypatch.setenv(name, value)
    checked = application("connect").test_cli_runner().invoke(commands, ["check", str(file)])
    assert "made-up" not in checked.output


@pytest.mark.centrifugo
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_centrifugo_has_nothing_to_add(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables_of(file).items():
        monkeypatch.setenv(name, value)
    words = ["check", str(file), "--format", "json", "--centrifugo", centrifugo_binary()]
    checked = application("connect subscribe").test_cli_runner().invoke(commands, words)
    assert [finding for finding in json.loads(checked.stdout) if finding["id"] == "PH032"] == []


def test_there_are_files_of_each_version_and_format() -> None:
    assert {file.stem.partition("_")[0] for file in FILES} == {"v2", "v3", "v4", "v5", "v6"}
    assert {file.suffix for file in FILES} == {".json", ".toml", ".yaml"}
