"""Durations are read and written as Go does."""

from __future__ import annotations

import pytest

from proxyhooks.centrifugo.go.duration import Duration, parse_duration, read_duration


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("3s", 3),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("0", 0),
        ("-0", 0),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("-1s", -1),
        ("+1s", 1),
        ("2\u00b5s", 2e-6),
        ("2\u03bcs", 2e-6),
        (Duration(3), 3e-9),
        (3, None),
        ("3", None),
        ("s", None),
        (".s", None),
        ("1 s", None),
        ("1d", None),
        ("3000000h", None),
        ("", None),
    ],
)
def test_durations_are_read_as_go_reads_them(duration: object, expected: float | None) -> None:
    assert parse_duration(duration) == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0s", "0s"),
        ("3ns", "3ns"),
        ("1500us", "1.5ms"),
        ("2us", "2\u00b5s"),
        ("90s", "1m30s"),
        ("60m", "1h0m0s"),
        ("1.25s", "1.25s"),
        ("-1ms", "-1ms"),
    ],
)
def test_durations_are_written_as_go_writes_them(text: str, written: str) -> None:
    assert str(read_duration(text)) == written
