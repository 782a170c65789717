"""The maximum age of a connection."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest

from proxyhooks import SetupError
from proxyhooks._settings.worker_settings import read_worker_settings
from proxyhooks.gunicorn.connection_age import MaxConnectionAge


class Unreader:
    """What gunicorn reads the requests of one connection from."""


class Request:
    def __init__(self, unreader: object) -> None:
        self.unreader = unreader


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_connections_expire_at_random_in_the_second_half_of_the_time(clock: list[float]) -> None:
    max_age, unreaders = MaxConnectionAge(), [Unreader() for _ in range(200)]
    ages = []
    for unreader in unreaders:
        clock[0] = 0.0
        assert not max_age.exceeded(Request(unreader))
        while not max_age.exceeded(Request(unreader)):
            clock[0] += 0.5
            assert clock[0] < 60
        ages.append(clock[0])
    assert 15 <= min(ages) < 20
    assert 25 < max(ages) <= 30.5


def test_the_environment_sets_the_time(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", "0.5")
    max_age, unreader = MaxConnectionAge(read_worker_settings().keepalive_time), Unreader()
    assert not max_age.exceeded(Request(unreader))
    clock[0] = 0.6
    assert max_age.exceeded(Request(unreader))


@pytest.mark.parametrize("text", [None, ""])
def test_the_default_is_30_seconds(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROXYHOOKS_KEEPALIVE_TIME", raising=False)
    if text is not None:
        monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", text)
    assert read_worker_settings().keepalive_time == MaxConnectionAge().seconds == 30


def test_zero_means_no_limit(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", "0")
    max_age, unreader = MaxConnectionAge(read_worker_settings().keepalive_time), Unreader()
    for clock[0] in (0, 1e9):
        assert not max_age.exceeded(Request(unreader))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("30s", "'30s'"),
        ("-1", "'-1'"),
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("half a minute", "a text of length 13"),
    ],
)
def test_a_value_that_is_no_time_is_an_error(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", text)
    with pytest.raises(
        SetupError, match=f"PROXYHOOKS_KEEPALIVE_TIME must be a number of seconds such as 30, .* not {shown}"
    ):
        read_worker_settings()


def test_a_request_without_an_unreader_exceeds_no_age() -> None:
    request: Any = object()
    assert not MaxConnectionAge().exceeded(request)


def test_closed_connections_are_forgotten() -> None:
    max_age = MaxConnectionAge()
    for _ in range(100):
        max_age.exceeded(Request(Unreader()))
    gc.collect()
    assert not max_age._expiry
