"""Strict JSON, read and written."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import random
import struct
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from proxyhooks._wire import json as wire_json
from proxyhooks._wire.json import MAX_DEPTH, Malformed, TooComplex, dumps, loads


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("text", ["1", "12345678901234567890", '"\\ud800"', '{"a":1,"a":2}', "1e308", "-0.0", "null"])
def test_valid_json_is_read_as_json_reads_it(text: str) -> None:
    assert loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"{} x", b"NaN", b"[Infinity]", b"\xff", b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b"'a'", b"01"],
)
def test_anything_but_json_in_utf8_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        loads(text)


@pytest.mark.parametrize(
    "text", [nested(MAX_DEPTH + 1), nested(100_000), '{"a":' * 5000 + "1" + "}" * 5000, "9" * 5000, "1e999", "-1e999"]
)
def test_json_that_breaks_parsers_is_too_complex(text: str) -> None:
    with pytest.raises(TooComplex):
        loads(text.encode())


def test_depth_counts_not_the_number_of_brackets() -> None:
    assert loads(nested(MAX_DEPTH).encode())
    wide = "[" + ",".join(["[]"] * 1000) + "]"
    assert len(loads(wide.encode())) == 1000
    assert loads(json.dumps("[" * 1000).encode()) == "[" * 1000


SMALL_OBJECTS = ",".join(["{}"] * 5000)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_counted_beside_many_small_objects(opening: str, closing: str) -> None:
    for levels in (1, MAX_DEPTH - 1):
        text = f"[{SMALL_OBJECTS},{opening * levels}1{closing * levels},{SMALL_OBJECTS}]"
        assert len(loads(text.encode())) == 10_001
    for levels in (MAX_DEPTH, 2 * MAX_DEPTH):
        text = f"[{SMALL_OBJECTS},{opening * levels}1{closing * levels},{SMALL_OBJECTS}]"
        with pytest.raises(TooComplex):
            loads(text.encode())


@pytest.mark.parametrize(
    ("opening", "closing"), [('{"}":', ',"{":1}'), ('["]",', ',"["]'), ('["\\"]",', ',"\\"["]'), ('["\\\\",[', "]]")]
)
def test_brackets_in_texts_hide_no_depth(opening: str, closing: str) -> None:
    text = f"[{SMALL_OBJECTS},{opening * MAX_DEPTH}1{closing * MAX_DEPTH}]"
    with pytest.raises(TooComplex):
        loads(text.encode())


def test_a_value_that_was_read_can_be_written() -> None:
    for text in (nested(MAX_DEPTH), "9" * 4300, '"\\ud800"', '"\\u2028"', '["Zürich",1.5,null,true]'):
        value = loads(text.encode())
        assert loads(dumps(value)) == value


def test_text_travels_as_utf8_and_a_lone_surrogate_escaped() -> None:
    assert dumps("Zürich \U0001f6b2") == '"Zürich \U0001f6b2"'.encode()
    assert dumps(["ü", "\ud800"]) == '["ü","\\ud800"]'.encode()


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
        ({"a": {1, 2}}, TypeError, "X['a'] is of type set"),
        ([uuid.UUID(int=1)], TypeError, "X[0] is of type UUID"),
        ([decimal.Decimal(1)], TypeError, "of type Decimal"),
        ({"a": b"x"}, TypeError, "X['a'] is bytes"),
        ({"a": Thing()}, TypeError, "X['a'] is of type Thing"),
    ],
)
def test_a_part_that_cannot_be_written_is_named_with_its_path(value: Any, error: type[Exception], path: str) -> None:
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


# --- with orjson and without ---

PIECES = [
    "0", "-0", "1", "-1.5", "9999999999999999999", "-9999999999999999999", "-1234567890123456789", "1e5", "1E-7",
    "1e400", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
    "123456789012345678901234567890.5", "01", "1.", ".5", "+1", "NaN", "Infinity", "true", "null", "nul", '"a"',
    '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"\\x"', '"\t"', '"\x7f"', '"ü"',
    '"12345678901234567890"', "[]", "[1,]", "{}", '{"a":1,"a":2}', '{"a":{"a":null}}', "{a:1}", "[1 2]", " 1 ", "\f1",
    "\ufeff1", "", "'a'", "// a", "[" * 300 + "]" * 300, "[" * 256 + "]" * 256, "[" * 2000,
    '{"a":' * 257 + "1" + "}" * 257, '"' + "[" * 600 + '"', "9" * 5000, "1e-400", "0.1", "1.7976931348623159e308",
]  # fmt: skip


def outcome(function: Callable[[Any], Any], value: Any) -> tuple[str, Any]:
    try:
        return "value", function(value)
    except (Malformed, TooComplex) as error:
        return type(error).__name__, ""
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


def both(monkeypatch: pytest.MonkeyPatch, function: Callable[[Any], Any], value: Any) -> list[str]:
    """The outcome with orjson and the one without."""
    with_it = outcome(function, value)
    monkeypatch.setattr(wire_json, "orjson", None)
    without = outcome(function, value)
    monkeypatch.undo()
    # Older releases of orjson write 1e+22 as 1e22, which is the same number.
    return [repr(outcome_of).replace("e+", "e") for outcome_of in (with_it, without)]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a": [1, {}]}}'])
def test_orjson_reads_nothing_differently(piece: str, around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_orjson, without = both(monkeypatch, loads, around.format(piece).encode("utf-8", "surrogatepass"))
    assert with_orjson == without


def test_orjson_reads_generated_texts_as_json_does(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    for _ in range(5000):
        text = ",".join(chance.choice(PIECES[:43]) for _ in range(chance.randrange(1, 4)))
        body = bytearray(f'{{"a":[{text}]}}'.encode())
        if chance.random() < 0.3:
            body[chance.randrange(len(body))] = chance.randrange(256)
        with_orjson, without = both(monkeypatch, loads, bytes(body))
        assert with_orjson == without, body


class Color(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


@dataclasses.dataclass
class Data:
    a: int = 1


ROUND: list[Any] = []
ROUND.append(ROUND)
ATOMS: list[Any] = [
    None, True, 0, -1, 2**63, 2**64, -(2**63) - 1, 1.5, -0.0, 1e22, math.nan, math.inf, "", "ü", "\ud800", "null", b"a",
    uuid.UUID(int=1), Color.RED, Number.ONE, Text("a"), Data(), {1: 2}, {None: 1}, {Text("a"): 1}, {"a": 1}, (1, 2),
    {1}, decimal.Decimal(1), datetime.date(2030, 1, 1), ROUND, nested(5), collections.OrderedDict(a=1), bytearray(b"a"),
]  # fmt: skip


@pytest.mark.parametrize("atom", ATOMS, ids=lambda atom: str(type(atom)))
def test_orjson_writes_nothing_differently(atom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (atom, [atom], {"a": [1, {"b": atom}]}, (None, atom)):
        with_orjson, without = both(monkeypatch, dumps, value)
        assert with_orjson == without


def test_null_and_nan_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(2)
    floats = [math.nan, -math.nan, math.inf, -math.inf, *struct.unpack("<4d", bytes.fromhex("010000000000f07f" * 4))]
    pieces: list[Any] = [None, "null", 1.5, -1.7976931348623157e308, "g123456\u00f0\x7f", 2**62, "a", {"a": None}]
    for _ in range(2000):
        value = [chance.choice(pieces + floats * (chance.random() < 0.1)) for _ in range(chance.randrange(1, 8))]
        if chance.random() < 0.5:  # marshal writes an object to which nothing else refers in another way
            value = [float(str(part)) if type(part) is float else part for part in value]
        with_orjson, without = both(monkeypatch, dumps, value)
        assert with_orjson == without


def test_values_with_null_are_written_by_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_json, "_encode", None)
    assert dumps({"a": [None, 1.5]}) == b'{"a":[null,1.5]}'
    monkeypatch.setattr(wire_json, "_loads", None)
    assert loads(b'{"id":1234567890123456789}') == {"id": 1234567890123456789}


def test_floats_keep_their_value_with_orjson_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1e-7, 1e16, 123456789.123456789, 5e-324):
        written = dumps([number])
        monkeypatch.setattr(wire_json, "orjson", None)
        assert loads(written) == loads(dumps([number])) == [number]
        monkeypatch.undo()
