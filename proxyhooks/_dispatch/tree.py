"""Many patterns in one tree, so that matching a channel takes about as long as with one pattern."""

from __future__ import annotations

from typing import Any

from ..exceptions import SetupError
from .patterns import MATCHERS, ChannelPattern, Part, Variable, with_following

_UUID_CHARACTERS = frozenset("0123456789abcdef-")


class _Node:
    __slots__ = ("edges", "end", "int_pattern", "uuid_pattern", "variables")

    def __init__(self) -> None:
        self.edges: dict[str, tuple[str, _Node]] = {}
        """Fixed text and the node after it, by the first character of the text."""
        self.variables: dict[str, _Node] = {}
        """The node after a variable, by kind, the most specific first."""
        self.end: tuple[ChannelPattern, Any] | None = None
        """The pattern that ends here, and its value."""
        # At most one of these two is set: both patterns together would be ambiguous.
        self.int_pattern: ChannelPattern | None = None
        """A pattern that continues here with an int, and then with text that a UUID could contain."""
        self.uuid_pattern: ChannelPattern | None = None
        """A pattern that continues here with a UUID."""


class PatternTree:
    """Values stored under patterns.

    If several patterns match a channel, the first place where they differ decides: text comes before int and uuid,
    then string, then path. Patterns have the same shape if they differ only in the names of their variables, and so
    match the same channels.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._exact: dict[str, Any] = {}  # patterns without variables, which come before all others

    def find_same_shape(self, pattern: ChannelPattern) -> Any:
        """The value of the stored pattern of the same shape; None if there is none.

        :raises SetupError: if this pattern and a stored one match the same channel, and neither is more specific.
        """
        if not pattern.variables:
            return self._exact.get(pattern.text)
        node: _Node | None = self._root
        for part, following in with_following(pattern):
            assert node is not None
            if isinstance(part, Variable):
                _refuse_ambiguous(node, part, following, pattern)
                node = node.variables.get(part.kind)
            else:
                node = _walk(node, part)
            if node is None:
                return None
        assert node is not None
        return None if node.end is None else node.end[1]

    def add(self, pattern: ChannelPattern, value: Any) -> Any:
        """Store the value and return None; if a pattern of the same shape has a value, return that one instead.

        :raises SetupError: as :meth:`find_same_shape`.
        """
        if (existing := self.find_same_shape(pattern)) is not None:
            return existing
        if not pattern.variables:
            self._exact[pattern.text] = value
            return None
        node = self._root
        for part, following in with_following(pattern):
            if isinstance(part, str):
                node = _grow(node, part)
                continue
            if part.kind not in node.variables:
                node.variables[part.kind] = _Node()
                node.variables = {kind: node.variables[kind] for kind in MATCHERS if kind in node.variables}
            if part.kind == "uuid":
                node.uuid_pattern = pattern
            elif _could_be_in_uuid(part, following):
                node.int_pattern = pattern
            node = node.variables[part.kind]
        node.end = pattern, value
        return None

    def find(self, channel: str) -> tuple[Any, dict[str, Any]] | None:
        """The value of the most specific pattern that matches, and the values of the pattern's variables."""
        if channel in self._exact:
            return self._exact[channel], {}
        match = _find(self._root, channel, 0)
        if match is None:
            return None
        (pattern, value), values = match
        return value, dict(zip(pattern.variables, values, strict=True))


def _find(node: _Node, text: str, position: int) -> tuple[tuple[ChannelPattern, Any], tuple[Any, ...]] | None:
    """The end of the most specific pattern that matches the rest of the text, and the values of its variables."""
    if position == len(text):
        return None if node.end is None else (node.end, ())
    edge = node.edges.get(text[position])
    if edge is not None and text.startswith(edge[0], position):
        found = _find(edge[1], text, position + len(edge[0]))
        if found is not None:
            return found
    for kind, child in node.variables.items():
        match = MATCHERS[kind](text, position)
        if match is not None:
            after_variable, value = match
            found = _find(child, text, after_variable)
            if found is not None:
                end, values = found
                return end, (value, *values)
    return None


def _walk(node: _Node, text: str) -> _Node | None:
    """The node after the text, or ``None`` if the tree has none there."""
    while text:
        edge = node.edges.get(text[0])
        if edge is None or not text.startswith(edge[0]):
            return None
        node, text = edge[1], text[len(edge[0]) :]
    return node


def _grow(node: _Node, text: str) -> _Node:
    """The node after the text, created if the tree has none there."""
    while text:
        edge = node.edges.get(text[0])
        if edge is None:
            child = _Node()
            node.edges[text[0]] = text, child
            return child
        label, child = edge
        shared = next(
            (n for n, (a, b) in enumerate(zip(label, text, strict=False)) if a != b), min(len(label), len(text))
        )
        if shared < len(label):
            middle = _Node()
            middle.edges[label[shared]] = label[shared:], child
            node.edges[text[0]] = label[:shared], middle
            child = middle
        node, text = child, text[shared:]
    return node


def _could_be_in_uuid(variable: Variable, following: Part | None) -> bool:
    """Whether the variable is an int, and a UUID may continue with the text that follows the variable."""
    return variable.kind == "int" and isinstance(following, str) and set(following) <= _UUID_CHARACTERS


def _refuse_ambiguous(node: _Node, variable: Variable, following: Part | None, pattern: ChannelPattern) -> None:
    """Refuse a pattern if the order of specificity does not decide between it and another one.

    Only int and uuid are equally specific. Both can match at the same place only if the text after the int could be
    part of a UUID, as in ``<int:a>-<name>`` beside ``<uuid:b>``.
    """
    other = None
    if variable.kind == "uuid":
        other = node.int_pattern
    elif _could_be_in_uuid(variable, following):
        other = node.uuid_pattern
    if other is not None:
        raise SetupError(
            f"patterns {other.text!r} and {pattern.text!r} can match the same channel, and neither is more specific"
        )
