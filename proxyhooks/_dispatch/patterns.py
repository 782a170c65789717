"""Patterns of channels and methods: ``chat:<int:room_id>``.

The syntax is Flask's, the router is not. A channel is an opaque string, and a permission check must never take one
channel for another. So nothing is normalised, and a variable matches only the text that its value is written as:
``42``, not ``042``.

Where a variable ends depends only on the text of the channel, not on the rest of the pattern. So matching never tries
several lengths, and many patterns share one tree (``_dispatch.tree``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from keyword import iskeyword
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from .._wire.fields import INT64
from ..exceptions import SetupError

SYMBOLS: Final = ":#/,"
"""The characters that have a meaning in a channel; ``<name>`` stops before them."""
MAX_INT: Final = INT64.high


class Variable(NamedTuple):
    kind: str
    """A key of :data:`MATCHERS`."""
    name: str


Part: TypeAlias = str | Variable
"""Fixed text, or a variable."""
MatchedValue: TypeAlias = tuple[int, Any]
"""Where a variable ends in the text, and its value."""

_VARIABLE: Final = re.compile(r"<(?:([^<>:]*):)?([^<>:]*)>")
_STRING: Final = re.compile(f"[^{SYMBOLS}]+")
_INT: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})(?![0-9])")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _match_int(text: str, start: int) -> MatchedValue | None:
    digits = _INT.match(text, start)
    if digits is None or (value := int(digits[0])) > MAX_INT:
        return None
    return digits.end(), value


def _match_uuid(text: str, start: int) -> MatchedValue | None:
    match = _UUID.match(text, start)
    return None if match is None else (match.end(), UUID(match[0]))


def _match_string(text: str, start: int) -> MatchedValue | None:
    match = _STRING.match(text, start)
    return None if match is None else (match.end(), match[0])


def _match_path(text: str, start: int) -> MatchedValue | None:
    return (len(text), text[start:]) if start < len(text) else None


# The most specific kind first; int and uuid are equally specific, see _dispatch.tree.
MATCHERS: Final[dict[str, Callable[[str, int], MatchedValue | None]]] = {
    "int": _match_int,
    "uuid": _match_uuid,
    "string": _match_string,
    "path": _match_path,
}
_CHARACTERS: Final = {"int": frozenset("0123456789"), "uuid": frozenset("0123456789abcdef-")}
"""The characters of a variable's values, by kind; those of the other kinds are not limited to a few."""
_CLASSES: Final[dict[str, type]] = {"int": int, "uuid": UUID}
"""The class of a variable's values, by kind; ``str`` for all others."""


class ChannelPattern:
    """A pattern of channels or methods, such as ``ChannelPattern("chat:<int:room_id>")``.

    Decorators take it in place of a text. ``<name>`` stops before ``:``, ``#``, ``/`` and ``,``; ``<int:name>``
    matches 0 to 2**63-1 in digits without leading zeros; ``<uuid:name>`` matches a UUID in lower case with dashes;
    ``<path:name>`` matches the rest of the text. No variable is empty.

    :raises SetupError: if the text is not a pattern.
    """

    __slots__ = ("parts", "text", "variables")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text:
            raise SetupError(f"a pattern must be a text such as 'chat:<int:room_id>', not {text!r}")
        self.text = text
        self.parts: tuple[Part, ...] = tuple(_parse(text))
        self.variables: tuple[str, ...] = tuple(part.name for part in self.parts if isinstance(part, Variable))
        _check(self)

    @property
    def kinds(self) -> dict[str, type]:
        """The class of each variable's values."""
        return {part.name: _CLASSES.get(part.kind, str) for part in self.parts if isinstance(part, Variable)}

    @property
    def namespace(self) -> str | None:
        """:meth:`namespace_in` Centrifugo's default settings."""
        return self.namespace_in(":", "$")

    def namespace_in(self, boundary: str, private_prefix: str) -> str | None:
        """The text before the first *boundary* in every channel that matches.

        ``""`` if the channels have no namespace, ``None`` if it varies.

        :param boundary: ``channel.namespace_boundary`` or ``rpc.namespace_boundary``.
        :param private_prefix: ``channel.private_prefix``, which is no part of the namespace; ``""`` for methods.
        """
        varies, name = False, ""
        for part in self.parts:
            if isinstance(part, Variable):
                if _can_contain(part, boundary):
                    return None
                varies = True
            elif boundary in part:
                return None if varies else (name + part.partition(boundary)[0]).removeprefix(private_prefix)
            else:
                name += part
        return ""

    def match(self, channel: str) -> dict[str, Any] | None:
        """The values of the variables; ``None`` if the pattern does not match the whole channel."""
        position, values = 0, []
        for part in self.parts:
            if isinstance(part, str):
                if not channel.startswith(part, position):
                    return None
                position += len(part)
            else:
                match = MATCHERS[part.kind](channel, position)
                if match is None:
                    return None
                position, value = match
                values.append(value)
        return dict(zip(self.variables, values, strict=True)) if position == len(channel) else None

    def format(self, **variables: Any) -> str:
        """The channel with these values: ``format(room_id=7)``. :meth:`match` returns the same values for it.

        :raises TypeError: if a variable is missing or unknown, or a value has the wrong type.
        :raises ValueError: if the variable does not match the value, such as a name that contains ``:``.
        """
        if variables.keys() != set(self.variables):
            raise TypeError(f"{self!r} has the variables {list(self.variables)}, not {list(variables)}")
        return "".join(
            part if isinstance(part, str) else self._write(part, variables[part.name]) for part in self.parts
        )

    def _write(self, variable: Variable, value: Any) -> str:
        expected = _CLASSES.get(variable.kind, str)
        if not isinstance(value, expected) or isinstance(value, bool):
            raise TypeError(f"{variable.name} of {self!r} must be {expected.__name__}, not {value!r}")
        text = format(value, "d") if expected is int else str(value)
        match = MATCHERS[variable.kind](text, 0)
        if match is None or match[0] != len(text):
            raise ValueError(
                f"{variable.name} of {self!r} cannot be {value!r}: the pattern would not match the channel"
            )
        return text

    def __repr__(self) -> str:
        return f"ChannelPattern({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, ChannelPattern) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)


class Prefixes(NamedTuple):
    """The texts that stand before the patterns of an included collection."""

    method: str = ""
    channel: str = ""

    def before(
        self, pattern: ChannelPattern | None, routed_on: Literal["channel", "method"] | None
    ) -> ChannelPattern | None:
        """The pattern behind its prefix; ``None``, which matches everything, then matches what has the prefix.

        :param routed_on: what the pattern is matched against.
        """
        prefix = getattr(self, routed_on) if routed_on else ""
        return ChannelPattern(prefix + (pattern.text if pattern else "<path:_>")) if prefix else pattern


def _can_contain(variable: Variable, text: str) -> bool:
    """Whether a value of the variable can contain the text."""
    if variable.kind == "string":
        return not set(SYMBOLS) & set(text)
    return variable.kind == "path" or _CHARACTERS[variable.kind].issuperset(text)


def with_following(pattern: ChannelPattern) -> Iterator[tuple[Part, Part | None]]:
    """Each part of the pattern, and the part after it."""
    return zip(pattern.parts, (*pattern.parts[1:], None), strict=True)


def _parse(text: str) -> list[Part]:
    parts: list[Part] = []
    position = 0
    for variable in _VARIABLE.finditer(text):
        if variable.start() > position:
            parts.append(text[position : variable.start()])
        parts.append(Variable(variable[1] if variable[1] is not None else "string", variable[2]))
        position = variable.end()
    if position < len(text):
        parts.append(text[position:])
    return parts


def _check(pattern: ChannelPattern) -> None:
    where = f"pattern {pattern.text!r}"
    for part, following in with_following(pattern):
        if isinstance(part, str):
            if "<" in part or ">" in part:
                raise SetupError(f"{where}: the < or > in {part!r} is not a variable; write <name> or <int:name>")
            continue
        if part.kind not in MATCHERS:
            raise SetupError(f"{where}: there is no <{part.kind}:...>; the kinds are {', '.join(MATCHERS)}")
        if not part.name.isidentifier() or iskeyword(part.name):
            raise SetupError(f"{where}: {part.name!r} cannot be the name of an argument")
        if isinstance(following, Variable):
            raise SetupError(f"{where}: <{part.name}> and <{following.name}> need text between them")
        if following is None:
            continue
        if part.kind == "path":
            raise SetupError(f"{where}: <path:{part.name}> matches the rest of the text and must come last")
        if part.kind == "string" and following[0] not in SYMBOLS:
            raise SetupError(
                f"{where}: <{part.name}> stops only before {' '.join(SYMBOLS)} and so never before {following!r}"
            )
        if part.kind == "int" and following[0] in "0123456789":
            raise SetupError(f"{where}: <int:{part.name}> matches all digits and so never stops before {following!r}")
    if len(set(pattern.variables)) < len(pattern.variables):
        raise SetupError(f"{where}: each variable needs a name of its own")
