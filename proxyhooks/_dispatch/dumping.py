"""Dump payloads through marshmallow schemas, and raise where marshmallow would dump something else without a word.

marshmallow takes any value for an object, and leaves out each field that it does not find there. So a list becomes
``{}`` if the schema is one for a single object, and a dict becomes a list of ``{}`` if the schema has ``many=True``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import Schema
from werkzeug.exceptions import HTTPException

from ..exceptions import Rejection
from .dump_checks import DumpedValue, SchemaCheck


class Dumper:
    """Dumps values through a schema.

    :param name: how error texts call the value, such as ``data``.
    """

    def __init__(self, schema: Schema, name: str) -> None:
        self.schema = schema
        self.dump: Callable[[Any], Any] = lambda value: schema.dump(value)
        """May be replaced by a function that does the same."""
        self._name = name
        self._check: SchemaCheck | None = None

    def __call__(self, value: Any) -> Any:
        """Dump the value.

        :raises ValueError: if it does not fit the schema. The text says what does not, and the remedy.
        :raises Exception: if the schema raises one.
        """
        # Not in __init__, since a nested schema that has only a name may be defined later.
        check = self._check = self._check or SchemaCheck(self.schema)
        many = self.schema.many
        if many and isinstance(value, Iterator):
            value = list(value)  # it is read several times
        if (problem := check.wrong_value(self._name, value, many)) is not None:
            raise ValueError(problem)
        try:
            dumped = self.dump(value)
        except (Rejection, HTTPException):
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            text = f"{self._name} cannot be dumped by {type(self.schema).__name__}: {type(error).__name__}: {error}"
            raise ValueError(text) from error
        if check.is_clear(dumped, many):
            return dumped
        if (problem := DumpedValue(self._name, value).problem(check, many, dumped, ())) is not None:
            raise ValueError(problem)
        return dumped
