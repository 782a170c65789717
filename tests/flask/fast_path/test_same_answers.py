"""Through the fast path and through Flask: the same replies, with the same side effects in the same order."""

from __future__ import annotations

import logging
import os
import random
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from proxyhooks._flask.background_queue import BackgroundQueue, BackgroundTask
from proxyhooks._flask.fast_path.flask_context import CallContext
from proxyhooks._flask.fast_path.supported import Level
from proxyhooks._flask.fast_path.wsgi import FastPath, _unseen_response
from tests.support.fast_path import level_forced

from .generated_apps import GeneratedApp
from .generated_requests import EVENTS, environ

REQUESTS = int(os.environ.get("PROXYHOOKS_CASES", "6000"))
REQUESTS_PER_APP = 20
DIFFERS_IN_ANY_TWO_RUNS = re.compile("Expires=[^;]*|(?<= at )0x[0-9a-f]+|(?<=<)Lazy(?=RequestContext )")
"""Times of cookies, addresses in memory, and the class of the context."""


@pytest.fixture(autouse=True)
def no_threads_and_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that after_reply functions have the same place in every trace.
    monkeypatch.setattr("proxyhooks._flask.background.BackgroundQueue.submit", run_at_once)
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: 1_800_000_000)


def run_at_once(queue: BackgroundQueue, tasks: Iterable[BackgroundTask]) -> None:
    for task in tasks:
        queue._run_task(task)


class LogLines(logging.Handler):
    """Collects the lines of the package's log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


@pytest.mark.usefixtures("log_without_rate_limit")
@pytest.mark.parametrize("level", Level)
def test_of_generated_apps_and_requests(
    level: Level, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log, count = LogLines(), count_fast_requests(monkeypatch)
    monkeypatch.setattr(logging.getLogger("proxyhooks"), "handlers", [log])
    caplog.set_level(logging.INFO, "proxyhooks")
    # pytest adds its own handlers only now; they would keep all records of the test.
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    with level_forced(level):
        for number in range(REQUESTS // REQUESTS_PER_APP):
            compare(f"app {number}", log)
    # The middleware rejects some requests, and some apps change what the fast path replaces.
    assert count["dispatched"] > REQUESTS // 2 if level is not Level.OFF else not count
    assert (count["without a response"] > REQUESTS // 50) == (level is not Level.OFF)
    assert (count["without a request"] > REQUESTS // 50) == (level is Level.FULL)


def count_fast_requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the requests that take the fast path, and those for which Flask's response and request are not created."""
    count: Counter[str] = Counter()
    dispatch = FastPath._dispatch

    def counted(self: FastPath, ctx: CallContext, *args: Any) -> Any:
        count["dispatched"] += 1
        response = dispatch(self, ctx, *args)
        count["without a response"] += response is _unseen_response
        count["without a request"] += "request" not in vars(ctx)
        return response

    monkeypatch.setattr(FastPath, "_dispatch", counted)
    return count


def compare(seed: str, log: LogLines) -> None:
    """Compare two apps of one seed, one with the fast path and one without."""
    apps = [GeneratedApp(seed, fast=True), GeneratedApp(seed, fast=False)]
    rng = random.Random(seed)
    usual_event = rng.choice([*EVENTS[:-1], "rpc"])  # not the event without a hook
    for number in range(REQUESTS_PER_APP):
        request = environ(rng, usual_event)
        outcomes: list[Any] = []
        for app in apps:
            log.lines.clear()
            app.trace.clear()
            reply = app.send(f"{seed} {number}", request)
            lines = [line for line in log.lines if "the fast path is off" not in line[1]]
            outcomes.append((reply, app.trace, lines))
        for fast, slow in zip(*outcomes, strict=True):
            fast, slow = (DIFFERS_IN_ANY_TWO_RUNS.sub("", repr(part)) for part in (fast, slow))
            assert fast == slow, f"{seed}, request {number}: {request}\n{fast}\n{slow}"
