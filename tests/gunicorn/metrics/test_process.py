"""The metrics process from the master's side."""

from __future__ import annotations

import errno
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxyhooks.gunicorn import metrics
from proxyhooks.gunicorn.metrics.directory import VARIABLE, MasterDirectory

NO_PROCESS = 2**22 + 1
"""Above the highest number that Linux gives to a process."""


@pytest.fixture
def sigchld_kept() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, handler)


@pytest.mark.usefixtures("sigchld_kept")
def test_a_master_that_cannot_fork_goes_on_and_tries_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    state = metrics._Metrics(("127.0.0.1", 1), MasterDirectory(None, os.geteuid(), os.getegid()))
    monkeypatch.setattr(metrics, "_metrics", state)
    outcomes: list[int | OSError] = [NO_PROCESS, OSError(errno.EAGAIN, "no more processes"), NO_PROCESS + 1]

    def fork() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    monkeypatch.setattr(os, "fork", fork)
    metrics.start(SimpleNamespace(log=logging.getLogger("gunicorn.error")), None)
    assert state.process == NO_PROCESS
    signal.raise_signal(signal.SIGCHLD)
    assert "no more processes" in caplog.text
    signal.raise_signal(signal.SIGCHLD)
    assert state.process == NO_PROCESS + 1
    assert not outcomes
