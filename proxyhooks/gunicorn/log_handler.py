"""Log lines of loggers without a handler: they go to gunicorn's log, with time, process and level."""

from __future__ import annotations

import logging

from .._wire.log import GUNICORN_LOG


class GunicornHandler(logging.Handler):
    """Has the handlers of gunicorn's error log write records, in their format, whatever they are by then.

    :param fallback: writes the records if gunicorn's log has no handler.
    """

    def __init__(self, fallback: logging.Handler) -> None:
        super().__init__(fallback.level)
        self._fallback = fallback

    def handle(self, record: logging.LogRecord) -> bool:
        for handler in logging.getLogger(GUNICORN_LOG).handlers or [self._fallback]:
            if record.levelno >= handler.level:
                handler.handle(record)
        return True


def log_to_gunicorn() -> None:
    """Have gunicorn's log get the lines for which the application configures nothing.

    Python writes them to standard error, as bare text. If the application configures logging, nothing changes.
    """
    if (last_resort := logging.lastResort) is not None and not isinstance(last_resort, GunicornHandler):
        logging.lastResort = GunicornHandler(last_resort)
