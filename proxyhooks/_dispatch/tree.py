"""Many patterns, matched at once."""

from __future__ import annotations

from typing import Any

from ..exceptions import SetupError
from .patterns import READERS, ChannelPattern

_IN_UUID = frozenset("0123456789abcdef-")


class _Node:
    __slots__ = ("end", "literals", "variables")

    def __init__(self) -> None:
        self.literals: dict[str, tuple[str, _Node]] = {}  # by first character; no two share it
        self.variables: dict[str, _Node] = {}  # by kind, the more specific first
        self.end: tuple[ChannelPattern, Any] | None = None


class PatternTree:
    """Values under patterns; :meth:`find` walks along the channel, however many patterns there are.

    Of two patterns that match, the more specific one at the first place where they differ wins: text, then int and
    uuid, then a name, then a path.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._exact: dict[str, Any] = {}  # patterns without variables, which beat all others

    def add(self, pattern: ChannelPattern, value: Any) -> Any:
        """Put the value under the pattern; return the value of a pattern of the same shape, if there is one.

        :raises SetupError: if a channel could match this pattern and another, and neither is more specific.
        """
        if not pattern.variables:
            if pattern.text in self._exact:
                return self._exact[pattern.text]
            self._exact[pattern.text] = value
            return None
        node = self._root
        for part in pattern.parts:
            if isinstance(part, str):
                node = _descend(node, part)
            else:
                if part.kind not in node.variables:
                    node.variables[part.kind] = _Node()
                    node.variables = {kind: node.variables[kind] for kind in READERS if kind in node.variables}
                node = node.variables[part.kind]
        if node.end is not None:
            return node.end[1]
        node.end = pattern, value
        check_ambiguous(self._root, pattern)
        return None

    def find(self, channel: str) -> tuple[Any, dict[str, Any]] | None:
        """The value that the channel leads to, and the variables of its pattern."""
        if channel in self._exact:
            return self._exact[channel], {}
        found = _find(self._root, channel, 0)
        if found is None:
            return None
        (pattern, value), values = found
        return value, dict(zip(pattern.variables, values, strict=True))


def _find(node: _Node, text: str, position: int) -> tuple[tuple[ChannelPattern, Any], tuple[Any, ...]] | None:
    if position == len(text):
        return None if node.end is None else (node.end, ())
    edge = node.literals.get(text[position])
    if edge is not None and text.startswith(edge[0], position):
        found = _find(edge[1], text, position + len(edge[0]))
        if found is not None:
            return found
    for kind, child in node.variables.items():
        extent = READERS[kind](text, position)
        if extent is not None:
            found = _find(child, text, extent[0])
            if found is not None:
                return found[0], (extent[1], *found[1])
    return None


def _descend(node: _Node, text: str) -> _Node:
    """The node behind the text, made where it is missing."""
    while text:
        edge = node.literals.get(text[0])
        if edge is None:
            child = _Node()
            node.literals[text[0]] = text, child
            return child
        label, child = edge
        shared = next(
            (n for n, (a, b) in enumerate(zip(label, text, strict=False)) if a != b), min(len(label), len(text))
        )
        if shared < len(label):
            middle = _Node()
            middle.literals[label[shared]] = label[shared:], child
            node.literals[text[0]] = label[:shared], middle
            child = middle
        node, text = child, text[shared:]
    return node


def check_ambiguous(root: _Node, pattern: ChannelPattern) -> None:
    """Refuse what the order of specificity does not decide.

    Only int and uuid share a rank, and at one place only one of them fits, unless the int goes on with something that
    a uuid could have there: ``<int:a>-<name>`` beside ``<uuid:b>``.
    """
    node = root
    for part in pattern.parts:
        if isinstance(part, str):
            node = _descend(node, part)
            continue
        if "int" in node.variables and "uuid" in node.variables:
            for text, behind in node.variables["int"].literals.values():
                if set(text) <= _IN_UUID:
                    one, other = _any_pattern(behind), _any_pattern(node.variables["uuid"])
                    raise SetupError(
                        f"patterns {one.text!r} and {other.text!r} can match the same channel, "
                        "and neither is more specific"
                    )
        node = node.variables[part.kind]


def _any_pattern(node: _Node) -> ChannelPattern:
    while node.end is None:
        node = next(iter([*node.variables.values(), *(child for _, child in node.literals.values())]))
    return node.end[0]
