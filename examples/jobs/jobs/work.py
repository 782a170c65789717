"""The work that takes long. Put yours here."""

from __future__ import annotations

import time
from collections.abc import Generator


def work(rows: int) -> Generator[int, None, None]:
    """Yield how many percent are done, at least once a second.

    Between two of these the worker reports the progress, or sees that the job is cancelled. Then the generator is
    closed: put into a ``finally`` what is to be cleaned up.
    """
    for row in range(1, rows + 1):
        time.sleep(0.05)
        yield row * 100 // rows
