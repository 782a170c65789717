"""Which thread leads, and which one runs a job."""

from __future__ import annotations

import itertools
import queue
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from proxyhooks.gunicorn.worker import scheduler as scheduler_module
from proxyhooks.gunicorn.worker.scheduler import Scheduler
from tests.support.waiting import wait_until

THREADS = 4
LIMIT = 60.0
"""Seconds until a wait in a thread fails."""

Job = Callable[[], None]


class Pool:
    """A scheduler whose jobs are functions; events are functions that the leader runs."""

    def __init__(self, threads: int = THREADS, may_block: Callable[[Job], bool] = lambda job: False) -> None:
        self.ready: deque[Job] = deque()
        self.events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.failures: list[BaseException] = []
        self._leads = threading.Lock()
        self.scheduler = Scheduler(
            threads,
            self.ready,
            wait=self._wait,
            run=self._run,
            may_block=may_block,
            wake=lambda: self.events.put(lambda: None),
        )

    def add(self, *jobs: Job) -> None:
        """Have the leader add jobs, as it does after an event."""
        self.events.put(lambda: self.ready.extend(jobs))

    def _wait(self, block: bool) -> None:
        if not self._leads.acquire(blocking=False):
            self.failures.append(AssertionError("two threads lead"))
            return
        events = []
        try:
            events.append(self.events.get(block, timeout=1 if block else None))
            while len(events) < 64:
                events.append(self.events.get_nowait())
        except queue.Empty:
            pass
        finally:
            self._leads.release()
        for event in events:
            event()

    def _run(self, job: Job) -> None:
        try:
            job()
        except BaseException as error:
            self.failures.append(error)


@contextmanager
def running(pool: Pool) -> Iterator[Pool]:
    pool.scheduler.start()
    try:
        yield pool
    finally:
        pool.scheduler.stop(timeout=LIMIT)
    assert pool.failures == []


class Gate:
    """A job that blocks until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self._open.wait(LIMIT)

    def open(self) -> None:
        self._open.set()


class Concurrency:
    """Counts how many jobs run at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    @contextmanager
    def measured(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


def threads_of(pool: Pool) -> list[threading.Thread]:
    return pool.scheduler._threads


def test_a_job_runs() -> None:
    with running(Pool()) as pool:
        done = threading.Event()
        pool.add(done.set)
        assert done.wait(LIMIT)


def test_jobs_run_in_the_order_in_which_they_came() -> None:
    ran: list[int] = []
    with running(Pool(threads=1)) as pool:
        pool.add(*(lambda number=number: ran.append(number) for number in range(100)))
        wait_until(lambda: len(ran) == 100, "100 jobs")
    assert ran == list(range(100))


@pytest.mark.parametrize("may_block", [False, True])
def test_as_many_jobs_block_at_once_as_there_are_threads_and_no_more(may_block: bool) -> None:
    gates = [Gate() for _ in range(THREADS + 1)]
    with running(Pool(may_block=lambda job: may_block)) as pool:
        pool.add(*gates)
        for gate in gates[:-1]:
            assert gate.entered.wait(LIMIT)
        # The leader goes on looking for events.
        looked = threading.Event()
        pool.events.put(looked.set)
        assert looked.wait(LIMIT)
        assert not gates[-1].entered.is_set()
        gates[0].open()
        assert gates[-1].entered.wait(LIMIT)
        for gate in gates:
            gate.open()


@pytest.mark.parametrize("jobs", [THREADS - 1, THREADS])
def test_another_thread_leads_while_a_job_blocks(jobs: int) -> None:
    gates = [Gate() for _ in range(jobs)]
    with running(Pool()) as pool:
        for gate in gates:  # one event each: the leader runs the job, and the watch has another one lead
            pool.add(gate)
            assert gate.entered.wait(LIMIT)
        looked = threading.Event()
        pool.events.put(looked.set)
        assert looked.wait(LIMIT)
        for gate in gates:
            gate.open()


def test_the_watch_wakes_up_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "_WATCH_PAUSES_AFTER", 1)
    with running(Pool()) as pool:
        for _ in range(3):
            wait_until(lambda: pool.scheduler._watch_sleeps, "the watch to sleep")
            gate, other = Gate(), threading.Event()
            pool.add(gate)
            assert gate.entered.wait(LIMIT)
            pool.add(other.set)
            assert other.wait(LIMIT)
            gate.open()


def test_a_job_that_may_block_does_not_hold_the_lead_for_a_moment() -> None:
    leads: list[bool] = []
    with running(Pool(may_block=lambda job: True)) as pool:
        done = threading.Event()

        def job() -> None:
            # Nobody else leads only if this thread still holds the lead.
            other = threading.Event()
            pool.events.put(other.set)
            leads.append(not other.wait(LIMIT))
            done.set()

        pool.add(job)
        assert done.wait(LIMIT)
    assert leads == [False]


def test_slow_jobs_run_at_once_without_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "_SLOW", -1.0)  # each job counts as slow
    monkeypatch.setattr(scheduler_module, "_PROBE_INTERVAL", 3600.0)
    monkeypatch.setattr(scheduler_module, "_WATCH_INTERVAL", LIMIT)
    pool = Pool()
    probe = threading.Event()
    gates = [Gate() for _ in range(THREADS)]
    pool.scheduler.start()
    pool.add(probe.set)  # the leader runs one job itself, to see whether jobs still are slow
    assert probe.wait(LIMIT)
    pool.add(*gates)
    for gate in gates:
        assert gate.entered.wait(LIMIT)
    for gate in gates:
        gate.open()
    done = threading.Event()
    pool.add(done.set)
    assert done.wait(LIMIT)
    assert pool.failures == []
    assert pool.scheduler._turns == 1
    # The watch still sleeps, longer than a test may take.
    monkeypatch.undo()
    pool.scheduler.stop(timeout=0)


def test_probes_find_out_that_jobs_are_quick_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "_PROBE_INTERVAL", 0.0)
    monkeypatch.setattr(scheduler_module, "_SLOW", 0.05)
    monkeypatch.setattr(scheduler_module, "_LONGEST", 1.0)
    with running(Pool()) as pool:
        pool.scheduler._average = 1.0

        def is_quick_again() -> bool:
            done = threading.Event()
            pool.add(done.set)
            assert done.wait(LIMIT)
            return pool.scheduler._average < 0.05

        wait_until(is_quick_again, "probes that were quick")


def test_one_very_long_job_does_not_count_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "_LONGEST", 0.0)
    with running(Pool()) as pool:
        gate, done = Gate(), threading.Event()
        pool.add(gate)
        assert gate.entered.wait(LIMIT)
        gate.open()
        pool.add(done.set)
        assert done.wait(LIMIT)
        assert pool.scheduler._average == 0.0


def test_jobs_run_exactly_once_however_they_come() -> None:
    """Quick jobs, jobs that sleep, and jobs that add a job, from the leader's events and from other threads."""
    producers, batches, batch = 4, 500, 20
    ran: Counter[int] = Counter()
    lock = threading.Lock()
    concurrency = Concurrency()
    naps = threading.Event()  # never set: waiting for it sleeps
    numbers = itertools.count()

    with running(Pool()) as pool:

        def job_for(number: int, *, first: bool) -> Job:
            def job() -> None:
                with concurrency.measured():
                    if number % 500 == 0:
                        naps.wait(0.004)
                    if first and number % 4:  # as a connection that has sent its next request already
                        pool.ready.append(job_for(next(numbers), first=False))
                    with lock:
                        ran[number] += 1

            return job

        def produce() -> None:
            for _ in range(batches):
                pool.add(*[job_for(number, first=True) for number in itertools.islice(numbers, batch)])
                while len(pool.ready) > 500:
                    naps.wait(0.0005)

        threads = [threading.Thread(target=produce, daemon=True) for _ in range(producers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        first = producers * batches * batch
        wait_until(lambda: len(ran) >= first and len(pool.scheduler._free) == THREADS and not pool.ready, "the end")

    total = next(numbers)
    assert total > 1.5 * first > 50_000
    assert ran == Counter(range(total))  # each once, and none is lost
    assert 1 < concurrency.most <= THREADS


def test_every_job_that_ended_makes_room_for_another() -> None:
    with running(Pool()) as pool:
        for may_take in (0.0, 0.004, 0.0, 0.004):
            done = threading.Semaphore(0)
            sleep = threading.Event()

            def job(done: threading.Semaphore = done, sleep: threading.Event = sleep, s: float = may_take) -> None:
                if s:
                    sleep.wait(s)
                done.release()

            pool.add(*[job] * 50)
            for _ in range(50):
                assert done.acquire(timeout=LIMIT)
        wait_until(lambda: len(pool.scheduler._free) == THREADS, "all places to be free")


def test_who_always_has_another_job_does_not_keep_others_waiting() -> None:
    """A client that pipelines requests has the next job as soon as one ends."""
    with running(Pool(threads=1)) as pool:
        stop, others = threading.Event(), threading.Semaphore(0)

        def pipelined() -> None:
            if not stop.is_set():
                pool.ready.append(pipelined)

        pool.add(pipelined, pipelined)
        for _ in range(50):
            pool.add(others.release)
            assert others.acquire(timeout=LIMIT)
        stop.set()


def test_an_error_in_the_event_loop_is_logged_and_the_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("no more of this")

    with running(Pool()) as pool:
        pool.events.put(fail)
        wait_until(lambda: "no more of this" in caplog.text, "a line in the log")
        done = threading.Event()
        pool.add(done.set)
        assert done.wait(LIMIT)


def test_stop_ends_all_threads() -> None:
    pool = Pool()
    pool.scheduler.start()
    assert all(thread.is_alive() for thread in threads_of(pool))
    done = threading.Event()
    pool.add(done.set)
    assert done.wait(LIMIT)
    pool.scheduler.stop(timeout=LIMIT)
    assert not any(thread.is_alive() for thread in threads_of(pool))


def test_stop_does_not_wait_for_jobs_that_block_longer_than_its_limit() -> None:
    pool = Pool()
    gates = [Gate() for _ in range(THREADS)]
    pool.scheduler.start()
    pool.add(*gates)
    for gate in gates:
        assert gate.entered.wait(LIMIT)
    pool.scheduler.stop(timeout=0.05)
    assert any(thread.is_alive() for thread in threads_of(pool))
    for gate in gates:
        gate.open()
    for thread in threads_of(pool):
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads_of(pool))
    assert pool.failures == []


def test_stop_ends_a_watch_that_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "_WATCH_PAUSES_AFTER", 1)
    pool = Pool()
    pool.scheduler.start()
    wait_until(lambda: pool.scheduler._watch_sleeps, "the watch to sleep")
    pool.scheduler.stop(timeout=LIMIT)
    assert not any(thread.is_alive() for thread in threads_of(pool))


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)], ids=lambda error: type(error).__name__)
def test_a_job_that_raises_ends_no_thread(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool()

    def job() -> None:
        ran.append(1)
        raise error

    def run(job: Job) -> None:
        job()

    ran: list[int] = []
    pool.scheduler._run = run
    with running(pool):
        pool.add(*[job] * 20)
        wait_until(lambda: caplog.text.count("Error in a thread of the worker") == 20, "the log of all jobs")
    assert len(ran) == 20


def test_no_job_runs_while_an_exception_is_handled() -> None:
    gate, another_leads = Gate(), threading.Event()
    handled: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    with running(Pool(threads=1)) as pool:
        pool.add(gate, lambda: handled.put(sys.exception()))
        assert gate.entered.wait(LIMIT)
        pool.events.put(another_leads.set)
        assert another_leads.wait(LIMIT)
        gate.open()  # only one job runs at a time, so the thread of the first one runs the second one
        assert handled.get(timeout=LIMIT) is None
