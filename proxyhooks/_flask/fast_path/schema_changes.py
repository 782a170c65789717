"""Notices that a schema was changed after it was compiled: marshmallow itself then loads and dumps.

marshmallow reads its schemas, fields and validators at every load and dump, so there a change counts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from marshmallow import Schema


class SchemaChanges:
    """What a compiled schema depends on, and what it was when the schema was compiled.

    Most of the comparison is done in C, as it is part of every load and dump.
    """

    def __init__(self) -> None:
        self._attributes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        """The attributes of the watched objects, by the names of those that must stay the same."""
        self._lists: list[list[Any]] = []
        self._fields: list[Any] = []

    def watch(self, owner: object, *names: str) -> None:
        """Watch attributes of an object, and whether it gets or loses any.

        :param names: those that it does not have are left out.
        """
        attributes = vars(owner)
        self._attributes.setdefault(tuple(name for name in names if name in attributes), []).append(attributes)

    def watch_list(self, items: list[Any]) -> None:
        """Watch which items a list has."""
        self._lists.append(items)

    def watch_schema(self, schema: Schema, fields: str) -> None:
        """Watch which fields a schema has, and its options.

        :param fields: the attribute that has the fields: ``load_fields`` or ``dump_fields``.
        """
        self.watch(schema, "unknown", "many", "partial", fields)
        self._fields.append(getattr(schema, fields).values())

    def compiled(self) -> Callable[[], bool]:
        """Return a function that says whether anything has changed."""
        rows: list[tuple[Callable[[Any], Any], list[Any], list[Any]]] = [
            (itemgetter(*names), owners, []) for names, owners in self._attributes.items()
        ]
        rows.append((len, [one for owners in self._attributes.values() for one in owners], []))
        rows.append((list, self._fields, []))
        for read, owners, before in rows:
            before += map(read, owners)
        lists, copies = self._lists, [items.copy() for items in self._lists]

        def has_changed() -> bool:
            for read, owners, before in rows:  # a generator takes longer
                if list(map(read, owners)) != before:
                    return True
            return lists != copies

        return has_changed
