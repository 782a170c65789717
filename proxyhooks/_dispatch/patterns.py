"""Patterns of channels and methods: ``chat:<int:room_id>``.

Flask's syntax, not Flask's router: a channel is an opaque string, and two different channels must never look like one
to a permission check. So a variable matches only text that its value would be written as (``42``, not ``042``), and
nothing is normalised.

How far a variable reaches depends on the text alone, never on what follows in the pattern. So matching needs
no backtracking over lengths, and many patterns can share one tree (``_tree``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from keyword import iskeyword
from typing import Any, Final, NamedTuple
from uuid import UUID

from .._wire.fields import INT64
from ..exceptions import SetupError

SYMBOLS: Final = ":#/,"
"""What has a meaning in a channel, and where a plain variable stops."""
MAX_INT: Final = INT64.high


class Variable(NamedTuple):
    kind: str
    name: str


Part = str | Variable
Extent = tuple[int, Any]

_VARIABLE: Final = re.compile(r"<(?:([^<>:]*):)?([^<>:]*)>")
_NAME: Final = re.compile(f"[^{SYMBOLS}]+")
_INT: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})(?![0-9])")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _read_int(text: str, start: int) -> Extent | None:
    found = _INT.match(text, start)
    if found is None or (value := int(found[0])) > MAX_INT:
        return None
    return found.end(), value


def _read_uuid(text: str, start: int) -> Extent | None:
    found = _UUID.match(text, start)
    return None if found is None else (found.end(), UUID(found[0]))


def _read_name(text: str, start: int) -> Extent | None:
    found = _NAME.match(text, start)
    return None if found is None else (found.end(), found[0])


def _read_path(text: str, start: int) -> Extent | None:
    return (len(text), text[start:]) if start < len(text) else None


# In the order of specificity; int and uuid share a rank, see _tree.check_ambiguous.
READERS: Final[dict[str, Callable[[str, int], Extent | None]]] = {
    "int": _read_int,
    "uuid": _read_uuid,
    "string": _read_name,
    "path": _read_path,
}


_CLASSES: Final[dict[str, type]] = {"int": int, "uuid": UUID}


class ChannelPattern:
    """A pattern of channels or methods: ``ChannelPattern("chat:<int:room_id>")``, accepted wherever a pattern is.

    ``<name>`` stops at ``:``, ``#``, ``/`` and ``,``, the symbols that mean something in a channel; ``<int:name>`` is
    0...2**63-1 as digits without leading zeros; ``<uuid:name>`` is in lower case with dashes; ``<path:name>`` is all
    the rest. No variable is empty.

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
        """What stands before the first ``:`` of every channel that matches.

        ``""`` if there is none, ``None`` if it varies. The ``$`` in front of private channels is no part of it.
        """
        varies, name = False, ""
        for part in self.parts:
            if isinstance(part, Variable):
                if part.kind == "path":
                    return None
                varies = True
            elif ":" in part:
                return None if varies else (name + part.partition(":")[0]).removeprefix("$")
            else:
                name += part
        return ""

    def match(self, channel: str) -> dict[str, Any] | None:
        """The values of the variables if the channel matches the whole pattern, else ``None``."""
        position, values = 0, []
        for part in self.parts:
            if isinstance(part, str):
                if not channel.startswith(part, position):
                    return None
                position += len(part)
            else:
                extent = READERS[part.kind](channel, position)
                if extent is None:
                    return None
                position = extent[0]
                values.append(extent[1])
        return dict(zip(self.variables, values, strict=True)) if position == len(channel) else None

    def format(self, **variables: Any) -> str:
        """The channel with these values: ``format(room_id=7)``. :meth:`match` gives the same values back.

        :raises TypeError: if a variable is missing or unknown, or a value has the wrong type.
        :raises ValueError: if a value cannot stand in its place, such as a name with ``:`` in it.
        """
        if variables.keys() != set(self.variables):
            raise TypeError(f"{self!r} has the variables {list(self.variables)}, not {list(variables)}")
        return "".join(
            part if isinstance(part, str) else self._write(part, variables[part.name]) for part in self.parts
        )

    def _write(self, variable: Variable, value: Any) -> str:
        wanted = _CLASSES.get(variable.kind, str)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{variable.name} of {self!r} must be {wanted.__name__}, not {value!r}")
        text = format(value, "d") if wanted is int else str(value)
        extent = READERS[variable.kind](text, 0)
        if extent is None or extent[0] != len(text):
            raise ValueError(f"{variable.name} of {self!r} cannot be {value!r}: no such channel would match")
        return text

    def __repr__(self) -> str:
        return f"ChannelPattern({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, ChannelPattern) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)


def _parse(text: str) -> list[Part]:
    parts: list[Part] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        if found.start() > position:
            parts.append(text[position : found.start()])
        parts.append(Variable(found[1] if found[1] is not None else "string", found[2]))
        position = found.end()
    if position < len(text):
        parts.append(text[position:])
    return parts


def _check(pattern: ChannelPattern) -> None:
    where = f"pattern {pattern.text!r}"
    for part, following in zip(pattern.parts, [*pattern.parts[1:], None], strict=True):
        if isinstance(part, str):
            if "<" in part or ">" in part:
                raise SetupError(f"{where}: {part!r} is not a variable; they are written <name> or <int:name>")
            continue
        if part.kind not in READERS:
            raise SetupError(f"{where}: there is no <{part.kind}:...>; there are {', '.join(READERS)}")
        if not part.name.isidentifier() or iskeyword(part.name):
            raise SetupError(f"{where}: {part.name!r} cannot be the name of an argument")
        if isinstance(following, Variable):
            raise SetupError(f"{where}: <{part.name}> and <{following.name}> need text between them")
        if following is None:
            continue
        if part.kind == "path":
            raise SetupError(f"{where}: <path:{part.name}> takes all the rest and must come last")
        if part.kind == "string" and following[0] not in SYMBOLS:
            raise SetupError(
                f"{where}: <{part.name}> stops only at {' '.join(SYMBOLS)} and so never before {following!r}"
            )
        if part.kind == "int" and following[0] in "0123456789":
            raise SetupError(f"{where}: <int:{part.name}> takes all digits and so never stops before {following!r}")
    if len(set(pattern.variables)) < len(pattern.variables):
        raise SetupError(f"{where}: each variable needs a name of its own")
