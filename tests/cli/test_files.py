"""Files that commands write, and what they ask for before they call a hook; in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from marshmallow import Schema, fields

from proxyhooks import ConnectResult, ProxyHooks, RPCResult, SubscribeResult
from proxyhooks.cli import centrifugo
from tests.support.paths import SECRET

CONFIG = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example"]


def run(app: Flask, *arguments: object) -> Result:
    return app.test_cli_runner().invoke(centrifugo, [str(argument) for argument in arguments])


@pytest.fixture
def served(hooks: ProxyHooks, app: Flask) -> Flask:
    hooks.subscribe("chat:<int:room_id>")(lambda req, room_id: SubscribeResult())
    hooks.rpc(lambda req: RPCResult(data=req.user))
    return app


def test_config_writes_the_file_that_it_would_print(served: Flask, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    result = run(served, *CONFIG, "--output", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "note: " in result.stderr
    assert path.read_text() == run(served, *CONFIG).stdout
    assert SECRET not in path.read_text()
    assert run(served, *CONFIG, "--output", "-").stdout == path.read_text()
    # Also in place of what it reads.
    merge = [*CONFIG, "--proxy-name", "shop", "--merge", path]
    merged = run(served, *merge).stdout
    assert run(served, *merge, "--output", path).exit_code == 0
    assert path.read_text() == merged
    assert "shop_rpc" in merged


@pytest.mark.parametrize(
    "wrong", [["--base-url", "x"], ["--repeat", "nothing"], ["--merge", "missing.json"], ["--nonsense"]]
)
def test_a_command_that_fails_leaves_no_file_and_no_empty_one(wrong: list[str], served: Flask, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    assert run(served, *CONFIG, *wrong, "--output", path).exit_code != 0
    assert list(tmp_path.iterdir()) == []
    path.write_text("{}")
    assert run(served, *CONFIG, *wrong, "--output", path).exit_code != 0
    assert path.read_text() == "{}"


def test_a_file_is_written_whole_or_not_at_all(served: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    for command in ([*CONFIG], ["export", "json"]):
        result = run(served, *command, "--output", path)
        assert result.exit_code == 1
        assert f"Error: {path} cannot be written: No space left on device" in result.output
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("config.json", "{}")]


def test_a_directory_that_is_missing_is_reported(served: Flask, tmp_path: Path) -> None:
    result = run(served, *CONFIG, "--output", tmp_path / "missing" / "config.json")
    assert (result.exit_code, "No such file or directory" in result.output) == (1, True)


def test_only_the_user_may_read_a_new_file_with_the_secret(served: Flask, tmp_path: Path) -> None:
    plain, secret, old = tmp_path / "plain.json", tmp_path / "secret.json", tmp_path / "old.json"
    old.write_text("{}")
    old.chmod(0o640)
    run(served, *CONFIG, "--output", plain)
    run(served, *CONFIG, "--with-secret", "--output", secret)
    run(served, *CONFIG, "--with-secret", "--output", old)
    assert SECRET in secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert plain.stat().st_mode & 0o400
    assert old.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link_and_a_device_a_device(served: Flask, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    assert run(served, *CONFIG, "--output", link).exit_code == 0
    assert link.is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())
    assert run(served, *CONFIG, "--output", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


class Meta(Schema):
    tenant = fields.String(required=True)


def test_a_call_with_a_meta_schema_says_which_option_gives_meta(app: Flask) -> None:
    hooks = ProxyHooks(app, meta_schema=Meta)
    hooks.connect(lambda req: ConnectResult(user="1", meta={"tenant": "a"}))
    hooks.rpc(lambda req: RPCResult(data=req.meta))
    result = run(app, "call", "rpc", "--user", "1")
    assert result.exit_code == 2
    assert "the hooks have a meta_schema" in result.output
    assert "add --meta JSON to this rpc" in " ".join(result.output.split())
    assert run(app, "call", "rpc", "--user", "1", "--meta", '{"tenant": "a"}').exit_code == 0
    assert run(app, "call", "connect").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["subscribe"], "a request of subscribe has a channel: add --channel chat:7"),
        (["sub_refresh", "--user", "1"], "a request of sub_refresh has a channel"),
        (["map_remove", "--channel", "chat:7"], "a request of map_remove has a key: add --key k"),
        (["publish", "--channel", ""], "a request of publish has a channel"),
    ],
)
def test_a_call_without_a_channel_says_what_is_missing(arguments: list[str], missing: str, served: Flask) -> None:
    result = run(served, "call", *arguments)
    assert (result.exit_code, missing in result.output) == (2, True)


@pytest.mark.parametrize(
    "arguments", [["subscribe", "--channel", "chat:7"], ["subscribe", "--field", 'channel="chat:7"'], ["rpc"]]
)
def test_a_call_with_what_it_needs_is_sent(arguments: list[Any], served: Flask) -> None:
    assert run(served, "call", *arguments).exit_code == 0
