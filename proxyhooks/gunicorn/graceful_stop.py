"""How a gunicorn worker stops after a signal or after ``max_requests``: not before another worker has taken over."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Final

from .listener import Listener
from .worker_table import Decision, SharedState

_POLL_INTERVAL: Final = 0.1
"""Seconds between two looks at the table."""
_DRAIN_STEP: Final = 0.5
"""Seconds. Time for new connections to send a request, and for other stopping workers to reach the same step."""


def time_to_finish(cfg: Any) -> float:
    """Return the seconds that a stopping worker has until the master kills it, less one second to write the log."""
    seconds: float = min(cfg.graceful_timeout, cfg.timeout or sys.maxsize)
    return max(0.0, seconds - 1.0)


def give_up_work_in_time(worker: Any) -> None:
    """For a worker without a table: give up the functions of ``after_reply`` before the master kills it, in a thread.

    The time counts from the signal on, as the master's does, and not from when the last call has been answered.
    """

    def wait_and_give_up() -> None:
        while worker.alive:
            time.sleep(_POLL_INTERVAL)
        start_draining()
        time.sleep(time_to_finish(worker.cfg))
        _give_up_work()

    threading.Thread(target=wait_and_give_up, name="proxyhooks-graceful-stop", daemon=True).start()


# The two functions import modules of the application, not those of the master: a worker imports the package anew.


def start_draining() -> None:
    """Have readiness probes of this worker fail."""
    from .._wire import probes

    probes.start_draining()


def _give_up_work() -> None:
    from .._wire import before_exit

    before_exit.give_up()


class GracefulStop:
    """Delays the stop of one worker until the worker table allows it; a thread polls the table."""

    def __init__(self, worker: Any, shared_state: SharedState, number: int) -> None:
        self._worker = worker
        self._shared_state = shared_state
        self._number = number
        self._stop_requested = False
        self._drained = False
        self._deadline = 0.0
        """When the master is about to kill this worker, by ``time.monotonic``."""
        self._replacement_started = False
        self._max_requests_logged = False
        # At max_requests, gunicorn would stop this worker at once, and the others at about the same time. So the thread
        # watches max_requests in place of gunicorn.
        self._max_requests: int = worker.max_requests
        worker.max_requests = sys.maxsize
        self._gunicorn_handler = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        threading.Thread(target=self._run, name="proxyhooks-graceful-stop", daemon=True).start()

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        """Note the stop request. Once the worker has drained, let gunicorn stop it."""
        self._stop_requested = True
        if self._drained and callable(self._gunicorn_handler):
            self._gunicorn_handler(signum, frame)

    def _run(self) -> None:
        while not self._drained:
            # Polling: a signal handler must not set a threading.Event, whose lock the interrupted code may hold.
            time.sleep(_POLL_INTERVAL)
            if self._max_requests_reached() and not self._stop_requested:
                self._stop_requested = True
                if not self._max_requests_logged:
                    self._max_requests_logged = True
                    self._worker.log.info("This worker has reached max_requests: it stops once another worker serves")
            if self._stop_requested:
                try:
                    self._carry_out(self._decide())
                except Exception:
                    self._worker.log.exception("The table of workers cannot be used: this worker stops now")
                    self._drain()
        time.sleep(max(0.0, self._deadline - time.monotonic()))
        # Usually the worker has finished its work and ended by now. It has not if a call of a hook takes so long.
        _give_up_work()

    def _max_requests_reached(self) -> bool:
        reached: bool = self._worker.nr >= self._max_requests
        return reached

    def _decide(self) -> Decision:
        """Decide what to do, and enter the state that follows from it in the table."""
        with self._shared_state.table() as table:
            own = table.workers.get(self._number)
            if own is None:  # the table was damaged, and that is in the log
                return "stop"
            own.state = "stop_requested"
            if self._shared_state.shutting_down:
                decision: Decision = "stop"
            else:
                decision = table.decide(self._number, only_worker=self._worker.cfg.workers == 1)
            if decision == "stop":
                own.state = "stopping"
            elif decision == "cancel":
                own.state = "serving"
        return decision

    def _carry_out(self, decision: Decision) -> None:
        if decision == "cancel":
            self._stop_requested = False
            # A worker that has reached max_requests makes its next stop request at once, and would log this each time.
            if not self._max_requests_reached():
                self._worker.log.error("The application could not be reloaded: this worker keeps serving")
        elif decision == "start_replacement" and not self._replacement_started:
            self._replacement_started = True
            # When this worker ends, the server hook child_exit reduces the number of workers again.
            os.kill(self._worker.ppid, signal.SIGTTIN)
        elif decision == "stop":
            self._drain()

    def _drain(self) -> None:
        """Stop accepting, serve the connections that are accepted already, and have gunicorn stop the worker."""
        self._deadline = time.monotonic() + time_to_finish(self._worker.cfg)
        start_draining()
        if hasattr(self._worker, "stop_accepting"):
            listeners = [self._worker]
        else:
            listeners = [listener for listener in self._worker.sockets if isinstance(listener, Listener)]
        for listener in listeners:
            # With reuse_port, each worker has a listening socket of its own.
            listener.stop_accepting(drain_backlog=self._shared_state.shutting_down or self._worker.cfg.reuse_port)
        time.sleep(_DRAIN_STEP)
        # Before gunicorn sends "Connection: close": a client that gets it might send its next request on one of these.
        for listener in listeners:
            listener.close_silent()
        time.sleep(_DRAIN_STEP)
        self._drained = True
        # A signal, since gunicorn's handler belongs in the main thread and has to wake it up.
        os.kill(os.getpid(), signal.SIGTERM)
