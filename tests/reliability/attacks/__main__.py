"""``python -m tests.reliability.attacks NAME PORT``: attack until the standard input ends, then print the counts.

Before that, it prints a line when the peers have done what the attack needs at least.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter

from tests.reliability.attacks.all_attacks import ATTACKS


async def main(name: str, port: int) -> Counter[str]:
    attack, counts = ATTACKS[name], Counter[str]()
    attacking = asyncio.create_task(attack.carry_out(port, counts))
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    begun = False
    while not (attacking.done() or end.done()):
        await asyncio.wait([attacking, end], timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        if not begun and attack.has_happened(counts):
            begun = True
            print("begun", flush=True)
    if attacking.done():
        attacking.result()
    return counts


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
