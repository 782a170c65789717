"""The worker process: ``flask --app jobs worker``. Start as many as jobs are to run at the same time."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Worker
from rq.job import Job as QueuedJob
from rq.serializers import JSONSerializer

from . import push
from .job_store import QUEUE, JobHasStopped, State, job_store
from .work import work

REPORT_EVERY = 0.25
"""Seconds."""
START_TIMEOUT = 60
"""Seconds that a worker waits for Redis."""


@click.command("worker")
@with_appcontext
def worker_command() -> None:
    """Run the jobs of the queue, each in a process of its own."""
    # Unlike the hooks, a worker waits for jobs, and for a Redis that starts a little later or is restarted.
    redis = Redis.from_url(current_app.config["REDIS_URL"], retry=Retry(ConstantBackoff(1), START_TIMEOUT))
    Worker([QUEUE], connection=redis, serializer=JSONSerializer, work_horse_killed_handler=killed).work()


def run(user: str, job_id: str, rows: int) -> None:
    """Do the work and report its progress until it has ended or is cancelled."""
    jobs = job_store()
    try:
        push.publish(user, jobs.proceed(user, job_id, 0))
        reported_at = time.monotonic()
        with closing(work(rows)) as steps:
            for percent in steps:
                if time.monotonic() - reported_at >= REPORT_EVERY:
                    push.publish(user, jobs.proceed(user, job_id, percent))
                    reported_at = time.monotonic()
    except JobHasStopped:
        end(user, job_id, State.CANCELLED)
    except Exception:
        end(user, job_id, State.FAILED)
        raise  # for the log of RQ
    else:
        end(user, job_id, State.DONE)


def killed(queued: QueuedJob, *_: Any) -> None:
    """The process of a job has died, such as for want of memory."""
    user, job_id, _rows = queued.args
    end(user, job_id, State.FAILED)


def end(user: str, job_id: str, state: State) -> None:
    job = job_store().end(user, job_id, state)
    if job is not None and job.id == job_id:
        push.publish(user, job)
