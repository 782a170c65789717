"""The calls that the application has recorded, for tests of what a client cannot see."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.waiting import wait_until

Call = dict[str, Any]


class Calls:
    """A file to which the application appends a line for each call: its event and the fields of the request."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: str, *, after: Call | None = None, **fields: Any) -> list[Call]:
        """The calls so far that have these fields, in their order.

        :param after: only calls later than this one.
        """
        text = self.path.read_text() if self.path.exists() else ""
        calls = [{**json.loads(line), "position": position} for position, line in enumerate(text.splitlines())]
        first = 0 if after is None else after["position"] + 1
        wanted = {"event": event, **fields}
        return [call for call in calls[first:] if all(call.get(key) == value for key, value in wanted.items())]

    def wait(self, event: str, *, count: int = 1, after: Call | None = None, **fields: Any) -> list[Call]:
        """Wait until there are at least *count* calls with these fields, and return them."""
        found: list[Call] = []

        def enough() -> bool:
            found[:] = self(event, after=after, **fields)
            return len(found) >= count

        wait_until(enough, f"{count} calls of {event} with {fields}")
        return found


_run = uuid4().hex[:8]
_numbers = itertools.count(1)


def unique_name() -> str:
    """A name of a user or channel that no other test uses, so that a test finds only its own calls."""
    return f"{_run}-{next(_numbers)}"
