"""Numbers and booleans are read and written as Go does."""

from __future__ import annotations

import pytest

from proxyhooks.centrifugo.go.scalars import format_float, read_bool, read_int, truncate


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-5", -5),
        ("+5", 5),
        ("1_000", 1000),
        ("0x_1F", 31),
        ("0X1f", 31),
        ("0o17", 15),
        ("017", 15),
        ("0_7", 7),
        ("0b1_1", 3),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("08", None),
        ("1__0", None),
        ("_1", None),
        ("1_", None),
        ("0x", None),
        (" 5", None),
        ("5.0", None),
        ("1e3", None),
        ("\u0665", None),
        ("", None),
    ],
)
def test_integers(text: str, number: int | None) -> None:
    assert read_int(text, 64) == number


@pytest.mark.parametrize(
    ("text", "bits", "number"),
    [
        ("2147483648", 32, None),
        ("-2147483648", 32, -(2**31)),
        ("4294967295", -32, 2**32 - 1),
        ("4294967296", -32, None),
        ("-1", -32, None),
        ("+1", -32, None),
    ],
)
def test_integers_have_the_range_of_their_type(text: str, bits: int, number: int | None) -> None:
    assert read_int(text, bits) == number


@pytest.mark.parametrize(
    ("number", "bits", "stored"),
    [
        (1.9, 64, 1),
        (-1.9, 64, -1),
        (1e30, 64, -(2**63)),
        (float("nan"), 64, -(2**63)),
        (2**64 - 1, 64, -1),
        (2**31, 32, -(2**31)),
        (-1, -32, 2**32 - 1),
        (4294967297.5, -32, 1),
    ],
)
def test_numbers_are_cut_to_their_type(number: float, bits: int, stored: int) -> None:
    assert truncate(number, bits) == stored


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, "1"), (1.5, "1.5"), (1e21, "1" + 21 * "0"), (1.5e-7, "0.00000015"), (-0.0, "-0"), (float("-inf"), "-Inf")],
)
def test_floats_are_written_without_an_exponent(number: float, text: str) -> None:
    assert format_float(number) == text


@pytest.mark.parametrize(("text", "value"), [("1", True), ("t", True), ("False", False), ("yes", None), ("", None)])
def test_booleans(text: str, value: bool | None) -> None:
    assert read_bool(text) is value
