"""``python -m tests.reliability [SCENARIO ...]``: the long form, which takes about half an hour."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.real_centrifugo.servers import BINARY, NO_BINARY
from tests.reliability.scenarios import SCENARIOS, THROUGH_CENTRIFUGO


def main() -> int:
    failed = 0
    for name in sys.argv[1:] or SCENARIOS:
        if name in THROUGH_CENTRIFUGO and not BINARY:
            print(f"{name}: skipped, {NO_BINARY}", flush=True)
            continue
        here = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        began = time.monotonic()
        try:
            told = asyncio.run(SCENARIOS[name](here, True))
        except AssertionError as error:
            failed += 1
            told = f"FAILED: {error} (the logs are in {here})"
        print(f"{name}: {told} [{time.monotonic() - began:.0f} s]", flush=True)
    return failed


sys.exit(main())
