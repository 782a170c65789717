"""``python -m tests.reliability.attacks NAME PORT``: attack until the standard input ends, then print the counts."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter

from tests.reliability.attacks.all_attacks import ATTACKS


async def main(name: str, port: int) -> Counter[str]:
    counts = Counter[str]()
    attack = asyncio.create_task(ATTACKS[name].carry_out(port, counts))
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([attack, end], return_when=asyncio.FIRST_COMPLETED)
    if attack.done():
        attack.result()
    return counts


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
