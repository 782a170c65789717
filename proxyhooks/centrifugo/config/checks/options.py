"""Reads options of the typed configuration: an option that is not set has Centrifugo's default, or is zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from ...go.duration import Duration
from ..keys import default_of
from ..tree import Config, objects_at, value_at

T = TypeVar("T")
ZERO = Duration(0)


@dataclass(frozen=True, slots=True)
class Options:
    """An object of the configuration. Keys are relative to it, and may have dots."""

    values: Config
    path: str = ""
    """Where the object is; empty for the configuration as a whole."""

    @property
    def name(self) -> str:
        """The name of an item of a list; empty if it has none."""
        return str(self.values.get("name", ""))

    def path_of(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str) -> str:
        return self._value(key, str, "")

    def is_on(self, key: str) -> bool:
        return self._value(key, bool, False)

    def number(self, key: str) -> int:
        return self._value(key, int, 0)

    def duration(self, key: str) -> Duration:
        return self._value(key, Duration, ZERO)

    def texts(self, key: str) -> list[str]:
        # Centrifugo sets the default only if there is no list: an empty one stays empty.
        value = value_at(self.values, key)
        if value is None:
            value = default_of(self.path_of(key))
        return list(value) if isinstance(value, list) else []

    def below(self, key: str) -> Options:
        """The object at a key; an empty one if there is none."""
        value = value_at(self.values, key)
        return Options(value if isinstance(value, dict) else {}, self.path_of(key))

    def each(self, key: str) -> Iterator[Options]:
        """The objects in the list at a key."""
        for index, item in objects_at(self.values, key):
            yield Options(item, f"{self.path_of(key)}[{index}]")

    def _value(self, key: str, kind: type[T], zero: T) -> T:
        value = value_at(self.values, key)
        if value is None:
            value = default_of(self.path_of(key))
        return value if isinstance(value, kind) else zero


def namespaces_in(root: Options, section: str) -> Iterator[Options]:
    """The options of the channels (or methods) without a namespace, then those of each namespace."""
    yield root.below(f"{section}.without_namespace")
    yield from root.each(f"{section}.namespaces")
