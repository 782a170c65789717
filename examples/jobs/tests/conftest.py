"""The application with a Redis in memory, and what it publishes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cent import PublishRequest
from fakeredis import FakeRedis
from flask import Flask
from jobs import create_app, push
from jobs.job_store import QUEUE
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from proxyhooks.testing import ProxyClient

Enter = Callable[[str], ProxyClient]
"""Returns a connected client of a user with this name."""
WorkOff = Callable[[], None]


@pytest.fixture(scope="session", autouse=True)
def settings_of_the_tests_alone() -> Iterator[None]:
    """The shell may have the settings with which the application runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FLASK_")]:
            patch.delenv(name)
        yield


@pytest.fixture
def redis() -> Redis:
    return FakeRedis()


@pytest.fixture
def app(redis: Redis) -> Flask:
    return create_app({"TESTING": True, "SECRET_KEY": "for tests", "PROXYHOOKS_SECRETS": ["s"]}, redis)


@pytest.fixture
def enter(app: Flask) -> Enter:
    def make(name: str) -> ProxyClient:
        browser = app.test_client()
        assert browser.post("/login", json={"name": name}, base_url="https://localhost").status_code == 200
        client = ProxyClient(app, cookies_from=browser)
        assert client.connect().allowed
        return client

    return make


@pytest.fixture
def ada(enter: Enter) -> ProxyClient:
    return enter("ada")


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Channels and data, in place of Centrifugo."""
    sent: list[tuple[str, Any]] = []

    class FakeCentrifugo:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> FakeCentrifugo:
            return self

        def __exit__(self, *_: object) -> None: ...

        def publish(self, request: PublishRequest) -> None:
            sent.append((request.channel, request.data))

    monkeypatch.setattr(push, "Client", FakeCentrifugo)
    return sent


@pytest.fixture
def work_off(app: Flask, redis: Redis) -> WorkOff:
    """Do what is in the queue, as a worker does."""

    def work() -> None:
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        with app.app_context():
            for job in queue.jobs:
                queue.remove(job)
                job.perform()

    return work
