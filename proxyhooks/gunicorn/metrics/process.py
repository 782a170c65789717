"""The process that serves the metrics, and does nothing else: a child of gunicorn's master.

It is no thread of the master, because the master forks: a lock that the thread holds at that moment would never be free
in the new worker. A client of the metrics, or an error in them, cannot disturb the master or a worker either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..._settings.master_settings import METRICS_BIND, Address
from ..worker_table import SharedState
from .directory import MasterDirectory

if TYPE_CHECKING:
    from .exposition import WorkerGauges
    from .http_server import MetricsServer

_TICK: Final = 0.5
"""Seconds between two looks at whether the master lives, and between two tries to listen."""
_IGNORED: Final = ("HUP", "INT", "QUIT", "TERM", "TTIN", "TTOU", "USR1", "USR2", "WINCH")
"""The master decides about the end of this process: metrics are served as long as a worker finishes its calls."""


def run(
    server: Any, address: Address, directory: MasterDirectory, shared_state: SharedState | None, pause: float
) -> NoReturn:
    """Serve metrics until the master ends. Called in the new process, which must not return to gunicorn's code.

    :param server: gunicorn's master.
    :param pause: seconds to wait first, so that a process that fails is not started again and again.
    """
    master: int = server.pid  # not os.getppid(): the master may have ended by now
    try:
        for name in _IGNORED:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        server.log.info("Booting metrics process with pid: %s", os.getpid())
        for listener in server.LISTENERS:  # a connection that this process accepted would never be answered
            listener.close()
        gauges, http = _prepare(server, directory, shared_state)
        asyncio.run(_serve(server.log, master, address, gauges, http, shared=directory.is_shared, pause=pause))
    except BaseException:
        server.log.exception("The metrics process has failed, and is started again")
        os._exit(1)
    os._exit(0)


def _prepare(
    server: Any, directory: MasterDirectory, shared_state: SharedState | None
) -> tuple[WorkerGauges, MetricsServer]:
    """Return what exports the workers, and the HTTP server, which belongs to the user of the workers."""
    # Not at the top: the command line imports this package without gunicorn, and the master is to load little.
    from gunicorn.util import set_owner_process

    from . import exposition, http_server

    log = server.log
    set_owner_process(server.cfg.uid, server.cfg.gid)
    directory.remove_dead_gauges(os.getpid())
    gauges = exposition.WorkerGauges(shared_state)
    logged: set[str] = set()

    def log_damaged(file: str, error: Exception) -> None:
        if file not in logged:
            logged.add(file)
            log.error("Metrics: the file %s is damaged, and its counts are left out: %s", file, error)

    application = exposition.metrics_application(directory, gauges, log_damaged)
    return gauges, http_server.MetricsServer(application, lambda: log.exception("Metrics: they cannot be read"))


async def _serve(
    log: Any, master: int, address: Address, gauges: WorkerGauges, http: MetricsServer, *, shared: bool, pause: float
) -> None:
    await asyncio.sleep(pause)
    listening, refused = False, ""
    while os.getppid() == master:
        if not listening:
            try:
                await http.start(_listen(address, shared=shared))
                listening = True
                log.info("Metrics at: http://%s/metrics", _shown(address))
            except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
                if refused != str(error):
                    refused = str(error)
                    log.error(
                        "Metrics: cannot listen on %s (%s), and tries again; %s sets the address",
                        _shown(address),
                        refused,
                        METRICS_BIND.key,
                    )
        gauges.update()
        await asyncio.sleep(_TICK)


def _listen(address: Address, *, shared: bool) -> socket.socket:
    """Return a socket that listens on the address.

    :param shared: whether the other master of an upgrade listens on it: each of them serves the metrics of both.
    :raises OSError: if the address is taken by another server.
    """
    family, *_, resolved = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    if not shared:
        # With SO_REUSEPORT, the kernel would share the address between any two servers of this user.
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(resolved)
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(resolved)
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


def _shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
