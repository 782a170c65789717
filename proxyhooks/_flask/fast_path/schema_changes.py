"""Notices that a schema was changed after it was compiled: marshmallow itself then loads and dumps.

marshmallow reads its schemas, fields and validators at every load and dump, so there a change counts at once.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from .plain_schemas import SCHEMA_MEMBERS


class SchemaChanges:
    """Writes a function that compares what a compiled schema depends on with what it was.

    The comparison is a part of every load and dump, so it is one expression, which has each object and each attribute
    in it: Python evaluates that in fewer steps than a loop. Most of it is looking up names in dicts, whatever the form.
    """

    def __init__(self) -> None:
        self._scope: dict[str, Any] = {}
        self._conditions: list[str] = []

    def watch(self, owner: object, *names: str) -> None:
        """Watch attributes of an object, and whether it gets or loses any.

        :param names: those that it does not have are left out.
        """
        attributes = vars(owner)
        self._conditions.append(f"len(attributes := {self._name(attributes)}) == {len(attributes)}")
        read_from = self._name(owner)
        for name in names:
            if name not in attributes:
                continue
            # From Python 3.13 on, an attribute takes fewer steps than an item of a dict; before, it takes more.
            read = f"{read_from}.{name}" if sys.version_info >= (3, 13) else f"attributes[{name!r}]"
            value = attributes[name]
            if value == []:
                self._conditions.append(f"not {read}")
            elif isinstance(value, list):  # the same list with other items is a change, too
                # Not ==, which asks the items: one of another class may say that it is equal.
                self._conditions.append(f"len(items := {read}) == {len(value)}")
                self._conditions += [f"items[{n}] is {self._name(item)}" for n, item in enumerate(value)]
            else:
                self._conditions.append(f"{read} is {self._name(value)}")

    def watch_schema(self, schema: Schema, fields: str) -> None:
        """Watch which fields a schema has, its options, and whether its class gets a method of ``Schema``.

        :param fields: the attribute that has the fields: ``load_fields`` or ``dump_fields``.
        """
        self.watch(schema, "unknown", "many", "partial", fields)
        for cls in itertools.takewhile(lambda cls: cls is not Schema, type(schema).__mro__):
            members = self._name(vars(cls))
            self._conditions.append(f"(len({members}) == {len(vars(cls))} or overridable.isdisjoint({members}))")
        by_name = getattr(schema, fields)
        container = self._name(by_name)
        self._conditions.append(f"len({container}) == {len(by_name)}")
        # Not ==, as above.
        self._conditions += [f"{container}[{name!r}] is {self._name(field)}" for name, field in by_name.items()]

    def guarded(self, compiled: Callable[[Any], Any], fallback: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that calls *compiled*, and *fallback* if it raises anything or the schema has changed."""
        # Tracebacks tell by the name that the function is a part of this package.
        scope = self._scope | {"__name__": __name__, "overridable": SCHEMA_MEMBERS}
        scope |= {"compiled": compiled, "fallback": fallback}
        source = f"""
def convert(value):
    try:
        if {" and ".join(self._conditions)}:
            return compiled(value)
    except Exception:  # the fallback raises the exception that the caller gets
        pass
    return fallback(value)
"""
        exec(source, scope)  # noqa: S102  # the scope has all values
        convert: Callable[[Any], Any] = scope["convert"]
        return convert

    def _name(self, value: object) -> str:
        """Text that stands for the value in the source."""
        if value is None or isinstance(value, bool):
            return repr(value)
        name = f"value{len(self._scope)}"
        self._scope[name] = value
        return name
