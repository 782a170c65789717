"""The files beside the package that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask

from proxyhooks.cli import centrifugo

HERE = Path(__file__).parent.parent


def test_the_contract_of_the_page_is_the_one_of_the_hooks(app: Flask) -> None:
    words = ["export", "typescript", "--check", str(HERE / "web" / "src" / "contract.ts")]
    checked = app.test_cli_runner().invoke(centrifugo, words)
    assert checked.exit_code == 0, checked.output


def test_the_configuration_of_centrifugo_fits_the_hooks(app: Flask) -> None:
    words = ["check", str(HERE / "centrifugo.json"), "--format", "json"]
    runner = app.test_cli_runner(env={"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s"})
    checked = runner.invoke(centrifugo, words)
    assert json.loads(checked.stdout) == []
