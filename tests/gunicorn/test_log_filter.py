"""gunicorn's lines about callers: their number, and what they quote."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from proxyhooks.gunicorn.log_filter import RateLimitFilter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logger(clock: Clock) -> Iterator[logging.Logger]:
    logger, rate_limit = logging.getLogger("gunicorn.error of a test"), RateLimitFilter()
    rate_limit.limit.clock = clock
    logger.addFilter(rate_limit)
    yield logger
    logger.removeFilter(rate_limit)


def test_lines_about_callers_are_counted(
    logger: logging.Logger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        logger.warning(f"Invalid request from ip=192.0.2.1: {number}\r\n\x1b[31m{'x' * 8000}")
        logger.error("Error handling request %s %s", "GET", f"/{number}{'x' * 8000}", exc_info=OSError("far away"))
    clock.now += 1.1
    logger.warning("Invalid request from ip=192.0.2.2: 50% too much")
    assert [message[:60] for message in caplog.messages] == [
        "Invalid request from ip=192.0.2.1: 0\\r\\n\\x1b[31mxxxxxxxxxxxx",
        "Error handling request GET /0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "Invalid request from ip=192.0.2.2: 50% too much (999 more li",
    ]
    assert max(map(len, caplog.messages)) < 400
    assert [record.exc_info is not None for record in caplog.records] == [False, True, False]


def test_other_lines_are_left_alone(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    long = "x" * 1000
    for _ in range(3):
        logger.error("Worker (pid:%s) was sent SIGKILL!\n%s", 42, long)
    assert caplog.messages == [f"Worker (pid:42) was sent SIGKILL!\n{long}"] * 3
