"""Files that commands write, and what they ask for before they call a hook; in this process."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
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


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_a_file_that_cannot_be_replaced_is_overwritten(
    number: int, served: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a container mounts alone."""
    path = tmp_path / "config.json"
    path.write_text("x" * 100_000)  # longer than what is written
    inode = path.stat().st_ino

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    assert run(served, *CONFIG, "--output", path).exit_code == 0
    assert path.read_text() == run(served, *CONFIG).stdout
    assert path.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [path]
    # A new file has nothing to overwrite.
    result = run(served, *CONFIG, "--output", tmp_path / "new.json")
    assert (result.exit_code, f"cannot be written: {os.strerror(number)}" in result.output) == (1, True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_a_folder_that_takes_no_new_file_is_overwritten(
    served: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")

    def fail(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    assert run(served, *CONFIG, "--output", path).exit_code == 0
    assert path.read_text() == run(served, *CONFIG).stdout
    result = run(served, *CONFIG, "--output", tmp_path / "new.json")
    assert (result.exit_code, "Permission denied" in result.output) == (1, True)


@pytest.mark.parametrize("size", [3, 5000])
def test_what_was_there_comes_back_if_a_file_cannot_be_overwritten(size: int, served: Flask, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("x" * size)
    (tmp_path / "another name").hardlink_to(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # the file can get no larger than it is
    try:
        result = run(served, *CONFIG, *(f"--namespace=n{number}" for number in range(100)), "--output", path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (result.exit_code, f"{path} cannot be written: File too large" in result.output) == (1, True)
    assert path.read_text() == "x" * size


def test_all_names_of_a_file_have_what_is_written(served: Flask, tmp_path: Path) -> None:
    path, other = tmp_path / "config.json", tmp_path / "other.json"
    path.write_text("{}")
    other.hardlink_to(path)
    assert run(served, *CONFIG, "--output", path).exit_code == 0
    assert path.read_text() == other.read_text() == run(served, *CONFIG).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_a_file_keeps_its_owner(served: Flask, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    os.chown(path, 1234, 1235)
    assert run(served, *CONFIG, "--output", path).exit_code == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert path.read_text() != "{}"


def test_a_named_pipe_gets_what_is_written(served: Flask, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    try:
        assert run(served, *CONFIG, "--output", pipe).exit_code == 0
        output, _ = reader.communicate(timeout=30)
    finally:
        reader.kill()
    assert output.decode() == run(served, *CONFIG).stdout
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("loop", "Too many levels of symbolic links"),
        ("/dev/full", "No space left on device"),
        ("/dev/fd/999", "Bad file"),
    ],
)
def test_a_path_that_takes_nothing_is_an_error(path: str, problem: str, served: Flask, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    result = run(served, *CONFIG, "--output", tmp_path / path)
    assert (result.exit_code, f"{tmp_path / path} cannot be written: {problem}" in result.output) == (1, True)
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_that_is_appended_to_a_file_keeps_the_file(path: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before, ")
    program = f"from pathlib import Path; from proxyhooks.cli._output import *; write_output(Path({path!r}), b'after')"
    with file.open("ab") as output:
        subprocess.run([sys.executable, "-c", program], stdout=output, check=True, timeout=300)
    assert file.read_text() == "before, after"


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
