"""Rules that the tests themselves follow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_imports_a_conftest(path: Path) -> None:
    assert not [module for module in imported_modules(path) if module.rpartition(".")[2] == "conftest"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_test_that_hangs_shows_its_stack_and_fails_the_run(tmp_path: Path, processes: str) -> None:
    hooks = "from tests.support.hanging import pytest_configure, pytest_xdist_setupnodes\n"
    (tmp_path / "conftest.py").write_text(f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n{hooks}")
    (tmp_path / "test_hangs.py").write_text("import threading\n\ndef test_hangs():\n    threading.Event().wait()\n")
    config = str(ROOT / "pyproject.toml")
    options = ["-c", config, f"--rootdir={tmp_path}", "-o", "timeout=1", "-n", processes]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert run.returncode != 0
    assert " in test_hangs\n" in run.stdout + run.stderr
    assert ("Timeout" if processes == "0" else "crashed while running 'test_hangs.py::test_hangs'") in run.stdout
