"""Runs the comparison for many cases."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.centrifugo.config.reading.differential.comparing import (
    ask_centrifugo,
    ask_reader,
    difference,
    different_values,
)
from tests.centrifugo.config.reading.differential.generator import Case, Generator

WITH_VALUES = 3
"""Every third case that is accepted is also compared value by value."""


@dataclass
class Result:
    verdicts: Counter[str] = field(default_factory=Counter)
    """How many cases Centrifugo accepted, refused when reading them, or when validating them."""
    compared_values: int = 0
    differences: list[tuple[str, str]] = field(default_factory=list)
    """The kind of each disagreement, and a report."""


def compare_generated(program: str, cases: int, seed: str, directory: Path) -> Result:
    """Compare so many generated cases."""
    generator = Generator()
    return compare(program, (generator.case(f"{seed} {number}") for number in range(cases)), directory)


def compare(program: str, cases: Iterable[Case], directory: Path, *, with_values: int = WITH_VALUES) -> Result:
    """Compare each case, and what was read for each *with_values* th."""
    result = Result()

    def run(numbered: tuple[int, Case]) -> tuple[str, str, bool, str]:
        number, case = numbered
        with tempfile.TemporaryDirectory(dir=directory) as place:
            return _compare(program, case, Path(place), number % with_values == 0)

    with ThreadPoolExecutor(2) as pool:
        for number, (verdict, kind, has_values, report) in enumerate(pool.map(run, enumerate(cases))):
            result.verdicts[verdict] += 1
            result.compared_values += has_values
            if kind:
                result.differences.append((kind, f"case {number}: {report}"))
    return result


def _compare(program: str, case: Case, directory: Path, with_values: bool) -> tuple[str, str, bool, str]:
    theirs = ask_centrifugo(program, case, directory, with_values=with_values)
    ours, reading = ask_reader(case, directory)
    kind = difference(theirs, ours)
    details = f"Centrifugo: {theirs.reason}\npackage: {ours.reason}"
    if not kind and theirs.values is not None and reading is not None:
        unequal = different_values(theirs.values, reading.config, case.environ)
        kind, details = ("values" if unequal else ""), "\n".join(unequal)
    report = f"{case.name} {case.environ}\n{case.text}\n{details}"
    return theirs.refusal or "accepted", kind, theirs.values is not None, report
