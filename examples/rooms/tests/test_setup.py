"""Settings, tables and the files beside the package."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from rooms import create_app
from rooms.codes import Banned, InvitationOnly, RoomIsFull, Unauthorized
from rooms.database import add_demo, init_db
from rooms.models import Membership, User, db
from sqlalchemy import func, select, text

from proxyhooks import SetupError
from proxyhooks.cli import centrifugo

HERE = Path(__file__).parent.parent
KEYS: dict[str, Any] = {"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": ["s3cret"]}


@pytest.mark.parametrize("key", [None, "", 123])  # the environment has a number where the key is one of digits
def test_application_does_not_start_without_a_secret_key(monkeypatch: pytest.MonkeyPatch, key: Any) -> None:
    monkeypatch.delenv("FLASK_SECRET_KEY", raising=False)
    with pytest.raises(RuntimeError, match="FLASK_SECRET_KEY must be a text"):
        create_app(KEYS | {"SECRET_KEY": key})


def test_application_does_not_start_without_the_secret_of_centrifugo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASK_PROXYHOOKS_SECRETS", raising=False)
    with pytest.raises(SetupError, match="no secret is configured"):
        create_app(KEYS | {"PROXYHOOKS_SECRETS": None})


def test_application_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    with create_app(KEYS).app_context():
        assert str(db.engine.url).endswith("elsewhere.sqlite")


def test_codes_say_what_the_client_does() -> None:
    assert not RoomIsFull().terminal
    assert InvitationOnly().terminal
    assert Unauthorized().terminal
    assert Banned().terminal


def test_tables_and_demo_can_be_made_by_several_at_once(tmp_path: Path) -> None:
    def init(app: Flask) -> None:
        with app.app_context():
            init_db()
            add_demo()

    uri = f"sqlite:///{tmp_path / 'new.sqlite'}"
    apps = [create_app(KEYS | {"SQLALCHEMY_DATABASE_URI": uri}) for _ in range(3)]
    with ThreadPoolExecutor(len(apps)) as threads:
        list(threads.map(init, apps))
    with apps[0].app_context():
        assert db.session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert db.session.scalar(select(func.count()).select_from(User)) == 4
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 4
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_contract_of_the_page_is_the_one_of_the_hooks(app: Flask) -> None:
    words = ["export", "typescript", "--check", str(HERE / "web" / "src" / "contract.ts")]
    checked = app.test_cli_runner().invoke(centrifugo, words)
    assert checked.exit_code == 0, checked.output


def test_configuration_of_centrifugo_fits_the_hooks(app: Flask) -> None:
    words = ["check", str(HERE / "centrifugo.json"), "--format", "json"]
    runner = app.test_cli_runner(env={"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"})
    checked = runner.invoke(centrifugo, words)
    assert json.loads(checked.stdout) == []
