"""gunicorn's log lines about callers, limited in number and length as those of this package are."""

from __future__ import annotations

import logging
from typing import Final

from .._wire.log import GUNICORN_LOG, RateLimit, left_out_suffix, quote

_ABOUT_CALLERS: Final = (
    "Invalid request from ip=",
    "Socket error processing request",
)
"""How the lines begin that gunicorn's workers write about one request or connection."""
_MAX_LINE: Final = 300
"""Characters. What gunicorn quotes from a request can have as many as a header field."""


class RateLimitFilter(logging.Filter):
    """Passes one line of each kind about callers a second, with the number of those left out since the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = RateLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = next((start for start in _ABOUT_CALLERS if str(record.msg).startswith(start)), None)
        if kind is None:
            return True
        if (left_out := self.limit.count(kind)) is None:
            return False
        record.msg, record.args = quote(record.getMessage(), _MAX_LINE) + left_out_suffix(left_out), None
        return True


_filter: Final = RateLimitFilter()


def limit_lines_about_callers() -> None:
    """Add the filter to gunicorn's logger of this process."""
    logging.getLogger(GUNICORN_LOG).addFilter(_filter)
