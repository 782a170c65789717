"""``tests/run benchmarks [PART ...]``: prints the tables of tests/README.md; ``main`` has the parts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from . import in_process, instructions, observability, scale, served, served_instructions, spans
from .contestants import CONTESTANTS, LEVELS, ONLY_SERVED


def print_table(unit: str, values: dict[str, float]) -> None:
    """Print a table in Markdown, whose last column compares the hook with the contestant of the row.

    :param values: what a call costs, by contestant or level.
    """
    print(f"\n| | {unit} | the hook is |\n|---|---:|---:|")
    for name, text in (CONTESTANTS | LEVELS).items():
        comparison = "" if name == "hook" else f"{values[name] / values['hook']:.2f} times as fast"
        value = f"{values[name]:,.0f}" if values[name] >= 1000 else f"{values[name]:.1f}"
        print(f"| {text} | {value} | {comparison} |")
    print(f"\nhook / bare Flask view: {values['hook'] / values['bare']:.2f}", flush=True)


def print_served(results: dict[served.Row, served.Result], rows: Sequence[served.Row], compared: served.Row) -> None:
    """Print a table of servers in Markdown, whose last column compares the row *compared* with each row."""
    print(
        "\n| server | application | calls a second | p50, ms | p99, ms | the hook is |\n|---|---|---:|---:|---:|---:|"
    )
    for row in rows:
        result = results[row]
        ratio = "" if row == compared else f"{results[compared].rate / result.rate:.2f} times as fast"
        text = (CONTESTANTS | ONLY_SERVED)[row.app]
        print(f"| {row.server} | {text} | {result.rate:,.0f} | {result.p50:.2f} | {result.p99:.2f} | {ratio} |")
    sys.stdout.flush()


def print_rows(measure: Callable[[], Iterable[tuple[object, object]]]) -> None:
    """Print a row of a table for each measurement."""
    for name, result in measure():
        print(f"| {name} | {result} |", flush=True)


def main(wanted: list[str]) -> None:
    wanted = wanted or ["in-process", "served", "scale", "observability", "instructions"]
    if "in-process" in wanted:
        print_table("µs a call, in-process", in_process.measure())
    if "served" in wanted and served.available():
        results = served.measure()
        print_served(results, served.SATURATED, compared=served.HOOK)
        print_served(results, served.SLEEPING, compared=served.SLEEPING_HOOK)
    elif "served" in wanted:
        print("served: not measured, as it needs wrk on PATH and two cores")
    if "scale" in wanted:
        print("\n| | |\n|---|---|")
        for part in scale.PARTS:
            print_rows(part)
    if "observability" in wanted:
        print("\n| what observes a hook | CPU for a call | more | ratio |\n|---|---:|---:|---:|")
        print_rows(observability.measure)
        print_rows(spans.measure)
    if "instructions" in wanted and instructions.available():
        print_table("instructions a call", instructions.measure())
    elif "instructions" in wanted:
        print("instructions: not measured, as they need valgrind on PATH")
    if "instructions" in wanted and served_instructions.available():
        print("\n| server, with a function that does nothing | instructions a call |\n|---|---:|")
        print_rows(served_instructions.measure)
    elif "instructions" in wanted:
        print("instructions in servers: not measured, as the system does not let this process count them")


if __name__ == "__main__":
    main(sys.argv[1:])
