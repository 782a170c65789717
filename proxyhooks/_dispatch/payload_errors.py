"""The errors of an invalid payload as one line: all of it for those who may see it, and without the payload's values.

marshmallow puts the errors of a payload into dicts of texts. A text may quote the payload, and so may a key: that of an
unknown field, for example. Without values, a text is shown only if a declared field or one of its validators has it
whatever the value is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from marshmallow import Schema, fields, validate
from marshmallow.exceptions import SCHEMA

from .._wire.log import text_of

MAX_LOGGED: Final = 2048
"""Characters of validation errors in a log line."""
_MAX_PARTS: Final = 200
"""Errors that are looked at for a line. Without their values, thousands may have one text."""
_LEFT_OUT: Final = "invalid"
"""In place of a text that may quote the payload."""


class InvalidPayload:
    """Why a payload or a meta is invalid, for a log line. The text is made only if the line is written.

    :param messages: marshmallow's errors: texts, in lists and dicts.
    :param without_values: what to show without the payload's values: a text, or the schema that found the errors.
    :param shows_values: whether the text may quote the payload.
    """

    max_quoted = MAX_LOGGED
    """How many characters a log line quotes."""

    def __init__(self, messages: Any, without_values: Schema | str, shows_values: bool) -> None:
        self._messages = messages
        self._without_values = without_values
        self._shows_values = shows_values

    def __str__(self) -> str:
        everything = one_line(self._messages, MAX_LOGGED)
        if self._shows_values:
            return everything
        known = self._without_values
        limit = MAX_LOGGED - len(_REMEDY)
        text = _joined([known] if isinstance(known, str) else _parts(self._messages, known, ""), limit)
        return text if text == everything else text + _REMEDY


_REMEDY: Final = " (PROXYHOOKS_LOG_VALIDATION_DETAILS = True shows what is left out)"


def one_line(messages: Any, limit: int) -> str:
    """Validation errors as one line: ``author.name: Missing data; text: Too long``.

    :param limit: the most characters; the rest is cut.
    """
    return _joined(_all_parts(messages, ""), limit)


def _joined(parts: Iterable[str], limit: int) -> str:
    """The parts in one line, each once. No more of them are made than fit."""
    line, seen = "", set[str]()
    for number, part in enumerate(parts):
        if number == _MAX_PARTS:
            return f"{line}; ..."
        if part not in seen:
            seen.add(part)
            line += f"; {part}" if line else part
            if len(line) > limit:
                return f"{line[: limit - 3]}..."
    return line


def _all_parts(messages: Any, path: str) -> Iterator[str]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _all_parts(inner, f"{path}.{text_of(key)}" if path else text_of(key))
    else:
        text = " ".join(map(text_of, messages)) if isinstance(messages, list) else text_of(messages)
        yield f"{path}: {text}" if path else text


def _parts(messages: Any, source: Any, path: str) -> Iterator[str]:
    """As :func:`_all_parts`, without the payload's values.

    :param source: the schema or field that found the errors; a dict of fields for an entry of a mapping; None if it is
        not known.
    """
    if isinstance(messages, dict):
        for key, inner in messages.items():
            name, inner_source = _inner_source(source, key)
            yield from _parts(inner, inner_source, f"{path}.{name}" if path else name)
        return
    known = set(_texts_without_value(source))
    texts = messages if isinstance(messages, list) else [messages]
    shown = dict.fromkeys(text if isinstance(text, str) and text in known else _LEFT_OUT for text in texts)
    yield f"{path}: {' '.join(shown)}" if path else " ".join(shown)


def _inner_source(source: Any, key: Any) -> tuple[str, Any]:
    """The name of a key of the errors, and the schema or field whose errors it has."""
    if isinstance(source, fields.Nested):
        source = _nested_schema(source)
    if isinstance(source, Schema):
        if type(key) is int:
            return str(key), source
        if key == SCHEMA:
            return key, source
        for name, field in source.fields.items():
            if key in (name, field.data_key):
                return str(key), field
        return "an unknown field", source
    if isinstance(source, fields.List) and type(key) is int:
        return str(key), source.inner
    if isinstance(source, fields.Tuple) and type(key) is int and key < len(source.tuple_fields):
        return str(key), source.tuple_fields[key]
    if isinstance(source, fields.Mapping):
        return "a key", {"key": source.key_field, "value": source.value_field}
    if isinstance(source, dict) and key in source:
        return str(key), source[key]
    return "an inner value", None


def _nested_schema(field: fields.Nested) -> Schema | None:
    try:
        return field.schema
    except Exception:  # it is named by a text, and does not exist
        return None


def _texts_without_value(source: Any) -> Iterator[str]:
    """The texts with which a schema or field refuses any value, and those of its validators that marshmallow has."""
    if isinstance(source, fields.Nested):
        yield from _texts_without_value(_nested_schema(source))
    if isinstance(source, (Schema, fields.Field)):
        yield from _filled(source.error_messages.values(), source)
    validators = [*getattr(source, "validators", ()), getattr(source, "validate_length", None)]
    while validators:
        validator = validators.pop()
        if isinstance(validator, validate.And):
            validators += validator.validators
        elif isinstance(validator, validate.Validator):
            yield from _filled([getattr(validator, name, None) for name in _TEMPLATES], validator)


_TEMPLATES: Final = ("error", "default_message", "message_min", "message_max", "message_all", "message_equal")
"""The attributes of marshmallow's validators that have their texts."""
_FILLED_IN: Final = {
    **{name: name for name in ("min", "max", "equal", "method")},
    "choices": "choices_text",
    "labels": "labels_text",
    "values": "values_text",
    "other": "comparable",
    "obj_type": "OBJ_TYPE",
}
"""What marshmallow fills into a text besides the value: for each name the attribute of the field or validator."""


def _filled(templates: Iterable[Any], owner: Any) -> Iterator[str]:
    """The texts that the templates become without a value of the payload; the others are left out."""
    values = {name: getattr(owner, attribute) for name, attribute in _FILLED_IN.items() if hasattr(owner, attribute)}
    if hasattr(owner, "regex"):
        values["regex"] = getattr(owner.regex, "pattern", None)
    for template in templates:
        try:
            yield template.format(**values)
        except Exception:  # noqa: S112  # it has other values, or is no text
            continue
