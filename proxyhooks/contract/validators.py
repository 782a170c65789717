"""What the validators of marshmallow say about the type of a field.

Functions and validators of other classes can say anything, so they change no type.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Set
from typing import Any, Final, TypeGuard, TypeVar

from marshmallow import ValidationError, fields, validate

from .wire import AnyField, Direction, as_json, distinct, is_finite, json_forms

_T = TypeVar("_T")
_KNOWN: Final = (
    validate.ContainsOnly,  # before OneOf, whose subclass it is
    validate.ContainsNoneOf,
    validate.OneOf,
    validate.NoneOf,
    validate.Equal,
    validate.Range,
    validate.Length,
    validate.Regexp,
    validate.URL,
    validate.Email,
)
_MAX_CHOICES: Final = 500
"""More choices are no help to readers of the contract. The type of the field stands for them."""


def known(validators: Iterable[Any]) -> list[Any]:
    """The validators that this module understands, with those inside of And."""
    found: list[Any] = []
    for validator in validators:
        if type(validator).__call__ is validate.And.__call__:
            found += known(validator.validators)
        # A subclass with another __call__ may accept other values.
        elif any(isinstance(validator, cls) and type(validator).__call__ is cls.__call__ for cls in _KNOWN):
            found.append(validator)
    return found


def accepts(validator: Any, value: object) -> bool:
    """Whether the value of the application passes; True if the validator fails, as for a Range of another type."""
    try:
        validator(value)
    except ValidationError:
        return False
    except Exception:  # an error for each call, and none of the type
        return True
    return True


def choices_of(field: AnyField, validators: list[Any], direction: Direction) -> list[Any] | None:
    """The JSON values that the validators leave of the field's; None if they do not list them."""
    choices = _listed(validators)
    if choices is None:
        return None
    forms = []
    for choice in choices:
        forms_of_choice = json_forms(field, choice, direction)
        if forms_of_choice is None:
            return None
        forms.append(forms_of_choice)
    if direction == "load":
        return loadable(field, validators, distinct(form for group in forms for form in group))
    pairs = zip(choices, forms, strict=True)
    passing = [group for choice, group in pairs if all(accepts(validator, choice) for validator in validators)]
    return distinct(form for group in passing for form in group)


def loadable(field: AnyField, validators: list[Any], values: list[Any]) -> list[Any]:
    """The JSON values that the field loads with these validators, and without those of other classes."""
    bare = copy.copy(field)
    bare.validators, bare.post_load = validators, []

    def loads(value: object) -> None:
        bare.deserialize(value)

    return [value for value in values if accepts(loads, value)]


def _listed(validators: list[Any]) -> list[Any] | None:
    """The choices of the first OneOf or Equal; sorted if they are a set, whose order differs in each process."""
    for validator in validators:
        if isinstance(validator, validate.Equal):
            return [validator.comparable]
        # Strings as choices mean any part of them.
        if _is(validator, validate.OneOf) and not isinstance(validator.choices, str | bytes):
            choices = list(validator.choices)
            if len(choices) > _MAX_CHOICES:
                continue
            return sorted(choices, key=_sort_key) if isinstance(validator.choices, Set) else choices
    return None


def _sort_key(value: object) -> tuple[str, Any, str]:
    """Numbers by size, everything else as text."""
    return ("", value, "") if is_finite(value) else (type(value).__name__, 0, str(value))


def of_items(validators: list[Any]) -> list[Any]:
    """The validators of a list's items that follow from those of the list."""
    result: list[Any] = []
    for validator in validators:
        if isinstance(validator, validate.ContainsOnly) and not isinstance(validator.choices, str | bytes):
            result.append(validate.OneOf(validator.choices))
        elif isinstance(validator, validate.ContainsNoneOf) and not isinstance(validator.iterable, str | bytes):
            result.append(validate.NoneOf(validator.iterable))
    return result


def keywords(field: AnyField, validators: list[Any], direction: Direction) -> dict[str, Any]:
    """The keywords of JSON Schema for bounds, lengths, patterns and excluded values, where it has them."""
    found: dict[str, Any] = {}
    for validator in validators:
        if isinstance(validator, validate.Range) and _is_numeric(field):
            low, high = _number(field, validator.min), _number(field, validator.max)
            _tighten(found, "minimum" if validator.min_inclusive else "exclusiveMinimum", low, max)
            _tighten(found, "maximum" if validator.max_inclusive else "exclusiveMaximum", high, min)
        elif isinstance(validator, validate.Length) and (unit := _unit(field)):
            exact = validator.equal
            _tighten(found, f"min{unit}", validator.min if exact is None else exact, max)
            _tighten(found, f"max{unit}", validator.max if exact is None else exact, min)
        elif isinstance(validator, validate.Regexp) and isinstance(field, fields.String):
            pattern = _ecmascript(validator.regex)
            if pattern is not None and "pattern" in found:
                found.setdefault("allOf", []).append({"pattern": pattern})
            elif pattern is not None:
                found["pattern"] = pattern
        elif isinstance(validator, validate.Email):
            found["format"] = "email"
        elif isinstance(validator, validate.URL):
            found["format"] = "uri-reference" if validator.relative else "uri"
        elif _is(validator, validate.NoneOf) and not isinstance(validator.iterable, str | bytes):
            excluded = sorted(validator.iterable, key=_sort_key)
            forms = distinct(form for value in excluded for form in json_forms(field, value, direction) or [])
            if forms:
                found["not"] = {"enum": distinct([*found.get("not", {}).get("enum", []), *forms])}
    return found


def _is(validator: Any, cls: type[_T]) -> TypeGuard[_T]:
    """Whether a known validator is one of *cls* and not of a subclass that means something else."""
    return isinstance(validator, cls) and type(validator).__call__ is cls.__call__


def _tighten(found: dict[str, Any], keyword: str, bound: Any, tighter: Any) -> None:
    if is_finite(bound):
        found[keyword] = tighter(bound, found[keyword]) if keyword in found else bound


def _is_numeric(field: AnyField) -> bool:
    if isinstance(field, fields.DateTime):
        return str(field.format).startswith("timestamp")
    return isinstance(field, fields.TimeDelta) or (isinstance(field, fields.Number) and not field.as_string)


def _number(field: AnyField, bound: Any) -> int | float | None:
    """A bound as a number of JSON; None if it is none, or infinite."""
    if not isinstance(field, fields.Number):
        bound = next(iter(json_forms(field, bound, "dump") or []), None)  # in the unit of the field
    try:
        number = as_json(int(bound) if bound == int(bound) else float(bound))
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        return None
    return number if isinstance(number, int | float) else None


def _unit(field: AnyField) -> str | None:
    """What Length counts, as JSON Schema names it."""
    if isinstance(field, fields.String):
        return "Length"
    if isinstance(field, fields.Mapping):
        return "Properties"
    is_many = isinstance(field, fields.Nested) and (field.many or field.schema.many)
    return "Items" if is_many or isinstance(field, fields.List | fields.Tuple) else None


_ESCAPE: Final = r"\\[dD.*+?^$()\[\]{}|/\\nrtfv]"
_RANGE: Final = r"(?<=[0-9A-Za-z])(?<!\\.)-(?=[0-9A-Za-z])"
_TIMES: Final = r"(?:[*+?]\??|\{\d+(?:,\d*)?\}\??)?"
# What Python and JavaScript, with its flag "u", read alike: text, classes, quantifiers and groups.
_TOKEN: Final = re.compile(
    rf"(?P<start>\\A)|(?P<end>\\Z)|(?P<name>\(\?P<\w+>)|\((?:\?:|\?=|\?!)?(?!\?)|[|^$]"
    rf"|(?:{_ESCAPE}|[^\\*+?^$()\[\]{{}}|]|\)|\[\^?(?:{_ESCAPE}|\\-|[^\]\[\\^&~|-]|{_RANGE}|-(?=\]))+\]){_TIMES}"
)
_TRANSLATED: Final = {"start": "^", "end": "$", "name": "("}


def _ecmascript(regex: re.Pattern[Any]) -> str | None:
    r"""The expression for JSON Schema; None if it could mean something else there, as ``\w`` does.

    JSON Schema searches, marshmallow matches at the start.
    """
    if not isinstance(regex.pattern, str) or regex.flags & ~(re.UNICODE | re.ASCII):
        return None
    parts, position = [], 0
    while position < len(regex.pattern):
        token = _TOKEN.match(regex.pattern, position)
        if token is None or token.end() == position:
            return None
        parts.append(_TRANSLATED.get(str(token.lastgroup), token[0]))
        position = token.end()
    pattern = "".join(parts)
    return pattern if pattern.startswith("^") and "|" not in pattern else f"^(?:{pattern})"
