"""Instructions of a call as valgrind counts them, which do not depend on the load of the machine.

The count of a process with few calls is subtracted from that of a process with many, so that the start does not count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from tests.support.paths import ROOT

from .contestants import CONTESTANTS, LEVELS

FEW, MANY = 100, 400
_COLLECTED = re.compile(r"Collected : (\d+)")


def available() -> bool:
    return shutil.which("valgrind") is not None


def instructions(name: str, few: int = FEW, many: int = MANY) -> float:
    """Instructions of one call of a contestant or level."""
    counts = []
    processes = [_start(name, calls) for calls in (few, many)]
    for process in processes:
        output = process.communicate(timeout=300)[1]
        collected = _COLLECTED.search(output)
        if process.returncode != 0 or collected is None:
            raise RuntimeError(f"valgrind did not count: {output[-2000:]}")
        counts.append(int(collected[1]))
    return (counts[1] - counts[0]) / (many - few)


def _start(name: str, calls: int) -> subprocess.Popen[str]:
    # With random hashes the number of collisions in dicts, and so of instructions, would differ between runs.
    environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, "-m", "tests.benchmarks.instructions", name, str(calls)]
    return subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def measure() -> dict[str, float]:
    return {name: instructions(name) for name in (*CONTESTANTS, *LEVELS)}


if __name__ == "__main__":
    from .in_process import runs

    runs([sys.argv[1]])[sys.argv[1]](int(sys.argv[2]))
