"""Compares servers for many cases: ``python -m tests.gunicorn.differential --cases 100000``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.gunicorn.differential.comparing import minimized, report
from tests.gunicorn.differential.generator import Generator
from tests.gunicorn.differential.running import comparison
from tests.gunicorn.differential.servers import CONFIGURATIONS, GTHREAD, WORKER

CLASSES = {"gthread": GTHREAD, "worker": WORKER}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=1000, help="of all configurations together")
    options.add_argument("--seed", default="0")
    options.add_argument("--configuration", action="append", choices=CONFIGURATIONS)
    options.add_argument("--left", default="gthread", choices=CLASSES)
    options.add_argument("--left-parser", default=None, help="the parser of both servers if left out")
    options.add_argument("--right", default="worker", choices=CLASSES)
    options.add_argument("--parser", default="python", choices=("python", "auto"))
    options.add_argument("--minimize", action="store_true", help="shorten the first case of each kind of difference")
    options.add_argument(
        "--all", action="store_true", help="show also differences that are gone when a case is repeated"
    )
    given = options.parse_args()
    names = given.configuration or list(CONFIGURATIONS)
    # Cases that run one by one take ten times as long.
    shares = {name: 1 if CONFIGURATIONS[name].at_once == 1 else 10 for name in names}
    counts = {name: given.cases * share // sum(shares.values()) for name, share in shares.items()}
    failed = False
    for name in names:
        configuration = CONFIGURATIONS[name]
        if missing := configuration.missing():
            print(f"== {name}: skipped, {missing} is not installed")
            continue
        generator = Generator(configuration.profile)
        with (
            tempfile.TemporaryDirectory() as directory,
            comparison(
                configuration,
                Path(directory),
                {"worker_class": CLASSES[given.left], "parser": given.left_parser or given.parser},
                {"worker_class": CLASSES[given.right], "parser": given.parser},
            ) as compare,
        ):
            started = time.monotonic()
            result = compare.run([generator.case(f"{given.seed} {name} {number}") for number in range(counts[name])])
            names_of_servers = " / ".join(server.name for server in compare.servers)
            replies = f"{result.cases} cases, {sum(result.replies.values())} replies"
            print(f"== {name}: {names_of_servers}: {replies}, {time.monotonic() - started:.0f} s", flush=True)
            print(f"   {result.as_in_other_packets} as in other packets, intended: {dict(result.intended)}")
            for kind, differences in result.not_repeated.items():
                print(f"   {len(differences)} only once: {kind}")
                if given.all:
                    print(report(differences[0]))
            for kind, differences in sorted(result.differences.items(), key=lambda item: -len(item[1])):
                failed = True
                difference = min(differences, key=lambda one: len(b"".join(one.case.segments)))
                if given.minimize:
                    difference = minimized(compare, difference)
                print(f"-- {len(differences)} of kind {kind}:\n{report(difference)}", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
