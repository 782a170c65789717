"""The latest job of each user, in Redis. The backend and the workers change it, each change in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, cast
from uuid import uuid4

from flask import current_app
from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.serializers import JSONSerializer

from .codes import JobIsRunning

QUEUE = "jobs"
KEEP_FAILURES = 24 * 3600
"""Seconds for which RQ keeps the traceback of a failed job."""


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    """The worker does not know yet that the job is cancelled."""
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    id: str
    state: State = State.QUEUED
    percent: int = 0
    version: int = 0
    """Grows with each change, from one job of a user to the next, too. So a page can drop what arrives late."""

    @property
    def has_ended(self) -> bool:
        return self.state in (State.DONE, State.CANCELLED, State.FAILED)


class JobHasStopped(Exception):
    """The worker has nothing more to do for this job."""


Change = Callable[[Job | None], Job | None]
Write = Callable[[Pipeline], object]


class JobStore:
    """
    :param timeout: seconds after which RQ stops a job.
    :param lease: seconds after which a job whose worker has not called :meth:`proceed` has failed.
    """

    def __init__(self, redis: Redis, *, timeout: int, lease: int) -> None:
        self._redis, self._timeout, self._lease = redis, timeout, lease
        # JSON, because RQ's default, pickle, ties what waits in the queue to the classes of one release. It is no
        # protection: a program that can write to Redis can have the worker call any function.
        self._queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)

    def start(self, user: str, rows: int) -> Job:
        """Queue a job.

        :raises JobIsRunning: if the user's last job has not ended.
        """
        new = Job(uuid4().hex)

        def change(job: Job | None) -> Job:
            if job is not None and not job.has_ended and not self._has_died(user, job):
                raise JobIsRunning
            return new

        def enqueue(pipe: Pipeline) -> None:
            self._queue.enqueue(
                "jobs.worker.run",
                args=(user, new.id, rows),
                job_id=new.id,
                job_timeout=self._timeout,
                failure_ttl=KEEP_FAILURES,
                pipeline=pipe,
            )

        return cast(Job, self._transaction(user, change, enqueue))

    def current(self, user: str) -> Job | None:
        """The user's last job. One whose worker has died has failed from this call on."""

        def change(job: Job | None) -> Job | None:
            if job is None or job.has_ended:
                return job
            if self._has_died(user, job):
                return replace(job, state=State.FAILED)
            if job.state is State.QUEUED and self._queue.get_job_position(job.id) is None:
                # A worker has it. The lease begins now, in case the worker dies before its first report.
                return replace(job, state=State.RUNNING)
            return job

        return self._transaction(user, change, self._renewed_lease(user))

    def cancel(self, user: str, job_id: str) -> Job | None:
        """The user's last job. It is cancelled if it has this id and has not ended."""

        def change(job: Job | None) -> Job | None:
            if job is None or job.id != job_id or job.has_ended:
                return job
            # A worker that takes a cancelled job from the queue does nothing for it.
            return replace(job, state=State.CANCELLED if job.state is State.QUEUED else State.CANCELLING)

        return self._transaction(user, change)

    def proceed(self, user: str, job_id: str, percent: int) -> Job:
        """Note the progress of a job that its worker goes on with.

        :raises JobHasStopped: if the worker has to stop, because the job is cancelled or has ended.
        """

        def change(job: Job | None) -> Job:
            if job is None or job.id != job_id or job.state not in (State.QUEUED, State.RUNNING):
                raise JobHasStopped
            return replace(job, state=State.RUNNING, percent=percent)

        return cast(Job, self._transaction(user, change, self._renewed_lease(user)))

    def end(self, user: str, job_id: str, state: State) -> Job | None:
        """The user's last job. It gets this state if it has this id and has not ended."""

        def change(job: Job | None) -> Job | None:
            if job is None or job.id != job_id or job.has_ended:
                return job
            return replace(job, state=state, percent=100 if state is State.DONE else job.percent)

        return self._transaction(user, change)

    def _transaction(self, user: str, change: Change, write_also: Write | None = None) -> Job | None:
        """Write the job that *change* returns, and return it.

        :param change: is called again if another process changes the job at the same time. It returns the job that it
            gets if there is nothing to write.
        :param write_also: adds to what is written.
        """
        key = f"job:{user}"

        def attempt(pipe: Pipeline) -> Job | None:
            text = cast("bytes | None", pipe.get(key))
            before = None if text is None else _load(text)
            after = change(before)
            if after is None or after is before:
                return after
            after = replace(after, version=_next_version(before))
            pipe.multi()
            pipe.set(key, json.dumps(asdict(after)))
            if write_also is not None:
                write_also(pipe)
            return after

        transaction: Callable[..., Any] = self._redis.transaction
        return cast("Job | None", transaction(attempt, key, value_from_callable=True))

    def _has_died(self, user: str, job: Job) -> bool:
        """Whether the worker of a job that has not ended is gone. A job in the queue has no worker yet."""
        return job.state is not State.QUEUED and not self._redis.exists(_lease_key(user))

    def _renewed_lease(self, user: str) -> Write:
        return lambda pipe: pipe.set(_lease_key(user), "", ex=self._lease)


def job_store() -> JobStore:
    """The store of the current application."""
    return cast(JobStore, current_app.extensions["jobs"])


def _load(text: bytes) -> Job:
    fields: dict[str, Any] = json.loads(text)
    fields["state"] = State(fields["state"])
    return Job(**fields)


def _lease_key(user: str) -> str:
    return f"job:{user}:lease"


def _next_version(job: Job | None) -> int:
    """Milliseconds since 1970, so that it grows even if Redis has lost its data, but at least one more than before."""
    return max(int(time.time() * 1000), 0 if job is None else job.version + 1)
