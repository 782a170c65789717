"""The short way and Flask's own give the same answers, with the same side effects in the same order."""

from __future__ import annotations

import logging
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from proxyhooks._flask.fast_path.lazy_context import LazyRequestContext

from .plans import Application
from .requests import EVENTS, environ

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
    monkeypatch.setattr("proxyhooks._flask.background._executor", Immediately())
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: 1_800_000_000)


class Lines(logging.Handler):
    """What the package logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelname, record.getMessage()))


def test_of_generated_applications_and_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, short = Lines(), count_of_short_ways(monkeypatch)
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "handlers", [lines])
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "level", logging.INFO)
    # pytest's own handlers, which are here only now, keep what they get, and all that is in it, until the test ends.
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    for number in range(CASES // PER_APPLICATION):
        compare(f"plan {number}", lines)
    # Of the rest most go no further than the guard, or belong to applications that have no short way.
    assert short["begun"] > CASES // 2
    assert short["unseen"] > CASES // 50


def count_of_short_ways(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many requests took the short way, and for how many of them Flask's request was not even made."""
    count: Counter[str] = Counter()
    end = LazyRequestContext.end

    def counted(self: LazyRequestContext, exc: BaseException | None) -> None:
        count["begun"] += 1
        count["unseen"] += "request" not in vars(self)
        end(self, exc)

    monkeypatch.setattr(LazyRequestContext, "end", counted)
    return count


def compare(plan: str, lines: Lines) -> None:
    """Compare the two ways of one plan."""
    ways = [Application(plan, fast=True), Application(plan, fast=False)]
    chance = random.Random(plan)
    usual = chance.choice([*EVENTS[:-1], "rpc"])  # not the one that is not served
    for number in range(PER_APPLICATION):
        request = environ(chance, usual)
        replies: list[Any] = []
        for way in ways:
            lines.said.clear()
            way.trace.clear()
            reply = way.ask(f"{plan} {number}", request)
            replies.append((reply, way.trace, [line for line in lines.said if "the whole way" not in line[1]]))
        for one, other in zip(*replies, strict=True):
            one, other = (OTHERWISE.sub("", repr(what)) for what in (one, other))
            assert one == other, f"{plan}, request {number}: {request}\n{one}\n{other}"
