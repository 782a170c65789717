"""Log lines that callers can cause: their number, and what they quote."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxyhooks._wire.log import RateLimit, RateLimitedLogger, Trusted, quote


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limited(clock: Clock) -> RateLimitedLogger:
    limited = RateLimitedLogger(logging.getLogger("a logger"))
    limited.limit.clock = clock
    return limited


def test_each_kind_has_a_line_a_second_and_the_next_one_has_the_count(
    limited: RateLimitedLogger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    logged = [limited.warning("from %s", address) for address in range(1000)]
    assert logged == [True] + [False] * 999
    clock.now += 0.999
    limited.warning("from %s", "too early")
    limited.error("of another kind")
    clock.now += 0.002
    limited.warning("from %s", "the next")
    clock.now += 60
    limited.warning("from %s", "the last")
    assert caplog.messages == [
        "from 0",
        "of another kind",
        "from the next (1000 more like this since the last such line)",
        "from the last",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING", "WARNING"]


def test_a_text_has_three_lines_a_second_however_many_kinds_it_has(
    limited: RateLimitedLogger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        for number in range(5000):
            limited.warning("from %d", number, kind=("from", number))
        limited.warning("of another text")
        clock.now += 1
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "from 0",
        "from 1",
        "from 2",
        "of another text",
    ] * 2
    assert len(limited.limit._kinds) < 1010


def test_a_kind_that_is_not_remembered_is_counted_with_the_others_of_its_text(
    limited: RateLimitedLogger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1500):
        limited.warning("from %d", number, kind=number)
    clock.now += 1
    limited.warning("from %d", 1500, kind=1500)
    assert caplog.messages[-1] == "from 1500 (500 more like this since the last such line)"


def test_an_error_can_have_a_traceback(limited: RateLimitedLogger, caplog: pytest.LogCaptureFixture) -> None:
    limited.error("it failed", exc_info=ValueError("why"))
    assert "ValueError: why" in caplog.text


def test_a_kind_can_be_named(limited: RateLimitedLogger, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("one text", "another text"):
        for kind in ("a", "b"):
            limited.warning(text, kind=kind)
    assert caplog.messages == ["one text", "one text"]


def test_a_record_names_the_code_that_logs(limited: RateLimitedLogger, caplog: pytest.LogCaptureFixture) -> None:
    limited.warning("here")
    (record,) = caplog.records
    assert record.funcName == "test_a_record_names_the_code_that_logs"


def test_values_are_quoted_unless_they_are_numbers_or_trusted(
    limited: RateLimitedLogger, caplog: pytest.LogCaptureFixture
) -> None:
    limited.warning("%s %d %.1f %s %s", "a\nb", 3, 0.25, Trusted("x\ny" + "z" * 300), ValueError("c\x1b[0m"))
    assert caplog.messages == ["a\\nb 3 0.2 x\ny" + "z" * 300 + " c\\x1b[0m"]


class WithoutText:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/centrifugo/rpc", "/centrifugo/rpc"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "..."),
        ("\x00" * 100, "\\x00" * 50 + "..."),
        ("/" * 4096, "/" * 200 + "..."),
        ("a\r\nWARNING forged", "a\\r\\nWARNING forged"),
        ("\x1b[2J\x00\x7f\x85\u2028\u202e", "\\x1b[2J\\x00\\x7f\\x85\\u2028\\u202e"),
        ("\ud800", "\\ud800"),
        ('it\'s "quoted"\n', 'it\\\'s "quoted"\\n'),
        ("é 日本", "é 日本"),
        (None, "None"),
        ({"text": ["Not\na string"]}, "{'text': ['Not\\na string']}"),
        (WithoutText(), "<WithoutText>"),
    ],
)
def test_a_quoted_value_is_short_and_has_no_control_characters(value: object, expected: str) -> None:
    assert quote(value) == expected


def test_no_line_is_counted_twice_or_not_at_all_by_threads(clock: Clock) -> None:
    limit, start = RateLimit(clock), threading.Barrier(8, timeout=10)

    def count_many(_: int) -> list[int | None]:
        start.wait()
        return [limit.count("kind") for _ in range(1000)]

    with ThreadPoolExecutor(8) as executor:
        counts = [count for counts in executor.map(count_many, range(8)) for count in counts]
    assert sorted(count for count in counts if count is not None) == [0]
    clock.now += 1
    assert limit.count("kind") == 7999
