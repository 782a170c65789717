"""Which thread waits for events, and which one runs jobs. A job is a connection with a request to serve.

One thread at a time leads: it waits for events, which make jobs. It runs a job itself, so that no other thread has to
wake up, and then goes on leading. If jobs have lately taken long, another thread leads before the job runs. If a job
turns out to take long, the watch lets another thread lead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

# All times are in seconds.
_SLOW: Final = 0.0005
"""If jobs take longer than this on average, another thread leads before a job runs."""
_WATCH_INTERVAL: Final = 0.002
"""A leader whose job takes longer than one or two of these loses the lead."""
_WATCH_PAUSES_AFTER: Final = 50
"""Number of intervals without a job after which the watch sleeps until the next job."""
_WEIGHT: Final = 1 / 8
"""Weight of the last job in the average."""
_PROBE_INTERVAL: Final = 0.1
"""While jobs are slow, the leader runs one itself this often, to see whether they still are."""
_PROBE_WEIGHT: Final = 1 / 2
"""Weight of such a job in the average."""
_PAUSE: Final = 0.05
"""Pause after an error in the event loop, which may come back at once."""
_LONGEST: Final = 0.005
"""A job counts for no more than this in the average, so that one long job is soon forgotten."""

_logger = logging.getLogger("gunicorn.error")


class Scheduler:
    """Runs jobs in threads.

    :param threads: the number of jobs that may run at once.
    :param ready: the jobs that wait for a thread, oldest first. Any thread may add some.
    :param wait: acts on events, which may add jobs. Its argument is whether to wait until there is an event. Only the
        leader calls it.
    :param run: runs a job. What it raises is logged.
    :param wake: ends the waiting of the leader. Any thread may call it.
    :param may_block: whether a job is expected to block, so that another thread leads in any case.
    """

    def __init__(
        self,
        threads: int,
        ready: deque[Any],
        *,
        wait: Callable[[bool], None],
        run: Callable[[Any], None],
        may_block: Callable[[Any], bool],
        wake: Callable[[], None],
    ) -> None:
        self._ready = ready
        self._wait = wait
        self._run = run
        self._wake = wake
        self._may_block = may_block
        self._free = [None] * threads
        """An item for each job that may start now. ``list.pop`` and ``list.append`` are atomic."""
        self._lead = threading.Lock()
        """Held by the leader. The watch may release it."""
        self._claim: list[None] = []
        """Has an item while the leader runs a job. The leader takes it to lead on, the watch to let another lead."""
        self._turns = 0
        """Number of jobs that leaders have run."""
        self._average = 0.0
        """Seconds that a job takes. Only jobs of the leader count: the others also wait for Python's global lock."""
        self._next_probe = 0.0
        """When the leader next runs a job itself although jobs are slow."""
        self._turns_left = 0
        """Jobs to start before the leader looks for events again."""
        self._watch_sleeps = False
        self._wake_watch = threading.Lock()
        """Released to wake the watch up."""
        self._wake_watch.acquire()
        self._stopped = False
        # One more than the jobs that run at once, so that a thread leads even if all of them block.
        self._threads = [
            threading.Thread(target=self._work, name=f"proxyhooks-worker-{number}", daemon=True)
            for number in range(threads + 1)
        ]
        self._threads.append(threading.Thread(target=self._watch, name="proxyhooks-watch", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> None:
        """End the threads that run no job, and wait for them.

        :param timeout: seconds.
        """
        self._stopped = True
        self._rouse_watch()
        self._wake()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while not self._stopped:
            self._lead.acquire()
            self._lead_until_replaced()

    def _lead_until_replaced(self) -> None:
        """Lead, until another thread may lead or the threads are to end."""
        while (job := self._next()) is not None:
            start = time.monotonic()
            is_slow = self._average > _SLOW
            if self._may_block(job) or (is_slow and start < self._next_probe):
                self._lead.release()
                self._run_safely(job)
                self._run_ready()
                return
            if is_slow:
                self._next_probe = start + _PROBE_INTERVAL
            claim = self._claim = [None]
            self._turns += 1
            if self._watch_sleeps:
                self._rouse_watch()
            self._run_safely(job)
            took = min(time.monotonic() - start, _LONGEST)
            self._average += (took - self._average) * (_PROBE_WEIGHT if is_slow else _WEIGHT)
            try:
                claim.pop()
            except IndexError:  # the watch was faster: another thread leads
                break
            self._free.append(None)
        else:
            self._lead.release()
            return
        # Here and not above: what a job raises would have the IndexError as its context.
        self._run_ready()

    def _next(self) -> Any | None:
        """Return the oldest job, once there is one and it may run. None if the threads are to end."""
        while not self._stopped:
            can_run = bool(self._ready and self._free)
            # Jobs that were ready at the last look for events come first. A client that sends one request after another
            # gets its next turn only after the next look, which may find requests of others.
            if can_run and self._turns_left > 0:
                self._turns_left -= 1
                try:
                    self._free.pop()
                except IndexError:  # as many jobs run as may: a thread that finishes one takes the next
                    continue
                try:
                    return self._ready.popleft()
                except IndexError:
                    self._free.append(None)
                    continue
            try:
                self._wait(not can_run)
            except Exception:
                _logger.exception("Error in the event loop")
                time.sleep(_PAUSE)
            self._turns_left = len(self._ready)
        return None

    def _run_ready(self) -> None:
        """Run the jobs that are ready, until there is none. The thread has just run a job, and does not lead."""
        while True:
            try:
                job = self._ready.popleft()
            except IndexError:
                self._free.append(None)
                # The leader may have added a job and found nobody free in between.
                if not self._ready:
                    return
                try:
                    self._free.pop()
                except IndexError:
                    return
                continue
            if self._ready and self._free:
                self._wake()  # the leader may be waiting for events: it takes the next job
            self._run_safely(job)

    def _run_safely(self, job: Any) -> None:
        """Run a job. An exception must not end the thread."""
        try:
            self._run(job)
        except BaseException:
            _logger.exception("Error in a thread of the worker")

    def _watch(self) -> None:
        """Let another thread lead when the leader's job takes long."""
        seen, idle = -1, 0
        while not self._stopped:
            time.sleep(_WATCH_INTERVAL)
            turn = self._turns
            if turn != seen:
                seen, idle = turn, 0
                continue
            idle += 1
            claim = self._claim
            try:
                claim.pop()
            except IndexError:  # the leader runs no job
                if idle > _WATCH_PAUSES_AFTER:
                    self._watch_sleeps = True
                    if turn == self._turns:
                        self._wake_watch.acquire()
                    self._watch_sleeps = False
            else:
                self._lead.release()

    def _rouse_watch(self) -> None:
        """Wake the watch up."""
        if self._wake_watch.locked():
            with suppress(RuntimeError):  # another thread was faster
                self._wake_watch.release()
