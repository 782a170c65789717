"""``tests/run benchmarks [in-process] [served] [scale] [instructions]``: prints the tables of tests/README.md."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import in_process, instructions, scale, served
from .contestants import CONTESTANTS, LEVELS


def print_table(unit: str, values: dict[str, float], more_is_better: bool) -> None:
    """Print a table in Markdown, whose last column compares the hook with the contestant of the row.

    :param values: by contestant or level.
    """
    print(f"\n| | {unit} | the hook is |\n|---|---:|---:|")
    for name, text in (CONTESTANTS | LEVELS).items():
        if name not in values:  # served.measure() has no levels
            continue
        ratio = values["hook"] / values[name] if more_is_better else values[name] / values["hook"]
        comparison = "" if name == "hook" else f"{ratio:.2f} times as fast"
        value = f"{values[name]:,.0f}" if values[name] >= 1000 else f"{values[name]:.1f}"
        print(f"| {text} | {value} | {comparison} |")
    bare = values["hook"] / values["bare"]
    print(f"\nhook / bare Flask view: {1 / bare if more_is_better else bare:.2f}", flush=True)


def print_rows(measure: Callable[[], object]) -> None:
    """Print a row of a table for each measurement."""
    for name, result in measure():  # type: ignore[attr-defined]
        print(f"| {name} | {result} |", flush=True)


def main(wanted: list[str]) -> None:
    wanted = wanted or ["in-process", "served", "scale", "instructions"]
    if "in-process" in wanted:
        print_table("µs a call, in-process", in_process.measure(), more_is_better=False)
    if "served" in wanted and served.available():
        print_table("calls a second behind a server", served.measure(), more_is_better=True)
    elif "served" in wanted:
        print("served: not measured, as it needs wrk on PATH and two cores")
    if "scale" in wanted:
        print("\n| | |\n|---|---|")
        for part in scale.PARTS:
            print_rows(part)
    if "instructions" in wanted and instructions.available():
        print_table("instructions a call", instructions.measure(), more_is_better=False)
    elif "instructions" in wanted:
        print("instructions: not measured, as they need valgrind on PATH")


if __name__ == "__main__":
    main(sys.argv[1:])
