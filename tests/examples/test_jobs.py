"""The worker of the jobs example with the fake Redis."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jobs import create_app
from redis import Redis

from proxyhooks.testing import ProxyClient
from tests.support.paths import ROOT, SECRET
from tests.support.servers import (
    accepts_connections,
    free_port,
    running_server,
    server_environment,
    start_process,
    stop_process,
)
from tests.support.waiting import wait_until

JOBS = ROOT / "examples" / "jobs"
CONFIG = {"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": [SECRET]}


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() - server_environment().keys():
        monkeypatch.delenv(name)


@pytest.fixture
def redis_port() -> int:
    return free_port()


@pytest.fixture
def app(clean_environment: None, redis_port: int) -> Flask:
    return create_app(CONFIG | {"TESTING": True, "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"})


@pytest.fixture
def fake_redis(redis_port: int, tmp_path: Path) -> Iterator[None]:
    with running_server(
        [sys.executable, "fake_redis.py", str(redis_port)],
        tmp_path / "redis.log",
        is_ready=lambda: accepts_connections(redis_port),
        cwd=JOBS,
    ):
        yield


@pytest.fixture
def worker(redis_port: int, tmp_path: Path) -> Iterator[int]:
    """The process id of a worker, which starts before its Redis."""
    command = [sys.executable, "-m", "flask", "--app", "jobs", "worker"]
    process = start_process(command, tmp_path / "worker.log", cwd=JOBS, env=environment(redis_port))
    yield process.pid
    if process.poll() is None:
        stop_process(process)


def environment(redis_port: int) -> dict[str, str]:
    return server_environment(
        FLASK_SECRET_KEY="for sessions",
        FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]),
        FLASK_REDIS_URL=f"redis://127.0.0.1:{redis_port}/0",
        FLASK_CENTRIFUGO_API_URL=f"http://127.0.0.1:{free_port()}/api",  # no server listens there
    )


@pytest.mark.server
def test_without_redis_and_centrifugo_a_job_is_done_and_a_dead_worker_is_noticed(
    app: Flask, worker: int, fake_redis: None, redis_port: int
) -> None:
    browser = app.test_client()
    browser.post("/login", json={"name": "ada"}, base_url="https://localhost")
    ada = ProxyClient(app, cookies_from=browser)
    ada.connect()

    def job() -> Any:
        return ada.rpc("jobs.current").data["job"]

    assert ada.rpc("jobs.start", {"rows": 10}).data["job"]["state"] == "queued"
    wait_until(lambda: job()["state"] == "done", "the end of the job")

    assert ada.rpc("jobs.start", {"rows": 1000}).allowed
    wait_until(lambda: job()["percent"] > 0, "the progress of the next job")
    for process in (worker, *job_processes(worker)):
        os.kill(process, signal.SIGKILL)
    assert job()["state"] == "running"
    Redis(port=redis_port).pexpire("job:ada:lease", 1)
    wait_until(lambda: job()["state"] == "failed", "the end of the lease")


def job_processes(worker: int) -> list[int]:
    """The processes that the worker has started for its jobs."""
    return [int(pid) for pid in Path(f"/proc/{worker}/task/{worker}/children").read_text().split()]
