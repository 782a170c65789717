"""How a worker of gunicorn comes to its end: asked by a signal or by ``max_requests``, when the board lets it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Final

from .listener import Listener
from .worker_table import Board, Decision

_EVERY: Final = 0.1
"""Seconds between two looks at the board, and at what has been asked."""
_SETTLE: Final = 0.5
"""Seconds in which new connections have been used, and in which the other workers have come as far as this one."""


class Retirement:
    """Of one worker; the thread is started with it."""

    def __init__(self, worker: Any, board: Board, number: int) -> None:
        self._worker = worker
        self._board = board
        self._number = number
        self._asked = self._may_stop = self._has_spare = self._told = False
        # gunicorn would stop at once, and its other workers at about the same time.
        self._max_requests: int = worker.max_requests
        worker.max_requests = sys.maxsize
        self._stop = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, self._on_term)
        threading.Thread(target=self._run, name="proxyhooks-retirement", daemon=True).start()

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._may_stop and callable(self._stop):
            self._stop(number, frame)

    def _run(self) -> None:
        while not self._may_stop:
            # Nothing to wait on that a signal handler may touch at any time, in threads and greenlets alike.
            time.sleep(_EVERY)
            if self._is_worn() and not self._asked:
                self._asked = True
                if not self._told:
                    self._told = True
                    self._worker.log.info("max_requests is reached: the worker stops when another one serves")
            if self._asked:
                try:
                    self._act(self._decide())
                except Exception:
                    self._worker.log.exception("Whether another worker serves cannot be seen")
                    self._leave()

    def _is_worn(self) -> bool:
        worn: bool = self._worker.nr >= self._max_requests
        return worn

    def _decide(self) -> Decision:
        with self._board.notes() as notes:
            me = notes.workers[str(self._number)]
            me.state = "asked"
            decision = "stop" if self._board.ending else notes.decide(self._number, alone=self._worker.cfg.workers == 1)
            if decision == "stop":
                me.state = "stopping"
            elif decision == "stay":
                me.state = "serving"
        return decision

    def _act(self, decision: Decision) -> None:
        log, arbiter = self._worker.log, self._worker.ppid
        if decision == "stay":
            self._asked = False
            if not self._is_worn():
                log.error("The application could not be loaded again: this worker goes on with the one it has")
        elif decision == "spare" and not self._has_spare:
            self._has_spare = True
            os.kill(arbiter, signal.SIGTTIN)
        elif decision == "stop":
            if self._has_spare:
                os.kill(arbiter, signal.SIGTTOU)
            self._leave()

    def _leave(self) -> None:
        listeners = [listener for listener in self._worker.sockets if isinstance(listener, Listener)]
        for listener in listeners:
            # With reuse_port each worker has a listening socket of its own.
            listener.stop_accepting(last=self._board.ending or self._worker.cfg.reuse_port)
        time.sleep(_SETTLE)
        # While nobody is told to open connections elsewhere: clients would just then use those that they had to spare.
        for listener in listeners:
            listener.close_silent()
        time.sleep(_SETTLE)
        self._may_stop = True
        # To itself: gunicorn's own handler belongs in the main thread, and has to wake it.
        os.kill(os.getpid(), signal.SIGTERM)
