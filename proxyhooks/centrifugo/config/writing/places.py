"""Names places in a configuration, also in the named items of its lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ..keys import NAMED
from ..reading.nesting import Keys
from ..static_headers import STATIC_HEADERS
from ..tree import Config, value_at


class Place(NamedTuple):
    """Where a value is: its keys in the configuration, or in a named item of a list."""

    keys: Keys
    list_keys: Keys = ()
    """The keys of the list; empty: none."""
    name: str = ""
    """The name of the item."""

    def __str__(self) -> str:
        item = f"{'.'.join(self.list_keys)}[{self.name}]" if self.list_keys else ""
        return ".".join(filter(None, (item, *self.keys)))

    @property
    def is_header(self) -> bool:
        """Whether this is one of the static headers."""
        return ".".join(self.keys[-3:-1]) == STATIC_HEADERS

    def below(self, *keys: str) -> Place:
        return self._replace(keys=(*self.keys, *keys))

    def value_in(self, config: Config) -> Any:
        """The value in a typed tree, or ``None``."""
        value: Any = config
        if self.list_keys:
            items = value_at(config, ".".join(self.list_keys)) or []
            value = next((item for item in items if item.get("name") == self.name), None)
        for key in self.keys:
            if not isinstance(value, dict):
                return None
            # Only the names of static headers have capitals.
            value = next((member for name, member in value.items() if name.lower() == key.lower()), None)
        return value


_ROOT: Final = Place(())


def values_by_place(config: Config, place: Place = _ROOT) -> Iterator[tuple[Place, Any]]:
    """Yield each value of a typed tree that is no object, with its place."""
    for key, value in config.items():
        below = place.below(key)
        if not place.list_keys and ".".join(below.keys) in NAMED:
            for item in value:
                yield from values_by_place(item, Place((), below.keys, str(item.get("name", ""))))
        elif isinstance(value, dict):
            yield from values_by_place(value, below)
        else:
            yield below, value
