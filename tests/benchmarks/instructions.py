"""Instructions of a call, as valgrind counts them: they do not depend on what else the machine does.

The count of a process with many calls, less that of one with few, so that the start is no part of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from tests.support.paths import ROOT

from .contestants import CONTESTANTS

FEW, MANY = 100, 400
_COLLECTED = re.compile(r"Collected : (\d+)")


def available() -> bool:
    return shutil.which("valgrind") is not None


def instructions(name: str, few: int = FEW, many: int = MANY) -> float:
    """Of one call of a contestant."""
    counts = []
    running = [_start(name, calls) for calls in (few, many)]
    for process in running:
        said = process.communicate(timeout=300)[1]
        found = _COLLECTED.search(said)
        if process.returncode != 0 or found is None:
            raise RuntimeError(f"valgrind did not count: {said[-2000:]}")
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (many - few)


def _start(name: str, calls: int) -> subprocess.Popen[str]:
    # Hashes of texts decide which of them collide in a dict, and addresses which objects do.
    environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, "-m", "tests.benchmarks.instructions", name, str(calls)]
    return subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def measure() -> dict[str, float]:
    return {name: instructions(name) for name in CONTESTANTS}


if __name__ == "__main__":
    from .in_process import runs

    runs([sys.argv[1]])[sys.argv[1]](int(sys.argv[2]))
