"""The differences between gthread and the package's worker that are intended."""

from __future__ import annotations

from tests.gunicorn.differential.comparing import Difference, Intended

_MIN_HEAD_LIMIT = 128 * 1024


def _head_is_too_large(difference: Difference) -> bool:
    gthread, worker = difference.observed
    *before, last = worker.seen or ("",)
    return (
        len(b"".join(difference.case.segments)) > _MIN_HEAD_LIMIT
        and "the head is larger than" in last
        and tuple(before) == gthread.seen[: len(before)]
    )


INTENDED = (Intended("the whole head has a limit, of 128 KiB at least: status 431", _head_is_too_large),)
