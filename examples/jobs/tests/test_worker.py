"""What a worker reports, and what becomes of jobs whose worker is gone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from cent import CentError
from flask import Flask
from jobs import push, worker
from jobs.codes import JobIsRunning
from jobs.job_store import QUEUE, Job, JobHasStopped, JobStore, State
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from proxyhooks.testing import ProxyClient

WorkOff = Callable[[], None]
Work = Callable[[int], Generator[int, None, None]]


@pytest.fixture
def store(app: Flask) -> JobStore:
    store: JobStore = app.extensions["jobs"]
    return store


@pytest.fixture
def work_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], None]:
    """Replace the work, and report each of its steps."""
    monkeypatch.setattr(worker, "REPORT_EVERY", 0)
    return lambda work: monkeypatch.setattr(worker, "work", work)


def current(store: JobStore) -> Job:
    job = store.current("ada")
    assert job is not None
    return job


def take(redis: Redis) -> None:
    """Take the job from the queue, as a worker that dies then."""
    redis.delete(Queue(QUEUE, connection=redis).key)


def test_the_worker_reports_each_step(
    ada: ProxyClient,
    work_is: Callable[[Work], None],
    work_off: WorkOff,
    published: list[tuple[str, Any]],
) -> None:
    work_is(lambda rows: (row * 100 // rows for row in range(1, rows + 1)))
    ada.rpc("jobs.start", {"rows": 4})
    work_off()
    assert {channel for channel, _ in published} == {"jobs:ada"}
    jobs = [job for _, job in published]
    assert [(job["state"], job["percent"]) for job in jobs] == [
        ("queued", 0),
        *(("running", percent) for percent in (0, 25, 50, 75, 100)),
        ("done", 100),
    ]
    versions = [job["version"] for job in jobs]
    assert versions == sorted(set(versions))


def test_the_worker_stops_at_the_next_step_of_a_cancelled_job(
    store: JobStore, work_is: Callable[[Work], None], work_off: WorkOff, published: list[tuple[str, Any]]
) -> None:
    seen: list[str] = []

    def work(rows: int) -> Generator[int, None, None]:
        try:
            yield 10
            job = store.cancel("ada", current(store).id)
            assert job is not None
            seen.append(job.state)
            yield 20
            seen.append("went on")
        finally:
            seen.append("cleaned up")

    work_is(work)
    store.start("ada", 1)
    work_off()
    assert seen == ["cancelling", "cleaned up"]
    assert (current(store).state, current(store).percent) == (State.CANCELLED, 10)
    assert published[-1][1]["state"] == "cancelled"


def test_a_job_with_an_error_has_failed(
    store: JobStore, work_is: Callable[[Work], None], work_off: WorkOff, published: list[tuple[str, Any]]
) -> None:
    def work(rows: int) -> Generator[int, None, None]:
        yield 10
        raise ValueError("row 2")

    work_is(work)
    store.start("ada", 1)
    with pytest.raises(ValueError, match="row 2"):  # for the log of RQ
        work_off()
    assert current(store).state is State.FAILED
    assert published[-1][1]["state"] == "failed"


def test_a_job_whose_process_is_killed_has_failed(
    app: Flask, store: JobStore, redis: Redis, published: list[tuple[str, Any]]
) -> None:
    job = store.start("ada", 1)
    queued = Queue(QUEUE, connection=redis, serializer=JSONSerializer).fetch_job(job.id)
    assert queued is not None
    with app.app_context():
        worker.killed(queued, 1, 9, None)
    assert current(store).state is State.FAILED
    assert published[-1][1]["state"] == "failed"


def test_a_job_whose_worker_has_died_has_failed(store: JobStore, redis: Redis) -> None:
    job = store.start("ada", 1)
    take(redis)
    store.proceed("ada", job.id, 10)
    assert current(store).state is State.RUNNING
    redis.delete("job:ada:lease")  # as Redis does after JOB_LEASE
    assert current(store).state is State.FAILED
    with pytest.raises(JobHasStopped):  # it was not dead, only slow
        store.proceed("ada", job.id, 20)
    assert current(store).state is State.FAILED


def test_a_job_whose_worker_dies_before_the_first_report_has_failed(store: JobStore, redis: Redis) -> None:
    store.start("ada", 1)
    assert current(store).state is State.QUEUED
    take(redis)
    assert current(store).state is State.RUNNING
    redis.delete("job:ada:lease")
    assert current(store).state is State.FAILED


def test_a_cancelled_job_whose_worker_dies_has_failed(store: JobStore, redis: Redis) -> None:
    job = store.start("ada", 1)
    take(redis)
    store.proceed("ada", job.id, 10)
    store.cancel("ada", job.id)
    redis.delete("job:ada:lease")
    assert current(store).state is State.FAILED


def test_the_lease_ends_by_itself(store: JobStore, redis: Redis) -> None:
    job = store.start("ada", 1)
    store.proceed("ada", job.id, 10)
    assert 0 < redis.ttl("job:ada:lease") <= 15


def test_a_dead_job_does_not_keep_the_user_from_the_next(store: JobStore, redis: Redis) -> None:
    job = store.start("ada", 1)
    take(redis)
    store.proceed("ada", job.id, 10)
    with pytest.raises(JobIsRunning):
        store.start("ada", 1)
    redis.delete("job:ada:lease")
    assert store.start("ada", 1).id != job.id


def test_a_worker_of_an_older_job_cannot_change_the_next(store: JobStore, redis: Redis) -> None:
    old = store.start("ada", 1)
    store.end("ada", old.id, State.FAILED)
    new = store.start("ada", 1)
    with pytest.raises(JobHasStopped):
        store.proceed("ada", old.id, 50)
    assert store.end("ada", old.id, State.DONE) == new
    assert new.version > old.version


def test_versions_grow_after_redis_has_lost_its_data(store: JobStore, redis: Redis) -> None:
    job = store.start("ada", 1)
    seen = store.proceed("ada", job.id, 10)
    redis.flushall()
    assert store.current("ada") is None
    assert store.start("ada", 1).version >= seen.version


def test_a_job_goes_on_while_centrifugo_is_away(
    store: JobStore, work_off: WorkOff, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise CentError("connection refused")

    monkeypatch.setattr(push, "Client", refuse)
    store.start("ada", 1)
    work_off()
    assert current(store).state is State.DONE
    assert "a publication to jobs:ada is lost: connection refused" in caplog.text
