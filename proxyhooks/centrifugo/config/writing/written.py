"""A configuration as it is written: finds and changes values where Centrifugo finds them.

Centrifugo reads keys without regard to case. Outside of lists, ``"client.proxy"`` is the key ``proxy`` in ``client``. A
change therefore goes to the key that is there, in its spelling.
"""

from __future__ import annotations

from typing import Any

from ..reading.nesting import Keys, find_key, joined_keys, spelling_of, spellings
from ..tree import Config
from .places import Place


class WrittenConfig:
    """A tree as a file has it; changes are made in place."""

    def __init__(self, tree: Config) -> None:
        self.tree = tree

    def set(self, place: Place, value: Any) -> None:
        """Set a value; objects and items on the way are added."""
        owner = self._item(place) if place.list_keys else self.tree
        dotted = not place.list_keys
        headers = _listed_headers(owner, place.keys, dotted) if place.is_header else None
        if headers is not None:
            _set_listed(headers, place.keys[-1], value)
        elif found := find_key(owner, place.keys, dotted=dotted):
            container, key = found
            for written in spellings(container, key):
                container[written] = value
        elif place.keys:
            _add(owner, place.keys, value, dotted)

    def remove(self, place: Place) -> None:
        """Remove a value, or an item of a list; nothing happens if there is none."""
        if place.list_keys and not place.keys:
            items = self._items(place.list_keys)
            items[:] = [item for item in items if not item or _name_of(item) != place.name]
            return
        owner = self._item(place) if place.list_keys else self.tree
        dotted = not place.list_keys
        headers = _listed_headers(owner, place.keys, dotted) if place.is_header else None
        if headers is not None:
            headers[:] = [item for item in headers if _header_name(item) != place.keys[-1].lower()]
        else:
            _remove(owner, place.keys, dotted)

    def _item(self, place: Place) -> Config:
        """The item with the name; it is added if there is none."""
        items = self._items(place.list_keys)
        for item in items:
            if item and _name_of(item) == place.name:
                return item
        items.append({"name": place.name})
        return items[-1]

    def _items(self, keys: Keys) -> list[Config]:
        """The list at these keys, which may have nulls; it is added if there is none."""
        found = find_key(self.tree, keys)
        value = found[0][found[1]] if found else None
        if isinstance(value, list):
            return value
        # Centrifugo reads an object in place of a list as its one item.
        items: list[Config] = [value] if value else []
        self.set(Place(keys), items)
        return items


def _add(container: Config, keys: Keys, value: Any, dotted: bool) -> None:
    """Set a value that is not there, as near to what is there as possible."""
    container, (*parents, key) = _nearest(container, keys, dotted)
    for parent in parents:
        below: Config = {}
        container[spelling_of(container, parent)] = below
        container = below
    container[spelling_of(container, key)] = value


def _remove(container: Config, keys: Keys, dotted: bool) -> None:
    """Remove a value in all its spellings, with what is below it."""
    wanted = [key.lower() for key in keys]
    for written in list(container):
        names = written.lower().split(".") if dotted else [written.lower()]
        if names[: len(wanted)] == wanted:
            del container[written]
        elif wanted[: len(names)] == names and isinstance(container[written], dict):
            _remove(container[written], keys[len(names) :], dotted)


def _nearest(container: Config, keys: Keys, dotted: bool) -> tuple[Config, Keys]:
    """The object that is nearest to the value, and the keys that are missing."""
    candidates = [(container, keys)]
    for first, rest in joined_keys(container, keys, dotted=dotted):
        value = container.get(first)
        if rest and isinstance(value, dict):
            candidates.append(_nearest(value, rest, dotted))
    return min(candidates, key=lambda candidate: len(candidate[1]))


def _listed_headers(owner: Config, keys: Keys, dotted: bool) -> list[Config] | None:
    """The static headers that have the key, if they are written as a list of key and value."""
    found = find_key(owner, keys[:-1], dotted=dotted)
    value = found[0][found[1]] if found else None
    return value if isinstance(value, list) else None


def _set_listed(headers: list[Config], name: str, value: str) -> None:
    same = [item for item in headers if _header_name(item) == name.lower()]
    for item in same:
        item[spelling_of(item, "value")] = value
    if not same:
        headers.append({"key": name, "value": value})


def _header_name(item: Config) -> str:
    return str(item[spelling_of(item, "key")]).lower()


def _name_of(item: Config) -> str:
    """The name as Centrifugo reads it: a number counts as its digits."""
    return str(item.get(spelling_of(item, "name"), ""))
