"""Notices that a schema was changed after it was compiled: marshmallow itself then loads and dumps.

marshmallow reads its schemas, fields and validators at every load and dump, so there a change counts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from marshmallow import Schema


class SchemaChanges:
    """Writes a function that compares what a compiled schema depends on with what it was.

    The function is a part of every load and dump, so it has a line for each object that it compares: Python runs such
    lines faster than a loop.
    """

    def __init__(self) -> None:
        self._scope: dict[str, Any] = {}
        self._lines = ["def has_changed():"]

    def watch(self, owner: object, *names: str) -> None:
        """Watch attributes of an object, and whether it gets or loses any.

        :param names: those that it does not have are left out.
        """
        attributes = vars(owner)
        read = self._scope_name(attributes)
        different = [f"len({read}) != {len(attributes)}"]
        for name in names:
            value = attributes.get(name)
            if value == []:
                different.append(f"{read}[{name!r}]")  # the empty list may get items
            elif name in attributes:
                different.append(f"{read}[{name!r}] is not {self._scope_name(value)}")
                if isinstance(value, list):
                    different += self._differences_of_items(value, enumerate(value))
        self._return_true_if(different)

    def watch_schema(self, schema: Schema, fields: str) -> None:
        """Watch which fields a schema has, and its options.

        :param fields: the attribute that has the fields: ``load_fields`` or ``dump_fields``.
        """
        self.watch(schema, "unknown", "many", "partial", fields)
        by_name = getattr(schema, fields)
        names = {self._scope_name(name): field for name, field in by_name.items()}
        self._return_true_if(self._differences_of_items(by_name, names.items()))

    def compiled(self) -> Callable[[], bool]:
        """Return a function that says whether anything has changed. It raises an exception if something is gone."""
        exec("\n".join([*self._lines, " return False"]), self._scope)  # noqa: S102  # the scope has all values
        has_changed: Callable[[], bool] = self._scope["has_changed"]
        return has_changed

    def _return_true_if(self, different: list[str]) -> None:
        self._lines.append(f" if {' or '.join(different)}: return True")

    def _differences_of_items(self, container: Any, items: Iterable[tuple[object, object]]) -> list[str]:
        """Expressions for a container with other items.

        :param items: each with the text for its key.
        """
        read = self._scope_name(container)
        different = [f"{read}[{key}] is not {self._scope_name(item)}" for key, item in items]
        return [f"len({read}) != {len(container)}", *different]

    def _scope_name(self, value: object) -> str:
        """Text that stands for the value in the source."""
        if value is None or isinstance(value, bool):
            return repr(value)
        name = f"value{len(self._scope)}"
        self._scope[name] = value
        return name
