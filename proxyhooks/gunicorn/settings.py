"""gunicorn's settings: plain values under gunicorn's names."""

from __future__ import annotations

import os
import select
from typing import Final

from .cpus import default_workers

__all__ = [
    "control_socket_disable",
    "forwarder_headers",
    "graceful_timeout",
    "keepalive",
    "limit_request_field_size",
    "limit_request_fields",
    "threads",
    "timeout",
    "worker_class",
    "worker_tmp_dir",
    "workers",
]

_MEMORY: Final = "/dev/shm"  # noqa: S108  # gunicorn makes its files there with tempfile.mkstemp
# The worker of this package needs epoll, which only Linux has.
worker_class: Final = "proxyhooks.gunicorn.worker.Worker" if hasattr(select, "epoll") else "gthread"
workers: int = default_workers()
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

# Each worker touches a file of its own, to tell the master that it is alive. A busy disk may delay that, and the root
# file system may be read-only, so the file is in memory. None is the temporary directory.
worker_tmp_dir: str | None = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
# The socket of the command gunicornc would be in the home directory, one for all servers of a user: the one that starts
# last takes it from the others.
control_socket_disable: bool = True

# gunicorn lets proxies on its own machine set SCRIPT_NAME, a part of the path that it takes away. Many proxies pass the
# header on as a client sends it: with "SCRIPT_NAME: /x", the hooks would be at /x/centrifugo/ too, where no rule of the
# proxy about /centrifugo/ protects them. An application that is served below a path has to name the header here.
forwarder_headers: str = ""

# gunicorn writes no access log by default. That fits: Centrifugo counts and times its calls.
