"""gunicorn's log record of an application that cannot be loaded: a line in place of a traceback, if that says all.

The text of a ``SetupError`` names what is wrong and the remedy. gunicorn would log some 40 lines for each worker.
"""

from __future__ import annotations

import logging
from typing import Final

from .._wire.application_frames import place_in_application

_NAME: Final = "proxyhooks.exceptions.SetupError"


class SetupErrorFilter(logging.Filter):
    """Removes the traceback from records about a ``SetupError``. It passes all records."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and _is_setup_error(error):
            record.msg = "The application does not start: %s%s"
            record.args = error, place_in_application(error)
            record.exc_info = record.exc_text = None
        return True


def _is_setup_error(error: BaseException) -> bool:
    # By name: a worker imports this package anew, and this module may be the master's.
    return any(f"{cls.__module__}.{cls.__qualname__}" == _NAME for cls in type(error).__mro__)


_filter: Final = SetupErrorFilter()


def shorten_setup_errors() -> None:
    """Add the filter to gunicorn's logger of this process."""
    logging.getLogger("gunicorn.error").addFilter(_filter)
