"""YAML as Centrifugo's library ``go.yaml.in/yaml/v3`` reads it. Needs PyYAML, which parses the text."""

from __future__ import annotations

import base64
import copy
import datetime
import importlib
import re
from typing import Any, Final

from .scalars import format_float, read_int

_PREFIX: Final = "tag:yaml.org,2002:"
_PLAIN: Final = "plain"
"""The tag of a scalar without quotes and without a tag, whose text decides its type."""
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt](?=.*(?:Z|[-+][0-9]{2}:[0-9]{2})$)| (?!.*[-+Z]))"
    r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_QUOTED_NAME: Final = re.compile(r"(?<=alias|nchor|andle) ['\"].*")
"""The name in a message: a password that begins with * or & and has no quotes is one."""
_LINE_ENDS: Final = "\0\r\n\x85\u2028\u2029"
_TYPES: Final[dict[type, str]] = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}


class Timestamp:
    """A date or a time, which no key of Centrifugo takes."""


class NotYaml(ValueError):
    """The text is not YAML by Go's rules."""


def load_yaml(text: str) -> tuple[Any, list[tuple[int, str]]]:
    """The first document of a text, and the line of each key that one of its objects has twice.

    :raises ValueError: if it cannot be read, or PyYAML is missing.
    """
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ValueError("YAML needs PyYAML: pip install pyyaml") from None

    try:
        loader = _loader(yaml, text)
        node = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        # The whole message quotes the text, in which secrets may be.
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED_NAME.sub("", error.problem or error.context)
        raise NotYaml(f"{problem} (at line {mark.line + 1}, column {mark.column + 1})") from None
    except yaml.YAMLError as error:
        raise NotYaml(str(error)) from None
    builder = _Builder(yaml)
    return (None if node is None else builder.value(node, is_root=True)), builder.duplicates


def _loader(yaml: Any, text: str) -> Any:
    """A parser of YAML that keeps whether the text of a scalar decides its type."""

    class Loader(yaml.SafeLoader):
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            return _PLAIN if kind is yaml.ScalarNode and implicit[0] else f"{_PREFIX}str"

        def scan_to_next_token(self) -> None:
            super().scan_to_next_token()
            # Go takes tabs between tokens, though not as an indentation.
            while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
                self.forward()
                super().scan_to_next_token()

        def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
            length = 0
            while self.peek(length) in (" ", "\t"):
                length += 1
            spaces = self.prefix(length)
            if "\t" not in spaces:
                return super().scan_plain_spaces(indent, start_mark)
            # Go takes tabs in a text without quotes, too.
            self.forward(length)
            return super().scan_plain_spaces(indent, start_mark) if self.peek() in _LINE_ENDS else [spaces]

        def compose_node(self, parent: Any, index: Any) -> Any:
            is_alias = self.check_event(yaml.AliasEvent)
            node = super().compose_node(parent, index)
            if is_alias:
                node = copy.copy(node)
                node.is_alias = True
            return node

        def process_directives(self) -> Any:
            directives = super().process_directives()
            if self.yaml_version not in (None, (1, 1)):
                raise NotYaml(
                    f"%YAML {'.'.join(map(str, self.yaml_version))} is not the version that Centrifugo reads, 1.1"
                )
            return directives

    return Loader(text)


class _Builder:
    """Makes values of the nodes of a document."""

    def __init__(self, yaml: Any) -> None:
        self._yaml = yaml
        self._open: set[int] = set()
        self._count = self._repeated = self._depth = 0
        self.duplicates: list[tuple[int, str]] = []

    def value(self, node: Any, *, is_root: bool = False) -> Any:
        is_alias = hasattr(node, "is_alias")
        if is_alias:
            self._count_value()  # the alias, before what it stands for
            self._depth += 1
        try:
            self._count_value()
            return self._value(node, is_root)
        finally:
            self._depth -= is_alias

    def _count_value(self) -> None:
        # As Go counts, which so refuses a few lines that stand for millions of values.
        self._count += 1
        self._repeated += self._depth > 0
        allowed = 0.99 - 0.89 * min(max(self._count - 400_000, 0) / 3_600_000, 1)
        if self._repeated > 100 and self._count > 1000 and self._repeated > allowed * self._count:
            raise NotYaml("anchors are repeated too often")

    def _value(self, node: Any, is_root: bool) -> Any:
        if isinstance(node, self._yaml.ScalarNode):
            return _scalar(node)
        if id(node.value) in self._open:  # which an alias shares
            raise NotYaml(f"line {_line(node)}: an anchor's value contains itself")
        self._open.add(id(node.value))
        try:
            if isinstance(node, self._yaml.SequenceNode):
                return [self.value(item) for item in node.value]
            return self._mapping(node, is_root)
        finally:
            self._open.remove(id(node.value))

    def _mapping(self, node: Any, is_root: bool) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[Any] = []
        seen: set[tuple[type, Any]] = set()
        for key_node, value_node in node.value:
            is_scalar = isinstance(key_node, self._yaml.ScalarNode)
            identity = (type(key_node), key_node.value if is_scalar else "")
            if identity in seen:
                self.duplicates.append((_line(key_node), identity[1]))
            seen.add(identity)
            if is_scalar and key_node.value == "<<" and key_node.tag in (_PLAIN, f"{_PREFIX}merge"):
                merged.append(value_node)
                continue
            key = self.value(key_node)
            if isinstance(key, (dict, list)):
                raise NotYaml(f"line {_line(key_node)}: a key must be a text")
            if key is None and is_root:
                continue
            # Go keeps the text of a key on the top level, and converts the others.
            result[key_node.value if is_root else _key_text(key)] = self.value(value_node)
        for source in merged:
            for inherited in self._merged(source):
                for key, value in inherited.items():
                    result.setdefault(key, value)
        return result

    def _merged(self, node: Any) -> list[dict[str, Any]]:
        items = node.value if isinstance(node, self._yaml.SequenceNode) else [node]
        if not all(isinstance(item, self._yaml.MappingNode) for item in items):
            raise NotYaml(f"line {_line(node)}: << takes an object or a list of objects")
        return [self.value(item) for item in items]


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, float):
        return format_float(key)
    return "" if key is None else str(key)


def _scalar(node: Any) -> Any:
    text, tag = str(node.value), str(node.tag)
    if tag == f"{_PREFIX}str":
        return text
    if tag == f"{_PREFIX}binary":
        try:
            return base64.b64decode("".join(text.splitlines()), validate=True).decode("utf-8", "replace")
        except ValueError:
            raise NotYaml(f"line {_line(node)}: !!binary needs base64") from None
    value = _plain(text)
    wanted = tag.removeprefix(_PREFIX)
    if tag == _PLAIN:
        return value
    if wanted not in ("bool", "int", "float", "null", "timestamp"):
        return text
    found = _TYPES.get(type(value), "timestamp")
    if found == "int" and wanted == "float":
        return float(value)
    if found != wanted:
        raise NotYaml(f"line {_line(node)}: !!{found} cannot be !!{wanted}")
    return value


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:  # such as the 13th month
        return False
    return True


def _plain(text: str) -> Any:
    """The value of a text without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "+-.0123456789":
        return text
    if _is_timestamp(text):
        return Timestamp()
    plain = text if text[0] == "." else text.replace("_", "")
    if text[0] != ".":
        number = read_int(plain, 64)
        number = read_int(plain, -64) if number is None else number
        if number is not None:
            return number
    return float(plain) if _FLOAT.fullmatch(plain) else text
