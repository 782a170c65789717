"""The queue of the functions that run after a reply, and the threads that run them."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .._wire import before_exit
from .._wire.log import logger

_MAX_IDLE: Final = 60.0
"""Seconds after which a thread without a task ends. It would keep an application that is no longer used."""
_MAX_NAMES: Final = 20
"""Functions that one log line names."""


@dataclass(slots=True, eq=False)
class BackgroundTask:
    """A function, with its arguments, that runs after the reply was sent."""

    name: str
    """The function with its file and line, for the log."""
    run: Callable[[], object]
    call: Mapping[str, str] = field(default_factory=dict)
    """The fields of the call that has passed the function, for the log."""
    key: Hashable = None
    """Tasks with equal keys run one after another, in the order of their replies. None: with those of its request."""


class BackgroundQueue:
    """Runs tasks in threads. Tasks with equal keys run in order, one at a time.

    :param run_task: runs a task, and raises nothing.
    :param threads: the most tasks that run at once. A thread starts when it is needed.
    :param capacity: the number of waiting tasks at which the queue counts as full. It is checked when a hook adds a
        task, so the calls that run at that moment can exceed it by their own tasks.
    """

    def __init__(self, run_task: Callable[[BackgroundTask], object], threads: int, capacity: int) -> None:
        self.capacity = capacity
        self._run_task = run_task
        self._max_threads = threads
        self.start_anew()

    def start_anew(self) -> None:
        """Begin with no task and no thread: a process that was forked has none of the threads."""
        self._threads = 0
        self._free = 0
        """Threads that take the next task."""
        self._changed = threading.Condition()
        """Its lock guards all attributes; a task that becomes ready notifies it."""
        self._by_key: dict[Hashable, deque[BackgroundTask]] = {}
        """The waiting tasks of each key. A key whose task is running is here too."""
        self._ready: deque[Hashable] = deque()
        """The keys whose next task can start."""
        self._waiting = 0
        self._running: list[BackgroundTask] = []
        self._closed = False

    def is_full(self) -> bool:
        return self._waiting >= self.capacity

    def pending(self) -> int:
        return self._waiting + len(self._running)

    def is_busy(self) -> bool:
        with self._changed:
            return not self._closed and bool(self._waiting or self._running)

    def submit(self, tasks: Iterable[BackgroundTask]) -> None:
        """Have the tasks of a request run. If the process is about to end, they are lost, which is logged."""
        tasks, request = tuple(tasks), object()
        with self._changed:
            closed = self._closed
            if not closed:
                for task in tasks:
                    self._add(task, request if task.key is None else task.key)
        if closed:
            _log_lost(tasks, ())

    def give_up(self) -> None:
        """Begin no further task. Log those that are lost, and those that the end of the process interrupts."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            lost = [task for waiting in self._by_key.values() for task in waiting]
            running = list(self._running)
            self._by_key.clear()
            self._ready.clear()
            self._waiting = 0
        _log_lost(lost, running)

    def _add(self, task: BackgroundTask, key: Hashable) -> None:
        waiting = self._by_key.get(key)
        if waiting is None:
            waiting = self._by_key[key] = deque()
            self._make_ready(key)
        waiting.append(task)
        self._waiting += 1

    def _make_ready(self, key: Hashable) -> None:
        self._ready.append(key)
        if len(self._ready) > self._free and self._threads < self._max_threads:
            self._start_thread()
        else:
            self._changed.notify()

    def _start_thread(self) -> None:
        """Start a thread: here, in the worker, as gunicorn's master, which may import the application, forks."""
        before_exit.register(self)
        name = f"proxyhooks-after-reply-{self._threads + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:  # the system allows no more: the threads that run take the task, or the next try does
            logger.exception("after_reply could not start a thread, and goes on with %d", self._threads)
        else:
            self._threads += 1
            self._free += 1

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._ready:
                    if not self._changed.wait(_MAX_IDLE) and not self._ready:
                        self._free -= 1
                        self._threads -= 1
                        return
                self._free -= 1
                key = self._ready.popleft()
                task = self._by_key[key].popleft()
                self._waiting -= 1
                self._running.append(task)
            # In a context of its own: the next task must not see the context variables that this one sets.
            try:
                contextvars.copy_context().run(self._run_task, task)
            except BaseException:  # of a log handler: this thread, and the key of the task, must go on
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
            with self._changed:
                self._free += 1
                self._running.remove(task)
                del task  # and its arguments, while the thread waits
                if self._by_key.get(key):
                    self._make_ready(key)
                else:
                    self._by_key.pop(key, None)


def _log_lost(lost: Iterable[BackgroundTask], interrupted: Iterable[BackgroundTask]) -> None:
    """Log how many calls of which functions the end of the process costs."""
    for tasks, text in ((lost, "lost"), (interrupted, "interrupted")):
        names = Counter(task.name for task in tasks)
        if names:
            listed = ", ".join(f"{number} of {name}" for name, number in names.most_common(_MAX_NAMES))
            more = ", ..." if len(names) > _MAX_NAMES else ""
            calls = names.total()
            logger.error(
                "after_reply: the process ends, and %d call%s %s %s: %s%s",
                calls, "" if calls == 1 else "s", "is" if calls == 1 else "are", text, listed, more,
            )  # fmt: skip
