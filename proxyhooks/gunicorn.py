"""gunicorn's settings for hooks: ``gunicorn -c python:proxyhooks.gunicorn app:app``.

Override them with gunicorn's own means: flags, the environment (``GUNICORN_CMD_ARGS="--threads 16"``,
``WEB_CONCURRENCY=4`` for the workers), or a configuration file that starts with
``from proxyhooks.gunicorn import *``.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = [
    "graceful_timeout",
    "keepalive",
    "limit_request_field_size",
    "limit_request_fields",
    "threads",
    "timeout",
    "worker_class",
    "workers",
]

# The sync worker has no keep-alive, and Centrifugo would open a connection for every event.
worker_class: Final = "gthread"
workers: int = int(os.environ.get("WEB_CONCURRENCY") or max(2, os.cpu_count() or 1))
threads: int = 16

# Seconds. Centrifugo keeps idle connections and never closes them. A server that closes one first may do so while a
# request is being written, which is an error for a user; so idle connections are kept for an hour.
keepalive: int = 3600

# Seconds. A stopping worker finishes what it has; Centrifugo waits for at most the timeout of its proxy.
graceful_timeout: int = 30
timeout: int = 60

# Bytes, fields. Centrifugo forwards clients' headers; one that is refused here would be 431 for every try, for ever.
limit_request_field_size: int = 65_536
limit_request_fields: int = 200

# gunicorn's default, no access log, is right as it is: Centrifugo counts and times its calls.
