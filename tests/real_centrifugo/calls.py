"""What the application says it was asked, for what a client cannot see."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.real_centrifugo.client import PATIENCE

Call = dict[str, Any]


class Calls:
    """The lines that the application has written, each the fields of a request and its event."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: str, *, after: Call | None = None, **fields: Any) -> list[Call]:
        """The calls so far that have these fields, in their order; only those after another one if it is given."""
        text = self.path.read_text() if self.path.exists() else ""
        calls = [{**json.loads(line), "position": position} for position, line in enumerate(text.splitlines())]
        first = 0 if after is None else after["position"] + 1
        wanted = {"event": event, **fields}
        return [call for call in calls[first:] if all(call.get(key) == value for key, value in wanted.items())]

    def wait(self, event: str, *, count: int = 1, after: Call | None = None, **fields: Any) -> list[Call]:
        """The calls with these fields when there are as many."""
        give_up = time.monotonic() + PATIENCE
        while len(found := self(event, after=after, **fields)) < count:
            assert time.monotonic() < give_up, f"{len(found)} of {count} calls of {event} with {fields}"
            time.sleep(0.02)
        return found


_run = uuid4().hex[:8]
_numbers = itertools.count(1)


def unique_name() -> str:
    """A user or a channel that no other test has, so that each finds its own calls alone."""
    return f"{_run}-{next(_numbers)}"
