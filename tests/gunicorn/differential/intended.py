"""The differences between gthread and the package's worker that are intended."""

from __future__ import annotations

from tests.gunicorn.differential.comparing import Difference, Intended

_MIN_HEAD_LIMIT = 128 * 1024


def _head_is_too_large(difference: Difference) -> bool:
    gthread, worker = difference.observed
    before = tuple(record for record in worker.seen if "the head is larger than" not in record)
    return (
        len(b"".join(difference.case.segments)) > _MIN_HEAD_LIMIT
        and b"the head is larger than" in worker.received.reply
        and before == gthread.seen[: len(before)]
    )


def _gthread_counts_more_than_the_head(difference: Difference) -> bool:
    gthread, worker = difference.observed
    before = tuple(record for record in gthread.seen if "max buffer headers" not in record)
    return (
        len(b"".join(difference.case.segments)) > _MIN_HEAD_LIMIT
        and b"max buffer headers" in gthread.received.reply
        and before == worker.seen[: len(before)]
    )


def _status_is_missing(difference: Difference) -> bool:
    gthread, worker = (one.received.reply for one in difference.observed)
    before, status_is_none, _ = gthread.partition(b"HTTP/1.1 None\r\n")
    return bool(status_is_none) and worker.startswith(before + b"HTTP/1.1 500 Internal Server Error\r\n")


INTENDED = (
    Intended("the whole head has a limit, of 128 KiB at least: status 431", _head_is_too_large),
    Intended(
        "with the package's settings, gthread counts also what it has received behind the head",
        _gthread_counts_more_than_the_head,
    ),
    Intended("an application that never calls start_response: status 500 in place of 'None'", _status_is_missing),
)
