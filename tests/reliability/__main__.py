"""``python -m tests.reliability [SCENARIO ...]``: the long form, which takes about two hours."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability import cluster
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO, WITH_PROGRAMS
from tests.support import centrifugo


def main() -> int:
    failed = 0
    for name in sys.argv[1:] or SCENARIOS:
        missing = (name in THROUGH_CENTRIFUGO and centrifugo.MISSING) or (name in WITH_PROGRAMS and cluster.MISSING)
        if missing:
            print(f"{name}: skipped, {missing}", flush=True)
            continue
        here = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        began = time.monotonic()
        try:
            result = asyncio.run(SCENARIOS[name](here, True))
        except AssertionError as error:
            failed += 1
            result = f"FAILED: {error} (the logs are in {here})"
        print(f"{name}: {result} [{time.monotonic() - began:.0f} s]", flush=True)
    return failed


sys.exit(main())
