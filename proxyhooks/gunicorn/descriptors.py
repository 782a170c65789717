"""How a gthread worker shares out its file descriptors, which ``ulimit -n`` limits.

Half are for the connections that gunicorn serves or keeps, three eighths for those that have sent nothing yet. The rest
is for the application.
"""

from __future__ import annotations

import sys
from typing import Final

_MAX_SILENT: Final = 4096


def max_connections() -> int:
    """Return how many connections gunicorn may serve or keep."""
    return _limit() // 2


def max_silent_connections() -> int:
    """Return how many accepted connections may wait for their first byte."""
    return min(_MAX_SILENT, _limit() * 3 // 8)


def _limit() -> int:
    try:
        import resource  # not on Windows, where the command line imports this package
    except ImportError:
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
