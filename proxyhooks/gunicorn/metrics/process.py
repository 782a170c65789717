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


class MetricsProcess:
    """What the process does. The master creates it, and the new process calls :meth:`run`.

    :param server: gunicorn's master.
    """

    def __init__(
        self, server: Any, address: Address, directory: MasterDirectory, shared_state: SharedState | None
    ) -> None:
        self._server = server
        self._log = server.log
        self._address = address
        self._directory = directory
        self._shared_state = shared_state
        self._master = os.getpid()

    def run(self, pause: float) -> NoReturn:
        """Serve metrics until the master ends. Called in the new process, which must not return to gunicorn's code.

        :param pause: seconds to wait first, so that a process that fails is not started again and again.
        """
        try:
            self._leave_gunicorn()
            self._log.info("Booting metrics process with pid: %s", os.getpid())
            gauges, http = self._prepare()
            asyncio.run(self._serve(gauges, http, pause))
        except BaseException:
            self._log.exception("The metrics process has failed, and is started again")
            os._exit(1)
        os._exit(0)

    def _leave_gunicorn(self) -> None:
        """Undo what the process has from the master: handlers of signals, and sockets."""
        for name in _IGNORED:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for listener in self._server.LISTENERS:  # a connection that this process accepted would never be answered
            listener.close()

    def _prepare(self) -> tuple[WorkerGauges, MetricsServer]:
        """Return what exports the workers, and the HTTP server, which belongs to the user of the workers."""
        # Not at the top: the command line imports this package without gunicorn, and the master is to load little.
        from gunicorn.util import set_owner_process

        from . import exposition, http_server

        set_owner_process(self._server.cfg.uid, self._server.cfg.gid)
        self._directory.remove_dead_gauges(os.getpid())
        gauges = exposition.WorkerGauges(self._shared_state)
        application = exposition.metrics_application(self._directory, gauges, self._log)
        return gauges, http_server.MetricsServer(
            application, lambda: self._log.exception("Metrics: they cannot be read")
        )

    async def _serve(self, gauges: WorkerGauges, http: MetricsServer, pause: float) -> None:
        await asyncio.sleep(pause)
        listening, refused = False, ""
        while os.getppid() == self._master:
            if not listening:
                try:
                    await http.start(_listen(self._address, shared=self._directory.is_shared))
                    listening = True
                    self._log.info("Metrics at: http://%s/metrics", _shown(self._address))
                except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
                    if refused != str(error):
                        refused = str(error)
                        self._log.error(
                            "Metrics: cannot listen on %s (%s), and tries again; %s sets the address",
                            _shown(self._address),
                            refused,
                            METRICS_BIND.key,
                        )
            gauges.update()  # also without a scrape: the other master of an upgrade may serve it
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
