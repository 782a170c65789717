"""Numbers and booleans as Go reads them from text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_INTEGER: Final = re.compile(
    r"([+-]?)(?:0[xX](_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)|0[bB](_?[01]+(?:_[01]+)*)|0[oO]?(_?[0-7]+(?:_[0-7]+)*)"
    r"|(0|[1-9][0-9]*(?:_[0-9]+)*))"
)
_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def read_bool(text: str) -> bool | None:
    """A boolean; ``None`` if Go reads none from the text."""
    return _BOOLEANS.get(text)


def read_int(text: str, bits: int) -> int | None:
    """An integer in Go's notation, such as ``0x1f``, ``017`` or ``1_000``; ``None`` if it is not one.

    :param bits: of the integer's type; negative if it has no sign.
    """
    match = _INTEGER.fullmatch(text)
    if match is None or (bits < 0 and match[1]):
        return None
    sign, *digits_by_base = match.groups()
    digits, base = next(pair for pair in zip(digits_by_base, (16, 2, 8, 10), strict=True) if pair[0] is not None)
    number = int(digits.replace("_", ""), base) * (-1 if sign == "-" else 1)
    return number if fits(number, bits) else None


def fits(number: int, bits: int) -> bool:
    """Whether an integer type of so many bits has the number; negative bits: a type without a sign."""
    return 0 <= number < 1 << -bits if bits < 0 else -(1 << (bits - 1)) <= number < 1 << (bits - 1)


def truncate(number: float, bits: int) -> int:
    """A number as Go stores it in an integer type: without its fraction, and with its lowest bits only."""
    if isinstance(number, float):
        # What the processor makes of a number that has no integer of 64 bits.
        number = int(number) if -(2.0**63) <= number < 2.0**63 else -(2**63)
    size = abs(bits)
    number &= (1 << size) - 1
    return number - (1 << size) if bits > 0 and number >> (size - 1) else number


def format_float(number: float) -> str:
    """A float as Go writes it, without an exponent."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
