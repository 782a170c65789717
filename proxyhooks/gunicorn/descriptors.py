"""How a worker shares out its file descriptors, which ``ulimit -n`` limits, so that some are left to the application.

In a gthread worker, half are for the connections that gunicorn serves or keeps, and three eighths for those that have
sent nothing yet. In the worker of this package, three quarters are for all connections.
"""

from __future__ import annotations

import errno
import sys
from typing import Final

OUT_OF_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The errors of ``accept`` when there is no descriptor or memory for another connection."""
_MAX_SILENT: Final = 4096


def max_connections() -> int:
    """Return how many connections a gthread worker may serve or keep."""
    return _limit() // 2


def max_silent_connections() -> int:
    """Return how many accepted connections of a gthread worker may wait for their first byte."""
    return min(_MAX_SILENT, _limit() * 3 // 8)


def max_worker_connections() -> int:
    """Return how many connections the worker of this package may have."""
    return _limit() * 3 // 4


def _limit() -> int:
    try:
        import resource  # not on Windows, where the command line imports this package
    except ImportError:
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
