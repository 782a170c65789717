"""How long gunicorn lets a call take."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping

from . import settings


def seconds_per_call(environ: Mapping[str, str]) -> float | None:
    """Seconds after which gunicorn kills a worker that is busy with one call; ``None`` if it does not.

    Only the sync worker cannot tell the master that it is alive while it calls the application.

    :param environ: its ``GUNICORN_CMD_ARGS`` may choose another worker than the settings of this package.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-k", "--worker-class", default=settings.worker_class)
    parser.add_argument("-t", "--timeout", type=int, default=settings.timeout)
    parser.add_argument("--threads", type=int, default=settings.threads)
    try:
        options, _ = parser.parse_known_args(shlex.split(environ.get("GUNICORN_CMD_ARGS", "")))
    except (argparse.ArgumentError, ValueError):  # gunicorn does not start
        return None
    # With several threads, gunicorn takes gthread for sync.
    is_sync = options.worker_class in ("sync", "gunicorn.workers.sync.SyncWorker") and options.threads <= 1
    return float(options.timeout) if is_sync and options.timeout > 0 else None
