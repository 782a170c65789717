"""The differences between gthread and the package's worker that are intended."""

from __future__ import annotations

from tests.gunicorn.differential.comparing import Difference, Intended, statuses


def _bad_head_is_refused_later(difference: Difference) -> bool:
    gthread, worker = (one.received for one in difference.observed)
    last = [*statuses(gthread.reply), ""][-1]
    return (
        len(difference.case.segments) > 1
        and (gthread.reply, difference.observed[0].seen) == (worker.reply, difference.observed[1].seen)
        and (gthread.stays_open, worker.stays_open) == (False, True)
        and last.startswith("4")
    )


INTENDED = (
    Intended(
        "the worker parses an unfinished head only each time its length has doubled: a bad one is refused later",
        _bad_head_is_refused_later,
    ),
)
