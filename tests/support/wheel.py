"""The wheel of the package, built as it is published, and installed as a user has it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
_LEFT_BEHIND: Final = (
    "__pycache__/app.cpython-311.pyc", "instance/rooms.sqlite", "chat.sqlite-wal", ".mypy_cache/x.json",
    ".venv/pyvenv.cfg", "minimal.egg-info/PKG-INFO", "web/node_modules/centrifuge/index.js", "rooms/static/page.js",
    "rooms/static/page.js.map",
)  # fmt: skip
"""What running, testing and building a template leaves behind."""


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Run a program and return its output.

    :param environ: the whole environment of the program; that of the tests if left out.
    """
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environ or None, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def leave_behind(template: Path) -> None:
    """Put files into a template that no copy of it must have."""
    for name in _LEFT_BEHIND:
        path = template / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind\n")


def build_wheel(directory: Path) -> Path:
    """Build the source distribution in an empty directory, and the wheel from it."""
    # From a copy: other files of the checkout stay out of it, and the build leaves no files in the checkout.
    source = directory / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source)
    for name in ("proxyhooks", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    leave_behind(source / "examples" / "minimal")
    build_system = tomllib.loads((source / "pyproject.toml").read_text())["build-system"]
    tools = directory / "tools"
    run(*PIP, "install", "--target", tools, *build_system["requires"], cwd=directory)
    hatch = (sys.executable, "-c", "from hatchling.cli import hatchling; raise SystemExit(hatchling())", "build")
    run(*hatch, "-t", "sdist", "-d", directory, cwd=source, PYTHONPATH=str(tools))
    (sdist,) = directory.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    run(
        *hatch,
        "-t",
        "wheel",
        "-d",
        directory,
        cwd=directory / sdist.name.removesuffix(".tar.gz"),
        PYTHONPATH=str(tools),
    )
    (wheel,) = directory.glob("*.whl")
    return wheel


def install_beside_others(wheel: Path, home: Path) -> Path:
    """Make a virtual environment with the wheel, in which the packages of the tests can be imported, too.

    :return: the folder of its programs.
    """
    venv.create(home)
    run(*PIP, "--python", home / "bin" / "python", "install", "--no-deps", "--no-index", wheel, cwd=home)
    return add_packages_of_the_tests(home)


def add_packages_of_the_tests(home: Path) -> Path:
    """Let a virtual environment import the packages of the tests, too, and give it their programs.

    :return: the folder of its programs.
    """
    programs = home / "bin"
    python = programs / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    # Python does not read the .pth files there, so an editable install of the package stays out of sight.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("flask", "gunicorn", "mypy", "pytest", "pip"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{python}" -m {name} "$@"\n')
        program.chmod(0o755)
    return programs
