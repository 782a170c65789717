"""When secrets were last used: recorded, shown by the command line, and never a reason to fail a request."""

from __future__ import annotations

import errno
import logging
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import ProxyHooks, RPCResult
from proxyhooks._settings.secret_usage import usage_of
from proxyhooks.cli import centrifugo


def app_with(*secrets: str, name: str = "app") -> Flask:
    app = Flask(name)
    app.config["PROXYHOOKS_SECRETS"] = list(secrets)
    ProxyHooks(app).rpc(lambda req: RPCResult(data=1 / 0))
    return app


def call(app: Flask, secret: str) -> int:
    """The status of a call; the hook returns None, so 500 means that it was reached."""
    headers = {"X-Proxyhooks-Secret": secret}
    return app.test_client().post("/centrifugo/rpc", data=b"{}", headers=headers).status_code


def uses(app: Flask) -> str:
    return str(app.test_cli_runner().invoke(centrifugo, ["secret", "uses"]).output)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of the machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    usage_of.cache_clear()
    return tmp_path


def test_the_command_line_shows_when_each_secret_was_last_used(temporary: Path) -> None:
    app = app_with("the-new-one", "the-old-one", "the-third")
    assert uses(app) == "no call with one of these secrets has been accepted on this machine, by this user\n"
    assert call(app, "wrong") == 403
    assert uses(app).startswith("no call")
    call(app, "the-old-one")
    since, *lines = uses(app).splitlines()
    assert since.startswith("since 20")
    assert lines[0] == "secret 0: not used"
    assert re.fullmatch(r"secret 1: last used 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d s ago", lines[1])
    assert lines[2] == "secret 2: not used"
    # Another process sees it too, and no secret is on the disk.
    assert usage_of.__wrapped__((b"the-new-one", b"the-old-one", b"the-third"), "app").last_uses()[1] is not None
    names_and_contents = [str(path) for path in temporary.rglob("*")] + [
        path.read_text() for path in temporary.rglob("*") if path.is_file()
    ]
    assert not [text for text in names_and_contents if "the-" in text]
    assert {path.stat().st_mode & 0o777 for path in temporary.iterdir()} == {0o700}


def test_a_changed_list_starts_with_no_usage(temporary: Path) -> None:
    call(app_with("one", "two"), "two")
    assert uses(app_with("two")).startswith("no call")
    assert uses(app_with("two", "one")).startswith("no call")
    assert "secret 1: last used" in uses(app_with("one", "two"))


def test_applications_of_one_process_do_not_share_their_usage(temporary: Path) -> None:
    app, other = app_with("one", "two"), app_with("one", "two", name="other")
    call(app, "two")
    assert uses(other).startswith("no call")
    call(other, "one")
    assert "secret 0: last used" in uses(other)
    assert "secret 0: not used" in uses(app)


def test_applications_that_read_the_same_file_do_not_share_their_usage(temporary: Path) -> None:
    path, apps = temporary / "secrets", [Flask("app"), Flask("other")]
    path.write_text("one")
    for app in apps:
        app.config["PROXYHOOKS_SECRETS_FILE"] = str(path)
        ProxyHooks(app).rpc(lambda req: RPCResult(data=1 / 0))
    call(apps[0], "one")
    assert "secret 0: last used" in uses(apps[0])
    assert uses(apps[1]).startswith("no call")


def test_the_usage_is_the_same_however_the_application_is_imported(temporary: Path) -> None:
    call(app_with("one", name="project.web.app"), "one")
    assert "secret 0: last used" in uses(app_with("one", name="app"))


class Raising(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no log")


def test_a_log_that_fails_too_fails_no_call(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Path, "mkdir", raising(OSError(errno.ENOSPC, "No space left on device")))
    logger, handler = logging.getLogger("proxyhooks"), Raising(logging.INFO)
    caplog.set_level(logging.INFO, "proxyhooks")
    logger.addHandler(handler)
    try:
        app = app_with("one")
        monkeypatch.setattr(app.logger, "disabled", True)  # the hook's exception
        assert call(app, "one") == 500
    finally:
        logger.removeHandler(handler)


def test_usage_is_written_at_most_once_a_second(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with("one")
    touched: list[Path] = []
    touch = Path.touch
    monkeypatch.setattr(Path, "touch", lambda path, *options: (touched.append(path), touch(path, *options)))
    for _ in range(50):
        call(app, "one")
    assert [path.name for path in touched] in (["since", "0"], ["since", "0", "0"])


def accepts_calls_and_logs_once(app: Flask, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert call(app, "one") == 500
        assert call(app, "two") == 403
    messages = [message for message in caplog.messages if "cannot be recorded" in message]
    assert len(messages) == 1
    assert reason in messages[0]
    shown = uses(app)
    assert shown.startswith("Error: the usage of secrets cannot be recorded here: ")
    assert reason in shown


def test_a_directory_of_another_user_is_not_used(temporary: Path, caplog: pytest.LogCaptureFixture) -> None:
    (temporary / f"proxyhooks-{os.getuid()}").symlink_to("/proc")
    accepts_calls_and_logs_once(app_with("one"), caplog, "not a directory of this user")


NO_DIRECTORY = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']")


@pytest.mark.parametrize(
    ("owner", "function", "error", "reason"),
    [
        (tempfile, "gettempdir", NO_DIRECTORY, "No usable temporary directory found in ['/tmp', '/var/tmp']"),
        (Path, "mkdir", OSError(errno.EROFS, "Read-only file system", "/tmp/x"), "/tmp/x: Read-only file system"),
        (Path, "touch", OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (Path, "lstat", RuntimeError("unexpected"), "RuntimeError: unexpected"),
    ],
    ids=["no temporary directory", "read-only file system", "full disk", "no OSError"],
)
def test_an_error_while_recording_fails_no_call(
    owner: Any,
    function: str,
    error: Exception,
    reason: str,
    temporary: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, function, raising(error))
    accepts_calls_and_logs_once(app_with("one"), caplog, reason)


def raising(error: Exception) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


@pytest.mark.skipif(os.getuid() == 0, reason="root may write into every directory")
def test_a_directory_that_cannot_be_written_fails_no_call(temporary: Path, caplog: pytest.LogCaptureFixture) -> None:
    temporary.chmod(0o500)
    accepts_calls_and_logs_once(app_with("one"), caplog, "Permission denied")


def test_without_secrets_there_is_no_usage() -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_INSECURE"] = True
    ProxyHooks(app)
    assert "PROXYHOOKS_INSECURE" in uses(app)
