"""Starts the metrics process, starts it again whenever it ends, and ends it with the master."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

_SHORT_LIFE: Final = 10.0
"""Seconds. A metrics process that has lived for less is started again after a pause."""
_PAUSE: Final = 1.0
"""Seconds."""


class Supervisor:
    """In gunicorn's master: keeps the metrics process running, from now on.

    :param log: gunicorn's log.
    :param run: serves the metrics in the new process. Its argument is the time in seconds to wait first.
    """

    def __init__(self, log: Any, run: Callable[[float], NoReturn]) -> None:
        self._log = log
        self._run = run
        self._master = os.getpid()
        self._child = 0
        """The number of the metrics process; 0 without one."""
        self._started = float("-inf")
        self._gunicorn_handler = signal.getsignal(signal.SIGCHLD)
        signal.signal(signal.SIGCHLD, self._on_sigchld)
        self._start()

    def end(self) -> None:
        """End the process, as the master ends."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self._child:
            try:
                os.kill(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass

    def _on_sigchld(self, signum: int, frame: FrameType | None) -> None:
        # A worker that has just been forked still has this handler.
        if os.getpid() == self._master and self._has_ended():
            self._start()
        if callable(self._gunicorn_handler):
            self._gunicorn_handler(signum, frame)

    def _has_ended(self) -> bool:
        """Whether there is no metrics process; one that has just ended is then no zombie any more."""
        if not self._child:
            return True
        try:
            return os.waitpid(self._child, os.WNOHANG)[0] == self._child
        except ChildProcessError:  # gunicorn has waited for it
            return True

    def _start(self) -> None:
        """Start the process. If the system allows no more processes, the next child that ends tries again."""
        self._child = 0
        pause = _PAUSE if time.monotonic() - self._started < _SHORT_LIFE else 0.0
        self._started = time.monotonic()
        # Until the number is known: the process may end at once.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        try:
            child = os.fork()
            if child == 0:
                self._run(pause)
            self._child = child
        except Exception:  # in a signal handler it would end the master
            self._log.exception("Metrics: no process can be started for them; a later one is tried")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
