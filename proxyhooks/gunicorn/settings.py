"""gunicorn's settings: plain values under gunicorn's names."""

from __future__ import annotations

import os
import select
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

# The worker of this package needs epoll, which only Linux has.
worker_class: Final = "proxyhooks.gunicorn.worker.Worker" if hasattr(select, "epoll") else "gthread"
workers: int = int(os.environ.get("WEB_CONCURRENCY") or max(2, os.cpu_count() or 1))
threads: int = 16

# Seconds. Centrifugo keeps idle connections and never closes them. A server that closes an idle connection may do so
# while Centrifugo writes a request to it. The user then gets an error. So gunicorn keeps idle connections for an hour.
# The age of a connection has another limit, PROXYHOOKS_KEEPALIVE_TIME: see pre_request.
keepalive: int = 3600

# Seconds for a stopping worker to finish its open requests, and then the functions of after_reply. Centrifugo waits no
# longer than the timeout of its proxy.
graceful_timeout: int = 30
# Seconds after which the master kills a worker that has stopped responding to it.
timeout: int = 60

# Bytes, and a number of header fields. Centrifugo forwards headers of its clients. If they exceed a limit, every call
# for that client fails with status 431.
limit_request_field_size: int = 65_536
limit_request_fields: int = 200

# gunicorn writes no access log by default. That fits: Centrifugo counts and times its calls.
