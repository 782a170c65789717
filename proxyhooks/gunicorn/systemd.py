"""What systemd is told about the server, in a unit with ``Type=notify`` or ``Type=notify-reload``: see sd_notify(3).

gunicorn says that the server is ready as soon as its master has started, although the workers still have to load the
application. Here, the server is ready when a worker serves, and a reload is over when all of the new workers do.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Any, Final

from .worker_table import SharedState

_VARIABLE: Final = "NOTIFY_SOCKET"
_POLL_INTERVAL: Final = 0.1
"""Seconds between two looks at the table, during a start or a reload."""


class ServiceNotifier:
    """In the master: tells systemd the state of the server. It does nothing if systemd does not listen."""

    def __init__(self) -> None:
        self._address: str | None = None
        self._server: Any = None
        self._shared_state: SharedState | None = None
        self._master = 0
        self._is_ready = False
        self._is_reloading = False

    def silence_gunicorn(self) -> None:
        """Before gunicorn starts: hide from it where systemd listens, until :meth:`start`."""
        self._address = os.environ.pop(_VARIABLE, None)

    def start(self, server: Any, shared_state: SharedState | None) -> None:
        """Before a worker starts: wait until one serves. Only the first call does something."""
        if self._address is None or self._server is not None:
            return
        os.environ[_VARIABLE] = self._address
        self._server, self._shared_state, self._master = server, shared_state, os.getpid()
        # The master has no thread, since it forks. systemd does not listen to workers.
        signal.signal(signal.SIGALRM, self._check)
        self._poll(_POLL_INTERVAL)
        self._notify("STATUS=Loading the application")

    def table_failed(self) -> None:
        """The table does not tell when a worker serves: say at once that the server is ready, as gunicorn does."""
        if self._server is not None and (self._is_reloading or not self._is_ready):
            self._set_ready("Nothing tells whether workers serve: see the log")

    def reload_begins(self) -> None:
        """The workers are to be replaced."""
        if self._server is None or not self._is_ready:
            return
        self._is_reloading = True
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=Reloading the application")
        self._poll(_POLL_INTERVAL)

    def reload_failed(self) -> None:
        """The new workers could not load the application, and the old ones go on."""
        if self._is_reloading:
            self._set_ready("Serving as before: the application could not be reloaded")

    def stop_begins(self) -> None:
        """The server stops, or leaves the service to the new master that USR2 has started."""
        if self._server is None:
            return
        self._poll(0)
        new_master = self._server.reexec_pid
        self._notify(f"MAINPID={new_master}" if new_master else "STOPPING=1\nSTATUS=Finishing the open calls")

    def _check(self, signum: int, frame: FrameType | None) -> None:
        """See whether the workers serve. A handler of SIGALRM."""
        if self._shared_state is not None and os.getpid() == self._master:  # and not in a worker, which inherits it
            states = self._shared_state.snapshot().current_states()
            if "serving" in states and not (self._is_reloading and "starting" in states):
                self._set_ready("Serving")

    def _set_ready(self, status: str) -> None:
        self._poll(0)
        self._is_ready, self._is_reloading = True, False
        self._notify(f"READY=1\nSTATUS={status}")

    @staticmethod
    def _poll(interval: float) -> None:
        """Call :meth:`_check` at this interval in seconds; 0: no more."""
        signal.setitimer(signal.ITIMER_REAL, interval, interval)

    def _notify(self, state: str) -> None:
        # systemd listens to the main process only. A new master is that when the old one has ended.
        if not self._server.master_pid:
            from gunicorn.systemd import sd_notify  # the command line imports this package without gunicorn

            sd_notify(state, self._server.log)
