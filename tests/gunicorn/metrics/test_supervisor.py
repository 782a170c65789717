"""The master starts the metrics process again."""

from __future__ import annotations

import errno
import logging
import os
import signal
from collections.abc import Iterator
from typing import NoReturn

import pytest

from proxyhooks.gunicorn.metrics.supervisor import Supervisor

NO_PROCESS = 2**22 + 1
"""Above the highest number that Linux gives to a process."""


@pytest.fixture
def sigchld_kept() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, handler)


@pytest.mark.usefixtures("sigchld_kept")
def test_a_master_that_cannot_fork_goes_on_and_tries_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[int | OSError] = [NO_PROCESS, OSError(errno.EAGAIN, "no more processes"), NO_PROCESS + 1]

    def fork() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def run(pause: float) -> NoReturn:
        raise AssertionError("this is not the new process")

    monkeypatch.setattr(os, "fork", fork)
    Supervisor(logging.getLogger("metrics"), run)
    assert len(outcomes) == 2
    signal.raise_signal(signal.SIGCHLD)
    assert "no more processes" in caplog.text
    signal.raise_signal(signal.SIGCHLD)
    assert not outcomes
