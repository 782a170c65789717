"""The checks of dumped values: that marshmallow has dumped them as meant.

What a schema's own code decides is not checked: what ``pre_dump`` hooks get and what ``post_dump`` hooks return.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from marshmallow import INCLUDE, Schema, fields, missing

from .schema_facts import has_hooks, has_own_dump, key_of, output_is_known, reads_whole_value, source_of
from .value_kinds import NEVER_OBJECTS, SEVERAL, described, listed

Step = int | str | tuple[Schema, str]
"""From a value to a part of it: an item's index, a key of a dict, or a schema and the attribute that it reads."""

_UNKNOWN: Final = object()
"""A part of a value that a schema's own code provides."""


class SchemaCheck:
    """What of a schema decides whether it has dumped a value as meant; made once for each schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        rows = [(key_of(name, field), source_of(name, field), field) for name, field in schema.dump_fields.items()]
        self.value_is_known = not (has_own_dump(schema) or has_hooks(schema, "pre_dump"))
        """Whether the fields read the value that was given."""
        self.output_is_known = output_is_known(schema)
        # Function and Method get the whole value, which can then be anything.
        self.reads_attributes = (
            self.value_is_known
            and type(schema).get_attribute is Schema.get_attribute
            and not any(reads_whole_value(field) for _, _, field in rows)
        )
        constants = {key for key, _, field in rows if isinstance(field, fields.Constant)}
        self.sources = [source for key, source, _ in rows if key not in constants]
        self.read_keys = [
            key for key, _, field in rows if key not in constants and field.dump_default is missing
        ]  # fmt: skip
        """The keys that are dumped only if the value has the attribute."""
        # Of a dict without the key, marshmallow dumps the method.
        self.methods = [s for s in self.sources if hasattr(dict, s)] if self.reads_attributes else []
        self.required = [key for key, _, field in rows if field.required]
        # Then a check of the required keys is also one of the read keys.
        self._required_shows_read = any(key in self.read_keys for key in self.required)
        self.parts = [(key, source, part) for key, source, field in rows if (part := _part_of(field)) is not None]

    def is_clear(self, dumped: Any, many: bool) -> bool:
        """Whether the dumped value alone shows that it is as meant. Most are, so this is fast and explains nothing."""
        if not self.output_is_known:
            return True
        if many:
            return type(dumped) is list and all(map(self._is_clear_object, dumped))
        return self._is_clear_object(dumped)

    def _is_clear_object(self, dumped: Any) -> bool:
        if type(dumped) is not dict or self.methods:
            return False
        for key in self.required:
            if key not in dumped:
                return False
        for key, _, part in self.parts:
            if (part_of_dumped := dumped.get(key)) is not None and not part.is_clear(part_of_dumped):
                return False
        return self._required_shows_read or any(map(dumped.__contains__, self.read_keys))

    def wrong_value(self, path: str, value: Any, many: bool) -> str | None:
        """Why the schema cannot dump the value as meant, if that is known before it does."""
        if not many:
            return self._wrong_object(path, value)
        if not self.value_is_known:
            return None
        name = type(self.schema).__name__
        if isinstance(value, (str, bytes, Mapping, type)) or not hasattr(value, "__iter__"):
            return (
                f"{path} is {described(value)}, and {name} has many=True: give a list, or use {name} without many=True"
            )
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                if (type(item) is not dict or self.methods) and self._wrong_object("", item) is not None:
                    return self._wrong_object(f"{path}[{index}]", item)
        return None

    def _wrong_object(self, path: str, value: Any) -> str | None:
        # Of a dict only its keys could be wrong.
        if not self.reads_attributes or (type(value) is dict and not self.methods):
            return None
        if type(value) in NEVER_OBJECTS or isinstance(value, type):
            name = type(self.schema).__name__
            several = f": use {name}(many=True)" if isinstance(value, SEVERAL) else ""
            instance = ": give an instance" if isinstance(value, type) else ""
            return f"{path} is {described(value)}, and {name} dumps one object{several}{instance}"
        return self._method_in_place_of_key(path, value) if self.methods else None

    def _method_in_place_of_key(self, path: str, value: Any) -> str | None:
        for source in self.methods:
            if isinstance(value, Mapping) and source not in value and hasattr(value, source):
                name = type(self.schema).__name__
                return f"{path} has no key {source!r}, so {name} would dump the dict's method {source}: set the key"
        return None

    def read_nothing(self, path: str, value: Any) -> str | None:
        """Why the schema has found nothing of the value; None if it has found a field, or none was to be found."""
        if not self.sources or not self.reads_attributes or value is _UNKNOWN:
            return None
        # A value that was loaded by the schema may have nothing but what is not dumped.
        if isinstance(value, Mapping) and (not value or self.schema.unknown == INCLUDE):
            return None
        known = (source_of(name, field) for name, field in self.schema.fields.items())
        if any(self.schema.get_attribute(value, source, missing) is not missing for source in known):
            return None
        name = type(self.schema).__name__
        keys = f", with the keys {listed(value)}" if isinstance(value, Mapping) else ""
        many = f"; for several objects use {name}(many=True)" if isinstance(value, Iterable) and not keys else ""
        return f"{path} is {described(value)}{keys}, and has none of the fields of {name}: {listed(self.sources)}{many}"


class DumpedValue:
    """A value that was dumped, for looking at its parts.

    :param name: how error texts call the value.
    """

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        self._value = value

    def problem(self, check: SchemaCheck, many: bool, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        """Why the dumped value is not what is meant; None if it is.

        :param many: whether it is a list of what the schema dumps.
        :param steps: from the whole value to what was dumped.
        """
        if many:
            items = enumerate(dumped) if isinstance(dumped, list) else ()
            return _first(self.problem(check, False, item, (*steps, index)) for index, item in items)
        if not check.output_is_known or not isinstance(dumped, Mapping):
            return None
        if not any(key in dumped for key in check.read_keys) or (check.methods and steps):
            path, value = self.path(steps), self._at(steps)
            problem = check.wrong_value(path, value, False) if value is not _UNKNOWN else None
            if problem or (problem := check.read_nothing(path, value)):
                return problem
        for key in check.required:
            if key not in dumped:
                return (
                    f"{self.path(steps)} has no {key!r}, which is required in {type(check.schema).__name__}: set it, "
                    "or dump with a schema where it is not required"
                )
        for key, source, part in check.parts:
            if (part_of_dumped := dumped.get(key)) is not None:
                problem = part.problem(self, part_of_dumped, (*steps, (check.schema, source)))
                if problem is not None:
                    return problem
        return None

    def path(self, steps: tuple[Step, ...]) -> str:
        return self._name + "".join(f".{step[1]}" if isinstance(step, tuple) else f"[{step!r}]" for step in steps)

    def _at(self, steps: tuple[Step, ...]) -> Any:
        """The part of the value; :data:`_UNKNOWN` if it is not known without running a schema's own code."""
        value = self._value
        for step in steps:
            if isinstance(step, int) and isinstance(value, Collection):
                value = next(itertools.islice(value, step, None), _UNKNOWN)
            elif isinstance(step, tuple) and not (has_own_dump(step[0]) or has_hooks(step[0], "pre_dump")):
                value = step[0].get_attribute(value, step[1], _UNKNOWN)
            else:
                return _UNKNOWN
            if value is _UNKNOWN:
                return _UNKNOWN
        return value


class _Part(Protocol):
    """The check of what a field has dumped, which is not None."""

    def is_clear(self, dumped: Any) -> bool:
        """See :meth:`SchemaCheck.is_clear`."""
        ...

    def problem(self, result: DumpedValue, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        """See :meth:`DumpedValue.problem`."""
        ...


def _part_of(field: Any) -> _Part | None:
    """The check of what a field has dumped; None if the field contains no schema."""
    kind: type = type(field)  # a subclass may dump anything
    if kind is fields.Nested:
        return _NestedPart(field)
    if kind is fields.List and (part := _part_of(field.inner)) is not None:
        return _PartOfEach(part, enumerate, iter)
    if (
        kind in (fields.Dict, fields.Mapping)
        and field.value_field
        and (part := _part_of(field.value_field)) is not None
    ):
        return _PartOfEach(part, dict.items, dict.values)
    if kind is fields.Tuple and any(parts := [_part_of(inner) for inner in field.tuple_fields]):
        return _TuplePart(parts)
    return None


class _TuplePart:
    """The check of the values that a Tuple field has dumped.

    :param parts: the check of each value.
    """

    def __init__(self, parts: list[_Part | None]) -> None:
        self._parts = parts

    def is_clear(self, dumped: Any) -> bool:
        pairs = zip(self._parts, dumped, strict=False)
        return all(part is None or value is None or part.is_clear(value) for part, value in pairs)

    def problem(self, result: DumpedValue, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        return _first(
            part.problem(result, value, (*steps, index))
            for index, (part, value) in enumerate(zip(self._parts, dumped, strict=False))
            if part is not None and value is not None
        )


class _NestedPart:
    """The check of what a Nested field has dumped."""

    def __init__(self, field: fields.Nested) -> None:
        self._field = field
        self._check: SchemaCheck | None = None

    def is_clear(self, dumped: Any) -> bool:
        check = self._check = self._check or SchemaCheck(self._field.schema)
        return check.is_clear(dumped, bool(check.schema.many or self._field.many))

    def problem(self, result: DumpedValue, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        check = self._check = self._check or SchemaCheck(self._field.schema)
        return result.problem(check, bool(check.schema.many or self._field.many), dumped, steps)


class _PartOfEach:
    """The check of each value that a List or Dict field has dumped.

    :param steps_and_values: returns the values of what was dumped, each with the step to it.
    :param values: returns the values alone.
    """

    def __init__(
        self,
        part: _Part,
        steps_and_values: Callable[[Any], Iterable[tuple[Any, Any]]],
        values: Callable[[Any], Iterable[Any]],
    ) -> None:
        self._part, self._steps_and_values, self._values = part, steps_and_values, values

    def is_clear(self, dumped: Any) -> bool:
        return all(self._part.is_clear(value) for value in self._values(dumped) if value is not None)

    def problem(self, result: DumpedValue, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        return _first(
            self._part.problem(result, value, (*steps, step))
            for step, value in self._steps_and_values(dumped)
            if value is not None
        )


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)
