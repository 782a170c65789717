"""Strict JSON, in and out."""

from __future__ import annotations

import decimal
import json
import uuid
from typing import Any

import pytest

from proxyhooks._json import MAX_DEPTH, Hostile, Malformed, dumps, loads


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("text", ["1", "12345678901234567890", '"\\ud800"', '{"a":1,"a":2}', "1e308", "-0.0", "null"])
def test_what_is_read(text: str) -> None:
    assert loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"{} x", b"NaN", b"[Infinity]", b"\xff", b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b"'a'", b"01"],
)
def test_what_is_no_json_in_utf8(text: bytes) -> None:
    with pytest.raises(Malformed):
        loads(text)


@pytest.mark.parametrize(
    "text", [nested(MAX_DEPTH + 1), nested(100_000), '{"a":' * 5000 + "1" + "}" * 5000, "9" * 5000, "1e999", "-1e999"]
)
def test_what_is_built_to_break_a_parser(text: str) -> None:
    with pytest.raises(Hostile):
        loads(text.encode())


def test_depth_is_counted_and_not_brackets() -> None:
    assert loads(nested(MAX_DEPTH).encode())
    wide = "[" + ",".join(["[]"] * 1000) + "]"
    assert len(loads(wide.encode())) == 1000
    assert loads(json.dumps("[" * 1000).encode()) == "[" * 1000


def test_what_was_read_can_be_written_again() -> None:
    for text in (nested(MAX_DEPTH), "9" * 4300, '"\\ud800"', '"\\u2028"', '["Zürich",1.5,null,true]'):
        value = loads(text.encode())
        assert loads(dumps(value)) == value


def test_text_travels_as_utf8_and_half_a_surrogate_escaped() -> None:
    assert dumps("Zürich \U0001f6b2") == '"Zürich \U0001f6b2"'.encode()
    assert dumps(["ü", "\ud800"]) == b'["\\u00fc","\\ud800"]'


class Thing:
    def __repr__(self) -> str:
        return "a thing"


@pytest.mark.parametrize(
    ("value", "error", "path"),
    [
        ({"a": [1, float("nan")]}, ValueError, "X['a'][1] is nan"),
        ({"a": float("inf")}, ValueError, "X['a'] is inf"),
        ({1: "a"}, TypeError, "X has the key 1"),
        ([{"a": {None: 1}}], TypeError, "X[0]['a'] has the key None"),
        ({"a": {True: 1}}, TypeError, "X['a'] has the key True"),
        ({"a": {1, 2}}, TypeError, "X['a'] is {1, 2} (set)"),
        ([uuid.UUID(int=1)], TypeError, "X[0] is UUID("),
        ([decimal.Decimal(1)], TypeError, "(Decimal)"),
        ({"a": b"x"}, TypeError, "X['a'] is bytes"),
        ({"a": Thing()}, TypeError, "X['a'] is a thing (Thing)"),
    ],
)
def test_what_cannot_be_written_is_named_with_its_path(value: Any, error: type[Exception], path: str) -> None:
    with pytest.raises(error) as refused:
        dumps(value, "X")
    assert path in str(refused.value)


def test_a_value_that_contains_itself_ends_in_an_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError):
        dumps(value, "X")
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nests too deeply"):
        dumps(deep, "X")
    while isinstance(deep, list):  # or dropping it would nest as deep
        deep = deep.pop()
