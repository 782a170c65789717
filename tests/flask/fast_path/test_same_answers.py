"""Through the fast path and through Flask: the same replies, with the same side effects in the same order."""

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
from flask.ctx import RequestContext

from proxyhooks._flask.fast_path.supported import Level
from proxyhooks._flask.fast_path.wsgi import FastPath, _unseen_response
from tests.support.fast_path import level_forced

from .plans import Application
from .requests import EVENTS, environ

CASES = int(os.environ.get("PROXYHOOKS_CASES", "6000"))
PER_APPLICATION = 20
VARYING = re.compile("Expires=[^;]*|(?<= at )0x[0-9a-f]+|(?<=<)Lazy(?=RequestContext )")
"""What differs between any two runs: times of cookies, addresses in memory, and the class of the context."""


class Immediately(ThreadPoolExecutor):
    """Runs functions at once, so that what happens after the reply has the same place in every trace."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        return Future()


@pytest.fixture(autouse=True)
def nothing_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyhooks._flask.background._executor", Immediately())
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: 1_800_000_000)


class Log(logging.Handler):
    """The package's log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


@pytest.mark.parametrize("level", Level)
def test_of_generated_applications_and_requests(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    log, count = Log(), count_of_fast_requests(monkeypatch)
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "handlers", [log])
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "level", logging.INFO)
    # pytest adds its own handlers only now; they would keep all records of the test.
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    with level_forced(level):
        for number in range(CASES // PER_APPLICATION):
            compare(f"plan {number}", log)
    # The middleware rejects most of the others, or their applications change what the fast path replaces.
    assert count["dispatched"] > CASES // 2 if level is not Level.OFF else not count
    assert (count["without a response"] > CASES // 50) == (level is not Level.OFF)
    assert (count["without a request"] > CASES // 50) == (level is Level.FULL)


def count_of_fast_requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the requests that take the fast path, and those for which Flask's response and request are not created."""
    count: Counter[str] = Counter()
    dispatch = FastPath._dispatch

    def counted(self: FastPath, ctx: RequestContext, *args: Any) -> Any:
        count["dispatched"] += 1
        response = dispatch(self, ctx, *args)
        count["without a response"] += response is _unseen_response
        count["without a request"] += "request" not in vars(ctx)
        return response

    monkeypatch.setattr(FastPath, "_dispatch", counted)
    return count


def compare(plan: str, log: Log) -> None:
    """Compare two applications of one plan, one with the fast path and one without."""
    applications = [Application(plan, fast=True), Application(plan, fast=False)]
    chance = random.Random(plan)
    usual = chance.choice([*EVENTS[:-1], "rpc"])  # not the event without a hook
    for number in range(PER_APPLICATION):
        request = environ(chance, usual)
        outcomes: list[Any] = []
        for application in applications:
            log.lines.clear()
            application.trace.clear()
            reply = application.ask(f"{plan} {number}", request)
            lines = [line for line in log.lines if "the whole way" not in line[1]]
            outcomes.append((reply, application.trace, lines))
        for fast, slow in zip(*outcomes, strict=True):
            fast, slow = (VARYING.sub("", repr(part)) for part in (fast, slow))
            assert fast == slow, f"{plan}, request {number}: {request}\n{fast}\n{slow}"
