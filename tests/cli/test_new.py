"""``flask centrifugo new``: what it writes, what it refuses, and that it writes all or nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxyhooks.cli import new
from tests.support.paths import ROOT
from tests.support.servers import server_environment
from tests.support.wheel import leave_behind

TEMPLATES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/pyproject.toml"))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(new.command, list(map(str, words)))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only template, named ``small``, as if the package had been installed with it."""
    folder = tmp_path / "installed" / "small"
    (folder / "web").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\ndescription = "Two files."\n')
    (folder / ".gitignore").write_text("*.pyc\n")
    (folder / "web" / ".npmrc").write_text("omit-lockfile-registry-resolved=true\n")
    (folder / "web" / "start").write_text("#!/bin/sh\n")
    monkeypatch.setattr(new, "_PLACES", (folder.parent,))
    return folder


def test_minimal_is_the_default(tmp_path: Path) -> None:
    assert run(tmp_path / "chat").exit_code == 0
    assert files(tmp_path / "chat")["app.py"] == (ROOT / "examples" / "minimal" / "app.py").read_bytes()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_written_whole(name: str, tmp_path: Path) -> None:
    assert run(tmp_path / "chat", "--template", name).exit_code == 0
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=ROOT / "examples" / name,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if listed.returncode:
        pytest.skip(f"only git knows the files: {listed.stderr.strip()}")
    written = files(tmp_path / "chat")
    assert written.keys() == set(listed.stdout.split("\n")) - {""}
    assert all((ROOT / "examples" / name / file).read_bytes() == content for file, content in written.items())


def test_dotfiles_are_written_and_what_a_run_leaves_behind_is_not(template: Path, tmp_path: Path) -> None:
    leave_behind(template)
    assert run(tmp_path / "chat", "--template", "small").exit_code == 0
    assert set(files(tmp_path / "chat")) == {"pyproject.toml", ".gitignore", "web/.npmrc", "web/start"}
    assert {path.name for path in tmp_path.iterdir()} == {"installed", "chat"}


def test_programs_stay_programs_and_everything_can_be_changed(template: Path, tmp_path: Path) -> None:
    (template / "web" / "start").chmod(0o555)
    (template / ".gitignore").chmod(0o444)
    (template / "web").chmod(0o555)
    umask = os.umask(0o027)
    try:
        assert run(tmp_path / "chat", "--template", "small").exit_code == 0
    finally:
        os.umask(umask)
    modes = {
        name: (tmp_path / "chat" / name).stat().st_mode & 0o777 for name in (".", "web", "web/start", ".gitignore")
    }
    assert modes == {".": 0o750, "web": 0o750, "web/start": 0o750, ".gitignore": 0o640}


@pytest.mark.parametrize(
    ("direct_url", "package"),
    [
        (None, ""),
        ('{"url": "file:///wheels/a.whl", "archive_info": {}}', "/wheels/a.whl "),
        ('{"url": "file:///my%20clone", "dir_info": {"editable": true}}', "'/my clone' "),
        ('{"url": "https://example.com/a.whl", "archive_info": {}}', "https://example.com/a.whl "),
        ('{"url": "https://example.com/a", "vcs_info": {"vcs": "git", "commit_id": "1f"}}',
         "git+https://example.com/a@1f "),
    ],
)  # fmt: skip
def test_the_printed_commands_install_this_package_from_where_it_came(
    direct_url: str | None, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An installed package of this name that is found first.
    installed = tmp_path / "site-packages" / "proxyhooks-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: proxyhooks\nVersion: 1\n")
    if direct_url:
        (installed / "direct_url.json").write_text(direct_url)
    monkeypatch.syspath_prepend(installed.parent)
    printed = run(tmp_path / "my chat").output
    commands = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    assert commands == [
        f"cd '{tmp_path / 'my chat'}'",
        "python3 -m venv .venv && . .venv/bin/activate",
        'pip install --upgrade "pip>=25.1"',
        f"pip install {package}--editable . --group test",
        "python -m pytest",
    ]
    assert "README.md" in printed


def test_the_next_commands_take_a_name_that_looks_like_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-", "-x"):
        assert f"  cd ./{name}\n" in run("--", name).output


def test_the_templates_are_listed_with_a_line_each() -> None:
    lines = run("--list").output.splitlines()
    assert [line.split()[0] for line in lines] == TEMPLATES
    assert all(line.endswith(".") and len(line.split()) > 5 for line in lines)


def test_an_empty_directory_is_filled_and_stays_the_same_directory(tmp_path: Path) -> None:
    folder = tmp_path / "chat"
    folder.mkdir()
    before = folder.stat().st_ino
    assert run(folder).exit_code == 0
    assert folder.stat().st_ino == before
    assert files(folder).keys() >= {"README.md", ".gitignore"}
    assert not list(folder.glob(".proxyhooks*"))


def test_a_link_to_an_empty_directory_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    assert run(tmp_path / "link").exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "app.py").exists()


def test_a_directory_with_a_file_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("here")
    refused = run(tmp_path)
    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: {tmp_path} is not empty: name a directory that does not exist, or an empty one\n"
    )
    assert files(tmp_path) == {".hidden": b"here"}


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["file"], 1, "file is a file: name a directory that does not exist, or an empty one"),
        (["a/b/chat"], 1, "a/b is no directory: create it (mkdir -p a/b)"),
        (["--", "-a/chat"], 1, "-a is no directory: create it (mkdir -p ./-a)"),
        (["file/chat"], 1, "file is no directory: name a directory elsewhere"),
        (["file/b/chat"], 1, "file is no directory: name a directory elsewhere"),
        (["chat", "--template", "rums"], 2, "there is no template 'rums': choose one of "),
        ([], 2, "no directory is named: flask centrifugo new DIRECTORY"),
    ],
)
def test_a_refusal_names_the_remedy(
    words: list[str], status: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    refused = run(*words)
    assert refused.exit_code == status
    assert expected in refused.output
    assert files(tmp_path) == {"file": b""}


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("when", ["copying", "moving"])
def test_nothing_is_left_of_a_failure(
    exists: bool, error: BaseException, when: str, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chat"
    if exists:
        folder.mkdir()
    real = getattr(Path, "rename" if when == "moving" else "read_bytes")
    calls: list[Path] = []

    def fail_at_last(path: Path, *arguments: Path) -> object:
        calls.append(path)
        if path.name == "web" or path.name == "start" or path.name.startswith(".proxyhooks"):
            raise error
        return real(path, *arguments)

    monkeypatch.setattr(Path, "rename" if when == "moving" else "read_bytes", fail_at_last)
    failed = run(folder, "--template", "small")
    assert calls
    assert failed.exit_code == 1
    if isinstance(error, OSError):
        assert failed.output == f"Error: {folder} cannot be written: No space left on device\n"
    assert folder.exists() is exists
    assert {path.name for path in tmp_path.iterdir()} == {"installed"} | ({"chat"} if exists else set())
    assert not exists or list(folder.iterdir()) == []


def test_a_package_without_templates_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "_PLACES", (tmp_path,))
    refused = run("chat")
    assert refused.exit_code == 1
    assert refused.output == f"Error: {tmp_path} has no templates: install proxyhooks again from its wheel\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, "no.such.module"])
def test_no_application_is_needed(name: str | None, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "centrifugo", "new", "chat"],
        cwd=tmp_path,
        env=server_environment(**({"FLASK_APP": name} if name else {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "chat" / "app.py").exists()
