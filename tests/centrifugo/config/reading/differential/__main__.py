"""Compares the reader with Centrifugo: ``python -m tests.centrifugo.config.reading.differential --cases 2000``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.centrifugo.config.reading.differential.running import compare_generated
from tests.support.centrifugo import centrifugo_binary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--show", type=int, default=3, help="cases of each kind of difference")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        result = compare_generated(centrifugo_binary(), options.cases, options.seed, Path(directory))
    print(f"{options.cases} cases: {dict(result.verdicts)}, {result.compared_values} with their values")
    kinds = Counter(kind for kind, *_ in result.differences)
    for kind, count in kinds.most_common():
        print(f"== {count} {kind}")
        for _, report in [entry for entry in result.differences if entry[0] == kind][: options.show]:
            print(report)
    return bool(kinds)


if __name__ == "__main__":
    sys.exit(main())
