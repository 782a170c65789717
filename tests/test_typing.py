"""mypy and pyright on the good forms and the bad ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

TYPING = Path(__file__).parent / "typing"
ROOT = TYPING.parent.parent


def mypy(path: Path) -> set[int]:
    """The lines that mypy --strict finds wrong."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(path)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not out.stderr
    return {int(line) for line in re.findall(rf"{path.name}:(\d+): error", out.stdout)}


def pyright(path: Path) -> set[int]:
    """The lines that pyright finds wrong."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    found = json.loads(out.stdout)["generalDiagnostics"]
    return {row["range"]["start"]["line"] + 1 for row in found if row["severity"] == "error"}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_good_forms_are_accepted_and_bad_ones_refused(checker: object) -> None:
    assert callable(checker)
    assert checker(TYPING / "good.py") == set()
    lines = (TYPING / "bad.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong" in line}
    assert checker(TYPING / "bad.py") == wrong
