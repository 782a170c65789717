"""Dump payloads through marshmallow schemas, and raise where marshmallow would dump something else without a word.

marshmallow takes any value for an object, and leaves out each field that it does not find there. So a list becomes
``{}`` if the schema is one for a single object, and a dict becomes a list of ``{}`` if the schema has ``many=True``.

What a schema's own code decides is not checked: what ``pre_dump`` hooks get and what ``post_dump`` hooks return.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from marshmallow import Schema, fields, missing

Step = int | str | tuple[Schema, str]
"""From a value to a part of it: an item's index, a key of a dict, or a schema and the attribute that it reads."""

_UNKNOWN: Final = object()
"""A part of a value that a schema's own code provides."""
_SEVERAL: Final[tuple[type, ...]] = (
    *(list, tuple, set, frozenset, range, Iterator),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
"""Types whose values are several objects."""
_NEVER_OBJECTS: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, complex, Decimal, str, bytes, bytearray, memoryview, *_SEVERAL}
)
"""Types whose values have no attributes that a schema could mean. Values of their subclasses may have some."""


class Dumper:
    """Dumps values through a schema.

    :param name: how error texts call the value, such as ``data``.
    """

    def __init__(self, schema: Schema, name: str) -> None:
        self.schema = schema
        self.dump: Callable[[Any], Any] = schema.dump
        """May be replaced by a function that does the same."""
        self._name = name
        self._check: _SchemaCheck | None = None

    def __call__(self, value: Any) -> Any:
        """Dump the value.

        :raises ValueError: if it does not fit the schema. The text says what does not, and the remedy.
        :raises Exception: if the schema raises one.
        """
        # Not in __init__, since a nested schema that has only a name may be defined later.
        check = self._check = self._check or _SchemaCheck(self.schema)
        many = self.schema.many
        if many and isinstance(value, Iterator):
            value = list(value)  # it is read several times
        if (problem := check.wrong_value(self._name, value, many)) is not None:
            raise ValueError(problem)
        dumped = self.dump(value)
        if (problem := _Result(self._name, value).problem(check, many, dumped, ())) is not None:
            raise ValueError(problem)
        return dumped


class _SchemaCheck:
    """What of a schema decides whether it has dumped a value as meant; made once for each schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        rows = [(_key(name, field), _source(name, field), field) for name, field in schema.dump_fields.items()]
        self.value_is_known = not (_has_own_dump(schema) or _has_hooks(schema, "pre_dump"))
        """Whether the fields read the value that was given."""
        self.output_is_known = output_is_known(schema)
        # Function and Method get the whole value, which can then be anything.
        self.reads_attributes = (
            self.value_is_known
            and type(schema).get_attribute is Schema.get_attribute
            and not any(_reads_whole_value(field) for _, _, field in rows)
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
        self.parts = [(key, source, part) for key, source, field in rows if (part := _part_of(field)) is not None]

    def wrong_value(self, path: str, value: Any, many: bool) -> str | None:
        """Why the schema cannot dump the value as meant, if that is known before it does."""
        if not self.value_is_known:
            return None
        name = type(self.schema).__name__
        if not many:
            return self._wrong_object(path, value)
        if isinstance(value, (str, bytes, Mapping, type)) or not hasattr(value, "__iter__"):
            return (
                f"{path} is {_described(value)}, and {name} has many=True: give a list, or use {name} without many=True"
            )
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                if (problem := self._wrong_object(f"{path}[{index}]", item)) is not None:
                    return problem
        return None

    def _wrong_object(self, path: str, value: Any) -> str | None:
        if not self.reads_attributes:
            return None
        if type(value) in _NEVER_OBJECTS or isinstance(value, (type, Iterator)):
            name = type(self.schema).__name__
            several = f": use {name}(many=True)" if isinstance(value, _SEVERAL) else ""
            instance = ": give an instance" if isinstance(value, type) else ""
            return f"{path} is {_described(value)}, and {name} dumps one object{several}{instance}"
        return self._method_in_place_of_key(path, value) if self.methods else None

    def _method_in_place_of_key(self, path: str, value: Any) -> str | None:
        for source in self.methods:
            if isinstance(value, Mapping) and source not in value and hasattr(value, source):
                name = type(self.schema).__name__
                return f"{path} has no key {source!r}, so {name} would dump the dict's method {source}: set the key"
        return None

    def read_nothing(self, path: str, value: Any, dumped: Mapping[str, Any]) -> str | None:
        """Why the schema has found none of its fields in the value; None if it has found one, or none was to be found.

        :param value: what the schema has dumped, as far as it is known.
        """
        if not self.sources or not self.reads_attributes or value is _UNKNOWN:
            return None
        if isinstance(value, Mapping) and not value:
            return None
        if any(self.schema.get_attribute(value, source, missing) is not missing for source in self.sources):
            return None
        name = type(self.schema).__name__
        keys = f", with the keys {_listed(value)}" if isinstance(value, Mapping) else ""
        many = f"; for several objects use {name}(many=True)" if isinstance(value, Iterable) and not keys else ""
        return (
            f"{path} is {_described(value)}{keys}, and has none of the fields of {name}: {_listed(self.sources)}{many}"
        )


class _Result:
    """A value that was dumped, for looking at its parts.

    :param name: how error texts call the value.
    """

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        self._value = value

    def problem(self, check: _SchemaCheck, many: bool, dumped: Any, steps: tuple[Step, ...]) -> str | None:
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
            path, value = self._path(steps), self._at(steps)
            problem = check.wrong_value(path, value, False) if value is not _UNKNOWN else None
            if problem or (problem := check.read_nothing(path, value, dumped)):
                return problem
        for key in check.required:
            if key not in dumped:
                return (
                    f"{self._path(steps)} has no {key!r}, which is required in {type(check.schema).__name__}: set it, "
                    "or dump with a schema where it is not required"
                )
        for key, source, part in check.parts:
            if (part_of_dumped := dumped.get(key)) is not None:
                problem = part(self, part_of_dumped, (*steps, (check.schema, source)))
                if problem is not None:
                    return problem
        return None

    def _path(self, steps: tuple[Step, ...]) -> str:
        return self._name + "".join(f".{step[1]}" if isinstance(step, tuple) else f"[{step!r}]" for step in steps)

    def _at(self, steps: tuple[Step, ...]) -> Any:
        """The part of the value; :data:`_UNKNOWN` if it is not known without running a schema's own code."""
        value = self._value
        for step in steps:
            if isinstance(step, int) and isinstance(value, Collection):
                value = next(itertools.islice(value, step, None), _UNKNOWN)
            elif isinstance(step, tuple) and not (_has_own_dump(step[0]) or _has_hooks(step[0], "pre_dump")):
                value = step[0].get_attribute(value, step[1], _UNKNOWN)
            else:
                return _UNKNOWN
            if value is _UNKNOWN:
                return _UNKNOWN
        return value


_Part = Callable[[_Result, Any, tuple[Step, ...]], str | None]
"""Checks what a field has dumped; takes the arguments of :meth:`_Result.problem` from the third on."""


def _part_of(field: fields.Field[Any]) -> _Part | None:
    """The check of a field's value; None if the field contains no schema."""
    if isinstance(field, fields.Nested) and not isinstance(field, fields.Pluck):
        return _NestedPart(field)
    if isinstance(field, fields.List) and (item_part := _part_of(field.inner)) is not None:
        return lambda result, dumped, steps: _first(
            item_part(result, item, (*steps, index)) for index, item in enumerate(dumped) if item is not None
        )
    if isinstance(field, fields.Mapping) and field.value_field and (value_part := _part_of(field.value_field)):
        return lambda result, dumped, steps: _first(
            value_part(result, value, (*steps, key)) for key, value in dumped.items() if value is not None
        )
    return None


class _NestedPart:
    """The check of what a Nested field has dumped."""

    def __init__(self, field: fields.Nested) -> None:
        self._field = field
        self._check: _SchemaCheck | None = None

    def __call__(self, result: _Result, dumped: Any, steps: tuple[Step, ...]) -> str | None:
        check = self._check = self._check or _SchemaCheck(self._field.schema)
        return result.problem(check, bool(check.schema.many or self._field.many), dumped, steps)


def output_is_known(schema: Schema) -> bool:
    """Whether what the schema dumps has the shape that its fields say."""
    return not (_has_own_dump(schema) or _has_hooks(schema, "post_dump"))


def _has_own_dump(schema: Schema) -> bool:
    return type(schema).dump is not Schema.dump


def _has_hooks(schema: Schema, kind: str) -> bool:
    return bool(getattr(schema, "_hooks", {}).get(kind))


def _reads_whole_value(field: fields.Field[Any]) -> bool:
    return not isinstance(field, fields.Constant) and not getattr(field, "_CHECK_ATTRIBUTE", True)


def _key(name: str, field: fields.Field[Any]) -> str:
    return name if field.data_key is None else field.data_key


def _source(name: str, field: fields.Field[Any]) -> str:
    return name if field.attribute is None else field.attribute


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


def _described(value: Any) -> str:
    """A value for error texts, by its type: its text may be long, or personal."""
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def _listed(names: Any) -> str:
    shown = [repr(name) for _, name in zip(range(6), names, strict=False)]
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
