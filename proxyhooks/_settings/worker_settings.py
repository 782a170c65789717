"""The ``PROXYHOOKS_`` keys that gunicorn's workers read from their environment.

The workers are imported before the application, so this module imports neither Flask nor marshmallow.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from .setting import Setting, parse_positive_seconds, parse_seconds, without_frames

KEEPALIVE_TIME: Final[Setting[float]] = Setting(
    key="PROXYHOOKS_KEEPALIVE_TIME",
    source="environment",
    type="seconds",
    default=30.0,
    meaning="The maximum age of a connection to a gunicorn worker, shortened at random by up to a half; 0 is no limit.",
    must_be="a number of seconds such as 30, or 0 for no limit",
    parse=parse_seconds,
)
CLIENT_HEADER_TIMEOUT: Final[Setting[float]] = Setting(
    key="PROXYHOOKS_CLIENT_HEADER_TIMEOUT",
    source="environment",
    type="seconds",
    default=30.0,
    meaning="How long a client may take to send the head of a request.",
    must_be="a number of seconds above 0, such as 30",
    parse=parse_positive_seconds,
)
CLIENT_BODY_TIMEOUT: Final[Setting[float]] = Setting(
    key="PROXYHOOKS_CLIENT_BODY_TIMEOUT",
    source="environment",
    type="seconds",
    default=30.0,
    meaning="How long a client may take to send a body of up to 1 MiB.",
    must_be="a number of seconds above 0, such as 30",
    parse=parse_positive_seconds,
)
SEND_TIMEOUT: Final[Setting[float]] = Setting(
    key="PROXYHOOKS_SEND_TIMEOUT",
    source="environment",
    type="seconds",
    default=30.0,
    meaning="How long a client may take none of its reply.",
    must_be="a number of seconds above 0, such as 30",
    parse=parse_positive_seconds,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The checked values of the environment of a gunicorn worker, all in seconds."""

    keepalive_time: float
    """The maximum age of a connection; 0 is no limit."""
    client_header_timeout: float
    client_body_timeout: float
    send_timeout: float


@without_frames
def read_worker_settings() -> WorkerSettings:
    """Read the settings of gunicorn's workers from the environment.

    :raises SetupError: if a value is wrong.
    """
    return WorkerSettings(
        keepalive_time=KEEPALIVE_TIME.read(os.environ),
        client_header_timeout=CLIENT_HEADER_TIMEOUT.read(os.environ),
        client_body_timeout=CLIENT_BODY_TIMEOUT.read(os.environ),
        send_timeout=SEND_TIMEOUT.read(os.environ),
    )
