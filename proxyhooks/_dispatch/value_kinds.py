"""Which values are objects for a schema, and how error texts call a value."""

from __future__ import annotations

from decimal import Decimal
from types import GeneratorType
from typing import Any, Final

SEVERAL: Final[tuple[type, ...]] = (
    *(list, tuple, set, frozenset, range, GeneratorType),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
"""Types whose values are several objects."""
NEVER_OBJECTS: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, complex, Decimal, str, bytes, bytearray, memoryview, *SEVERAL}
)
"""Types whose values have no attributes that a schema could mean. Values of their subclasses may have some."""


def described(value: Any) -> str:
    """A value for error texts, by its type: its text may be long, or personal."""
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def value_or_class(value: Any) -> str:
    """A value for error texts, as a noun: ``a value of type list``, or ``the class X``."""
    return described(value) if isinstance(value, type) else f"a value of type {type(value).__name__}"


def listed(names: Any) -> str:
    shown = [repr(name) for _, name in zip(range(6), names, strict=False)]
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
