"""How long gunicorn lets a call take."""

from __future__ import annotations

import pytest
from gunicorn.config import Config

from proxyhooks.gunicorn.call_limit import seconds_per_call


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ("", None),
        ("--timeout 30", None),
        ("-k gthread --threads 1", None),
        ("-k sync", None),  # gunicorn takes gthread, since this package sets more threads than one
        ("-k sync --threads 1", 60),
        ("--worker-class=sync --threads=1 -t 30 --bind :80", 30),
        ("-k gunicorn.workers.sync.SyncWorker --threads 1 --timeout 0", None),
        ("-k sync --threads x", None),
        ("-k 'sync", None),
    ],
)
def test_only_the_sync_worker_ends_calls(arguments: str, seconds: float | None) -> None:
    assert seconds_per_call({"GUNICORN_CMD_ARGS": arguments}) == seconds


def test_gunicorn_takes_gthread_for_sync_with_threads() -> None:
    config = Config()
    config.set("worker_class", "sync")
    config.set("threads", 16)
    assert config.worker_class_str == "gthread"
