"""What a client may do, and what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from jobs import create_app
from jobs.codes import JobIsRunning, Unauthorized
from redis import Redis

from proxyhooks import errors
from proxyhooks.testing import ProxyClient

Enter = Callable[[str], ProxyClient]
WorkOff = Callable[[], None]


def job_of(client: ProxyClient) -> Any:
    return client.rpc("jobs.current").data["job"]


def test_a_client_without_a_login_stays_away(app: Flask) -> None:
    refused = ProxyClient(app).connect()
    assert refused.disconnected_with(Unauthorized)
    assert not refused.comes_back


def test_a_client_is_told_whose_connection_it_is(app: Flask) -> None:
    browser = app.test_client()
    for name in ("ada", "bob"):
        browser.post("/login", json={"name": name}, base_url="https://localhost")
        assert ProxyClient(app, cookies_from=browser).connect().data == {"user": name}


def test_only_the_user_may_subscribe_to_the_users_channel(ada: ProxyClient) -> None:
    assert ada.subscribe("jobs:ada").allowed
    assert ada.subscribe("jobs:bob").refused_with(errors.PermissionDenied)
    assert ada.subscribe("jobs:").refused_with(errors.UnknownChannel)


def test_nobody_may_publish_to_a_users_channel(ada: ProxyClient) -> None:
    ada.subscribe("jobs:ada")
    assert ada.publish("jobs:ada", {"state": "done"}).refused_with(errors.PermissionDenied)


def test_there_is_no_job_at_first(ada: ProxyClient) -> None:
    assert job_of(ada) is None


def test_a_job_waits_for_a_worker_and_is_published(ada: ProxyClient, published: list[tuple[str, Any]]) -> None:
    job = ada.rpc("jobs.start", {"rows": 3}).data["job"]
    assert (job["state"], job["percent"]) == ("queued", 0)
    assert published == [("jobs:ada", job)]
    assert job_of(ada) == job


def test_a_job_is_done_in_the_end(ada: ProxyClient, work_off: WorkOff, published: list[tuple[str, Any]]) -> None:
    ada.rpc("jobs.start", {"rows": 3})
    work_off()
    assert published[-1] == ("jobs:ada", job_of(ada))
    assert (job_of(ada)["state"], job_of(ada)["percent"]) == ("done", 100)


@pytest.mark.parametrize("rows", [0, 10_001, "3", 1.5, None])
def test_a_number_of_rows_that_makes_no_sense_is_refused(ada: ProxyClient, rows: Any) -> None:
    assert ada.rpc("jobs.start", {"rows": rows}).refused_with(errors.BadRequest)
    assert job_of(ada) is None


def test_a_second_job_is_refused_while_one_runs(ada: ProxyClient, enter: Enter, work_off: WorkOff) -> None:
    first = ada.rpc("jobs.start", {"rows": 1}).data["job"]
    other_tab, bob = enter("ada"), enter("bob")
    assert other_tab.rpc("jobs.start", {"rows": 1}).refused_with(JobIsRunning)
    assert bob.rpc("jobs.start", {"rows": 1}).allowed
    assert job_of(ada) == first
    work_off()
    assert other_tab.rpc("jobs.start", {"rows": 1}).allowed


def test_one_of_several_starts_in_the_same_moment_wins(enter: Enter, redis: Redis) -> None:
    clients = [enter("ada") for _ in range(8)]
    barrier = threading.Barrier(len(clients), timeout=10)
    codes: list[int | None] = []

    def start(client: ProxyClient) -> None:
        barrier.wait()
        codes.append(client.rpc("jobs.start", {"rows": 1}).code)

    threads = [threading.Thread(target=start, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(codes, key=str) == [1001] * 7 + [None]
    assert redis.llen("rq:queue:jobs") == 1


def test_a_job_that_waits_is_cancelled_at_once(ada: ProxyClient, work_off: WorkOff) -> None:
    job = ada.rpc("jobs.start", {"rows": 1}).data["job"]
    assert ada.rpc("jobs.cancel", {"id": job["id"]}).data["job"]["state"] == "cancelled"
    work_off()
    assert job_of(ada)["state"] == "cancelled"


def test_a_late_cancel_leaves_the_next_job_alone(ada: ProxyClient, work_off: WorkOff) -> None:
    first = ada.rpc("jobs.start", {"rows": 1}).data["job"]
    work_off()
    second = ada.rpc("jobs.start", {"rows": 1}).data["job"]
    assert ada.rpc("jobs.cancel", {"id": first["id"]}).data["job"] == second
    assert ada.rpc("jobs.cancel", {"id": "unknown"}).data["job"] == second


def test_users_cannot_cancel_the_jobs_of_others(ada: ProxyClient, enter: Enter) -> None:
    job = ada.rpc("jobs.start", {"rows": 1}).data["job"]
    assert enter("eve").rpc("jobs.cancel", {"id": job["id"]}).data["job"] is None
    assert job_of(ada) == job


@pytest.mark.parametrize("key", [None, "", 123])  # the environment has a number where the key is one of digits
def test_the_application_does_not_start_without_a_secret_key(monkeypatch: pytest.MonkeyPatch, key: Any) -> None:
    monkeypatch.delenv("FLASK_SECRET_KEY", raising=False)
    with pytest.raises(RuntimeError, match="FLASK_SECRET_KEY must be a text"):
        create_app({"PROXYHOOKS_SECRETS": ["s"], "SECRET_KEY": key})
