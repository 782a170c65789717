"""The life of a connection."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest

from proxyhooks.gunicorn.connection_age import Lives


class Request:
    def __init__(self, source: object) -> None:
        self.unreader = source


class Source:
    pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_life_ends_after_the_time_shortened_at_random(clock: list[float]) -> None:
    lives, sources = Lives(), [Source() for _ in range(200)]
    ends = []
    for source in sources:
        clock[0] = 0.0
        assert not lives.is_over(Request(source))
        while not lives.is_over(Request(source)):
            clock[0] += 0.5
        ends.append(clock[0])
    assert 15 <= min(ends) < 20
    assert 25 < max(ends) <= 30.5


def test_it_is_set_by_the_environment(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", "0.5")
    lives, source = Lives(), Source()
    lives.set()
    assert not lives.is_over(Request(source))
    clock[0] = 0.6
    assert lives.is_over(Request(source))


def test_zero_is_without_an_end(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", "0")
    lives, source = Lives(), Source()
    lives.set()
    for clock[0] in (0, 1e9):
        assert not lives.is_over(Request(source))


@pytest.mark.parametrize("text", ["30s", "-1", "nan", "inf", "x"])
def test_what_is_no_time_is_said_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", text)
    with pytest.raises(
        ValueError, match=f"PROXYHOOKS_KEEPALIVE_TIME is a number of seconds such as 30, .* not '{text}'"
    ):
        Lives().set()


def test_what_has_no_connection_has_no_end() -> None:
    request: Any = object()
    assert not Lives().is_over(request)


def test_connections_that_are_gone_are_forgotten() -> None:
    lives = Lives()
    for _ in range(100):
        lives.is_over(Request(Source()))
    gc.collect()
    assert not lives._ends
