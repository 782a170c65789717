"""The short way and Flask's own give the same answers, with the same side effects in the same order."""

from __future__ import annotations

import logging
import os
import random
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from proxyhooks._fast._way import Way

from .plans import Application
from .requests import environ

CASES = int(os.environ.get("PROXYHOOKS_CASES", "6000"))
PER_APPLICATION = 20
OTHERWISE = re.compile("Expires=[^;]*|(?<= at )0x[0-9a-f]+|(?<=<)(Short|Request)(?=Context )")
"""What is never the same: times of cookies, where in memory an object is, and the class of the context."""


class Immediately(ThreadPoolExecutor):
    """Runs what is to be done after the reply at once, so that its place in the trace is the same every time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        return Future()


@pytest.fixture(autouse=True)
def nothing_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyhooks._after._executor", Immediately())
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: 1_800_000_000)


class Lines(logging.Handler):
    """What the package logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelname, record.getMessage()))


def test_of_generated_applications_and_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, short = Lines(), 0
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "handlers", [lines])
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "level", logging.INFO)
    # pytest's own handlers, which are here only now, keep what they get, and all that is in it, until the test ends.
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    for number in range(CASES // PER_APPLICATION):
        short += compare(f"plan {number}", lines)
    # Otherwise one way was compared with itself.
    assert short > CASES // PER_APPLICATION // 2


def compare(plan: str, lines: Lines) -> bool:
    """Compare the two ways of one plan; return whether there were two."""
    ways = [Application(plan, fast=True), Application(plan, fast=False)]
    chance = random.Random(plan)
    for number in range(PER_APPLICATION):
        request = environ(chance)
        replies: list[Any] = []
        for way in ways:
            lines.said.clear()
            way.trace.clear()
            reply = way.ask(f"{plan} {number}", request)
            replies.append((reply, way.trace, [line for line in lines.said if "the whole way" not in line[1]]))
        for one, other in zip(*replies, strict=True):
            one, other = (OTHERWISE.sub("", repr(what)) for what in (one, other))
            assert one == other, f"{plan}, request {number}: {request}\n{one}\n{other}"
    return isinstance(ways[0].app.extensions["proxyhooks"].guard.way, Way)
