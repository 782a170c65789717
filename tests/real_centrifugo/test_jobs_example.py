"""The jobs example with redis-server, a worker, gunicorn and Centrifugo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real_centrifugo.client import Client
from tests.support import http_client
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import ROOT, SECRET
from tests.support.servers import (
    accepts_connections,
    answers,
    free_port,
    running_server,
    server_environment,
    start_process,
    stop_process,
)

JOBS = ROOT / "examples" / "jobs"
KEY = "api key"

Job = dict[str, Any]


@dataclass
class Servers:
    backend: int
    centrifugo: int
    worker: int
    """Its process id."""

    def enter(self, user: str) -> Client:
        """A client with the cookie of a login."""
        headers = {"Content-Type": "application/json"}
        login = http_client.request(self.backend, "POST", "/login", json.dumps({"name": user}), headers)
        cookie = login.headers["Set-Cookie"].partition(";")[0]
        client = Client(f"127.0.0.1:{self.centrifugo}", {"Cookie": cookie, "Origin": "http://localhost:8070"})
        assert "connect" in client.ask("connect")
        return client

    def process_of_the_job(self) -> int:
        """The process that the worker has started for the job that runs."""
        (pid,) = Path(f"/proc/{self.worker}/task/{self.worker}/children").read_text().split()
        return int(pid)


@contextmanager
def running_worker(log: Path, environment: dict[str, str]) -> Iterator[int]:
    """It waits for Redis, and so may start before."""
    command = [sys.executable, "-m", "flask", "--app", "jobs", "worker"]
    worker = start_process(command, log, cwd=JOBS, env=environment)
    try:
        yield worker.pid
    finally:
        stop_process(worker)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on PATH; on Debian it is in the package redis-server")
    home = tmp_path_factory.mktemp("jobs")
    redis, backend, centrifugo = free_port(), free_port(), free_port()
    environment = server_environment(
        FLASK_SECRET_KEY="for sessions",
        FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]),
        FLASK_REDIS_URL=f"redis://127.0.0.1:{redis}/0",
        FLASK_CENTRIFUGO_API_URL=f"http://127.0.0.1:{centrifugo}/api",
        FLASK_CENTRIFUGO_API_KEY=KEY,
        CENTRIFUGO_VAR_PROXYHOOKS_SECRET=SECRET,
        CENTRIFUGO_HTTP_API_KEY=KEY,
        CENTRIFUGO_HTTP_SERVER_PORT=str(centrifugo),
        WEB_CONCURRENCY="1",
    )
    config = home / "centrifugo.json"
    config.write_text((JOBS / "centrifugo.json").read_text().replace("127.0.0.1:8070", f"127.0.0.1:{backend}"))
    redis_server = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)]
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn", "-b", f"127.0.0.1:{backend}"]
    with (
        running_server(redis_server, home / "redis.log", is_ready=lambda: accepts_connections(redis), env=environment),
        running_worker(home / "worker.log", environment) as worker,
        running_server(
            [*gunicorn, "jobs:create_app()"],
            home / "gunicorn.log",
            is_ready=lambda: answers(backend, "/session"),
            cwd=JOBS,
            env=environment,
        ),
        running_centrifugo(config, centrifugo, home / "centrifugo.log", env=environment),
    ):
        yield Servers(backend, centrifugo, worker)


Enter = Callable[[str], Client]


@pytest.fixture
def enter(servers: Servers) -> Iterator[Enter]:
    """Returns a connected client, which has subscribed to its own channel."""
    with ExitStack() as stack:

        def make(user: str) -> Client:
            client = servers.enter(user)
            stack.callback(client.close)
            assert "subscribe" in client.ask("subscribe", channel=f"jobs:{user}")
            return client

        yield make


def rpc(client: Client, method: str, data: Any = None) -> Job:
    reply = client.ask("rpc", method=method, data=data)
    job: Job = reply["rpc"]["data"]["job"]
    return job


def until(client: Client, state: str) -> list[Job]:
    """The publications up to the first one with this state."""
    seen: list[Job] = []
    while not seen or seen[-1]["state"] != state:
        seen.append(client.next_push()["pub"]["data"])
        assert seen[-1]["state"] in ("queued", "running", "cancelling", state), seen
    return seen


def test_a_job_reports_its_progress_to_its_user_until_it_is_done(enter: Enter) -> None:
    ada = enter("ada")
    started = rpc(ada, "jobs.start", {"rows": 20})
    assert (started["state"], started["percent"]) == ("queued", 0)
    seen = until(ada, "done")
    assert {job["id"] for job in seen} == {started["id"]}
    percents = [job["percent"] for job in seen if job["state"] != "queued"]
    assert percents == sorted(percents)
    assert len(set(percents)) > 2
    assert percents[-1] == 100
    assert rpc(enter("ada"), "jobs.current") == seen[-1]


def test_nobody_else_may_subscribe_to_the_channel_of_a_user(enter: Enter) -> None:
    eve = enter("eve")
    for channel in ("jobs:ada", "jobs:#ada", "jobs:eve,ada", "jobs:", "jobs:eve "):
        assert eve.ask("subscribe", channel=channel)["error"]["code"] in (102, 103), channel


def test_of_two_connections_that_start_a_job_at_once_one_is_refused(enter: Enter) -> None:
    tabs = [enter("bob"), enter("bob")]
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda tab: tab.ask("rpc", method="jobs.start", data={"rows": 10_000}), tabs))
    (refusal,) = [reply["error"] for reply in replies if "error" in reply]
    assert refusal == {"code": 1001, "message": "a job is running", "temporary": True}
    (started,) = [reply["rpc"]["data"]["job"] for reply in replies if "rpc" in reply]
    rpc(tabs[0], "jobs.cancel", {"id": started["id"]})
    until(tabs[0], "cancelled")


def test_a_cancelled_job_makes_no_progress(enter: Enter) -> None:
    ada = enter("ada")
    job = rpc(ada, "jobs.start", {"rows": 10_000})
    until(ada, "running")
    cancelling = rpc(ada, "jobs.cancel", {"id": job["id"]})
    assert cancelling["state"] == "cancelling"
    seen = until(ada, "cancelled")
    assert [job["state"] for job in seen if job["version"] > cancelling["version"]] == ["cancelled"]
    assert rpc(ada, "jobs.current") == seen[-1]


def test_a_job_whose_process_is_killed_has_failed(servers: Servers, enter: Enter) -> None:
    ada = enter("ada")
    rpc(ada, "jobs.start", {"rows": 10_000})
    until(ada, "running")
    os.kill(servers.process_of_the_job(), signal.SIGKILL)
    until(ada, "failed")
    rpc(ada, "jobs.start", {"rows": 1})
    until(ada, "done")
