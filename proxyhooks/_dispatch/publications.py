"""What the backend publishes: the schemas that are declared for channel patterns, and the checks of what they dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from .._wire.json import dumps
from ..exceptions import PublicationError, SetupError
from .dumping import Dumper
from .patterns import ChannelPattern, Prefixes
from .schema_facts import key_of, output_is_known
from .tree import PatternTree
from .value_kinds import described


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """The publications to the channels of a pattern."""

    pattern: ChannelPattern
    """The declared pattern behind the ``channel_prefix`` of each including collection."""
    dumpers: tuple[tuple[object, Dumper], ...]
    """Each schema as it was declared, class or instance, and the function that dumps through it."""
    place: tuple[str, int]
    """File and line of the declaration."""

    @property
    def source_location(self) -> str:
        """The place for messages."""
        return f"{self.place[0]}:{self.place[1]}"

    @property
    def schemas(self) -> tuple[Schema, ...]:
        return tuple(dumper.schema for _, dumper in self.dumpers)

    def within(self, prefixes: Prefixes, _before_hooks: Sequence[object]) -> Publication:
        """This publication as it is in a collection that includes it behind the prefixes; it runs no before_hooks."""
        pattern = prefixes.before(self.pattern, "channel")
        return self if pattern is None or pattern is self.pattern else replace(self, pattern=pattern)

    def dump(self, channel: str, value: Any, declared: object) -> Any:
        """The JSON value of a publication.

        :param declared: the schema, as it was declared; None if the publication has only one.
        :raises PublicationError: if the value does not fit the schema, or it is not known which one is meant.
        """
        dumper = self._choose(channel, declared)
        schema = dumper.schema
        problem = f"the publication to {channel!r} does not fit {type(schema).__name__}"
        try:
            dumped = dumper(value)
            dumps(dumped, "data")
            invalid = "; ".join(_invalid_parts(schema, schema.many, dumped, "data"))
        except (TypeError, ValueError) as error:
            raise PublicationError(f"{problem}: {error}") from error
        if invalid:
            raise PublicationError(f"{problem}: {invalid}")
        return dumped

    def _choose(self, channel: str, declared: object) -> Dumper:
        candidates = [
            dumper
            for given, dumper in self.dumpers
            if declared is None or declared is given or declared is type(dumper.schema)
        ]
        if len(candidates) == 1:
            return candidates[0]
        names = ", ".join(_name(given) for given, _ in self.dumpers)
        if candidates:
            raise PublicationError(
                f"publications to {channel!r} have several schemas: give schema=..., one of {names} "
                f"({self.source_location})"
            )
        raise PublicationError(
            f"{_name(declared)} is not declared for publications to {channel!r}, which have {names} "
            f"({self.source_location})"
        )


class PublicationIndex:
    """The publications of a collection, by pattern."""

    def __init__(self) -> None:
        self._tree = PatternTree()
        self._declared: list[Publication] = []

    def __iter__(self) -> Iterator[Publication]:
        return iter(self._declared)

    def check(self, publications: Iterable[Publication]) -> None:
        """Check that :meth:`add` can add them all.

        :raises SetupError: if another one has the pattern of one of them, or is ambiguous with it.
        """
        for new in publications:
            present: Publication | None = self._tree.find_same_shape(new.pattern)
            # A collection that is included in two ways brings its declarations twice, which is harmless.
            if present is not None and present.dumpers is not new.dumpers:
                raise SetupError(
                    f"publications to {new.pattern.text!r} are declared twice: {present.source_location} and "
                    f"{new.source_location}; for several kinds of publications give several schemas to one declaration"
                )

    def add(self, publications: Iterable[Publication]) -> None:
        """Add publications for which :meth:`check` has raised nothing. To add one again does nothing."""
        for new in publications:
            if self._tree.add(new.pattern, new) is None:
                self._declared.append(new)

    def __contains__(self, channel: str) -> bool:
        return isinstance(channel, str) and self._tree.find(channel) is not None

    def find(self, channel: str) -> Publication:
        """The publication whose pattern matches the channel.

        :raises PublicationError: if there is none.
        """
        match = self._tree.find(channel) if isinstance(channel, str) else None
        if match is None:
            patterns = ", ".join(repr(publication.pattern.text) for publication in self._declared[:5])
            raise PublicationError(
                f"no publication is declared for the channel {channel!r}: write "
                f"hooks.publication({channel!r}, ...), or a pattern that matches it"
                + (f"; declared are {patterns}" + (", ..." if len(self._declared) > 5 else "") if patterns else "")
            )
        publication: Publication = match[0]
        return publication


def _name(declared: object) -> str:
    return declared.__name__ if isinstance(declared, type) else repr(declared)


# What these fields dump is what they would load, so that their validators can check it.
_SAME_LOADED: Final = frozenset(
    {
        *(fields.String, fields.Email, fields.URL, fields.Integer, fields.Float, fields.Boolean, fields.Raw),
        *(fields.List, fields.Dict, fields.Mapping),
    }
)


def _invalid_parts(schema: Schema, many: bool, dumped: Any, path: str) -> Iterator[str]:
    """What in a dumped value is invalid by the schema.

    The schema does not load the value: its hooks and validators of whole objects are made for what clients send.
    """
    if many:
        for index, item in enumerate(dumped):
            yield from _invalid_parts(schema, False, item, f"{path}[{index}]")
    elif output_is_known(schema) and isinstance(dumped, Mapping):
        for name, field in schema.dump_fields.items():
            if (key := key_of(name, field)) in dumped:
                yield from _invalid_parts_of_field(field, dumped[key], f"{path}.{key}")


def _invalid_parts_of_field(field: Any, dumped: Any, path: str) -> Iterator[str]:
    kind = type(field)
    if dumped is None:
        if not field.allow_none and kind not in (fields.Constant, fields.Function, fields.Method):
            yield f"{path} is null, and the field has no allow_none=True"
        return
    if kind is fields.Nested:
        yield from _invalid_parts(field.schema, field.schema.many or field.many, dumped, path)
    elif kind is fields.List:
        for index, item in enumerate(dumped):
            yield from _invalid_parts_of_field(field.inner, item, f"{path}[{index}]")
    elif kind is fields.Tuple:
        if len(dumped) != len(field.tuple_fields):
            yield f"{path} has length {len(dumped)}, and its Tuple has length {len(field.tuple_fields)}"
        for index, (inner, item) in enumerate(zip(field.tuple_fields, dumped, strict=False)):
            yield from _invalid_parts_of_field(inner, item, f"{path}[{index}]")
    elif kind in (fields.Dict, fields.Mapping) and field.value_field is not None:
        for key, value in dumped.items():
            yield from _invalid_parts_of_field(field.value_field, value, f"{path}[{key!r}]")
    elif kind is fields.Boolean and not isinstance(dumped, bool):
        # marshmallow dumps any value of a Boolean field as it is.
        yield f"{path} is {described(dumped)}, not a boolean"
    if kind in _SAME_LOADED or kind is fields.Decimal:
        # Numbers with as_string are dumped as texts.
        loaded = field.num_type(dumped) if getattr(field, "as_string", False) else dumped
        for validator in field.validators:
            try:
                validator(loaded)
            except ValidationError as error:
                texts = error.messages if isinstance(error.messages, list) else [error.messages]
                yield f"{path}: {' '.join(map(str, texts))}"
