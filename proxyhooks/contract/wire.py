"""How values look in JSON: choices, constants and defaults of marshmallow fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from marshmallow import fields

Direction: TypeAlias = Literal["load", "dump"]
"""``load`` for what clients send, ``dump`` for what they receive: the methods of marshmallow's schemas."""
AnyField: TypeAlias = fields.Field[Any]


def as_json(value: object) -> Any:
    """The value as JSON would return it: lists for tuples, values for members of a :class:`enum.StrEnum`.

    :raises ValueError: if JSON has no such value, as for dates, sets and infinity.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"JSON has no {value!r}") from error


def is_finite(value: object) -> bool:
    """Whether the value is a number that JSON could have."""
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def json_forms(field: AnyField, value: object, direction: Direction) -> list[Any] | None:
    """What travels for a value of the application: what ``dump`` makes of it; for a Decimal also a text.

    The list is empty if the value is none of the field's. None: it cannot be known, or JSON has no such value.
    """
    if isinstance(field, fields.Method | fields.Function):
        return None  # their functions expect the whole object
    try:
        # A Constant dumps itself, whatever the value is.
        dumped = value if isinstance(field, fields.Constant) else field.serialize("", None, lambda *_: value)
    except Exception:
        return []
    forms: list[Any] = [dumped]
    if isinstance(dumped, Decimal) and is_finite(dumped):
        number = int(dumped) if dumped == dumped.to_integral_value() else float(dumped)
        is_sent_as_text = direction == "load" and isinstance(field, fields.Decimal)
        forms = [number, format(dumped, "f")] if is_sent_as_text else [number]
    try:
        return [as_json(form) for form in forms]
    except ValueError:
        return None


def distinct(values: Iterable[Any]) -> list[Any]:
    """The JSON values without repetitions; unlike for Python, ``1`` and ``true`` differ."""
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def literal(values: list[Any]) -> dict[str, Any]:
    """The JSON Schema that allows exactly these values."""
    if not values:
        return {"not": {}}
    return {"const": values[0]} if len(values) == 1 else {"enum": values}


def listed(schema: dict[str, Any]) -> list[Any] | None:
    """The values that a JSON Schema lists; None if it describes them otherwise."""
    return [schema["const"]] if "const" in schema else schema.get("enum")
