"""Instructions of a call as valgrind counts them, which do not depend on the load of the machine.

All contestants are called in one process, one after the other, since its start takes valgrind longer than their calls.
The process marks with a system call where counting begins and ends; valgrind writes its count so far at each mark.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.paths import ROOT

from .contestants import CONTESTANTS, LEVELS

WARM_UP, CALLS = 100, 300
_MARK = "getpgid"
"""A function of the C library that nothing else calls in this process."""


def available() -> bool:
    return shutil.which("valgrind") is not None


def measure(names: Iterable[str] = (*CONTESTANTS, *LEVELS)) -> dict[str, float]:
    """Instructions of one call, by contestant or level."""
    names = tuple(names)
    # With random hashes the number of collisions in dicts, and so of instructions, would differ between runs.
    environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory(prefix="instructions-") as directory:
        counts = Path(directory, "counts")
        valgrind = ["valgrind", "--tool=callgrind", f"--dump-before={_MARK}", f"--callgrind-out-file={counts}"]
        command = [*valgrind, sys.executable, "-m", "tests.benchmarks.instructions", *names]
        run = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False)
        # Each file has the instructions since the mark before: those of a contestant's calls are in every second one.
        files = [Path(f"{counts}.{2 * number}") for number in range(1, len(names) + 1)]
        if run.returncode != 0 or not all(file.exists() for file in files):
            raise RuntimeError(f"valgrind did not count: {run.stderr[-2000:]}")
        return {name: _total(file) / CALLS for name, file in zip(names, files, strict=True)}


def _total(file: Path) -> int:
    found = re.search(r"^totals: (\d+)$", file.read_text(), re.MULTILINE)
    assert found is not None, file
    return int(found[1])


def main(names: Iterable[str]) -> None:
    """Call the contestants, in the process that valgrind runs."""
    from .in_process import runs

    for name in names:
        run = runs([name])[name]
        # Time stands still. In valgrind and under load a call takes so long that many would do what one call in a
        # second does, such as recording the use of the secret.
        time.monotonic = float
        run(WARM_UP)
        os.getpgid(0)
        run(CALLS)
        os.getpgid(0)


if __name__ == "__main__":
    main(sys.argv[1:])
