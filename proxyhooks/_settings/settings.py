"""The table of all ``PROXYHOOKS_`` keys: read, checked and defaulted here, and nowhere else.

Those of gunicorn are in ``master_settings`` and ``worker_settings``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ..exceptions import SetupError
from .master_settings import METRICS_BIND
from .secrets import SECRET_HEADER, Secrets, parse_secrets, secrets_file
from .setting import (
    Setting,
    parse_bool,
    parse_choice,
    parse_path,
    parse_positive_int,
    parse_timeout,
    parse_url_path,
    without_frames,
)
from .worker_settings import CLIENT_BODY_TIMEOUT, CLIENT_HEADER_TIMEOUT, KEEPALIVE_TIME, SEND_TIMEOUT

DEFAULT_URL_PREFIX: Final = "/centrifugo"
"""The default of the argument ``ProxyHooks(url_prefix=...)``."""

_PREFIX: Final = "PROXYHOOKS_"

EventLogForm: TypeAlias = Literal["text", "json"]

SECRETS: Final[Setting[tuple[bytes, ...] | None]] = Setting(
    key="PROXYHOOKS_SECRETS",
    source="app.config",
    type="list of str",
    default=None,
    meaning=(
        f"The accepted values of the `{SECRET_HEADER}` header, several while one replaces another; the argument "
        "`ProxyHooks(secrets=...)` wins over it."
    ),
    must_be=(
        f'a list of the accepted values of the {SECRET_HEADER} header, such as ["..."], '
        "which Centrifugo sends through http.static_headers"
    ),
    parse=parse_secrets,
)
SECRETS_FILE: Final[Setting[str | None]] = Setting(
    key="PROXYHOOKS_SECRETS_FILE",
    source="app.config",
    type="path",
    default=None,
    meaning=f"A file with one accepted secret a line, read again when it changes; it wins over `{SECRETS.key}`.",
    must_be="the path of a file",
    parse=parse_path,
)
INSECURE: Final[Setting[bool]] = Setting(
    key="PROXYHOOKS_INSECURE",
    source="app.config",
    type="bool",
    default=False,
    meaning="`True` accepts every request if no secret is configured; use it only in a private network.",
    must_be="True or False",
    parse=parse_bool,
)
TIMEOUT: Final[Setting[float]] = Setting(
    key="PROXYHOOKS_TIMEOUT",
    source="app.config",
    type="seconds, int or float",
    default=3.0,
    meaning=(
        "How long Centrifugo waits for a reply: `flask centrifugo config` writes it, `flask centrifugo check` compares "
        "it, calls that come too late are refused, and hooks that take longer are logged."
    ),
    must_be="a number of seconds above 0, such as 3 or 0.5",
    parse=parse_timeout,
)
VALIDATION_DETAILS: Final[Setting[bool]] = Setting(
    key="PROXYHOOKS_VALIDATION_DETAILS",
    source="app.config",
    type="bool",
    default=False,
    meaning='`True` tells the client the field errors of an invalid payload in the message of error 107 "bad request".',
    must_be="True or False",
    parse=parse_bool,
)
LOG_VALIDATION_DETAILS: Final[Setting[bool]] = Setting(
    key="PROXYHOOKS_LOG_VALIDATION_DETAILS",
    source="app.config",
    type="bool",
    default=False,
    meaning=(
        "`True` lets the log quote what is invalid in a payload. By default a line has the names of declared fields, "
        "and those texts of marshmallow that have no value of the payload."
    ),
    must_be="True or False",
    parse=parse_bool,
)
MAX_PAYLOAD_ITEMS: Final[Setting[int]] = Setting(
    key="PROXYHOOKS_MAX_PAYLOAD_ITEMS",
    source="app.config",
    type="int",
    default=1000,
    meaning=(
        "The most JSON values, at any depth, in a payload that a marshmallow schema loads; one with more is refused "
        'with error 107 "bad request".'
    ),
    must_be="a whole number of items above 0, such as 1000",
    parse=parse_positive_int,
)
FAST: Final[Setting[bool]] = Setting(
    key="PROXYHOOKS_FAST",
    source="app.config",
    type="bool",
    default=True,
    meaning="`False` switches the fast path off, so that Flask and marshmallow handle hooks as they handle views.",
    must_be="True or False",
    parse=parse_bool,
)
AFTER_REPLY_THREADS: Final[Setting[int]] = Setting(
    key="PROXYHOOKS_AFTER_REPLY_THREADS",
    source="app.config",
    type="int",
    default=8,
    meaning="The most functions of `after_reply` that run at once, in each worker.",
    must_be="a whole number of threads above 0, such as 8",
    parse=parse_positive_int,
)
AFTER_REPLY_QUEUE: Final[Setting[int]] = Setting(
    key="PROXYHOOKS_AFTER_REPLY_QUEUE",
    source="app.config",
    type="int",
    default=1000,
    meaning=(
        "How many functions of `after_reply` may wait for a thread, in each worker; beyond that, `after_reply` raises "
        "the temporary `errors.TooManyRequests`."
    ),
    must_be="a whole number of calls above 0, such as 1000",
    parse=parse_positive_int,
)
EVENT_LOG: Final[Setting[EventLogForm | None]] = Setting(
    key="PROXYHOOKS_EVENT_LOG",
    source="app.config",
    type="`text` or `json`",
    default=None,
    meaning='`"text"` or `"json"` writes [a line for each call](#event-log).',
    must_be="'text' or 'json'",
    parse=parse_choice("text", "json"),
)
LIVENESS_PATH: Final[Setting[str | None]] = Setting(
    key="PROXYHOOKS_LIVENESS_PATH",
    source="app.config",
    type="path of a URL",
    default="/livez",
    meaning="Where a probe gets 200 while the worker answers at all; `None` switches it off.",
    must_be="the path of a URL, such as '/livez', or None",
    parse=parse_url_path,
)
READINESS_PATH: Final[Setting[str | None]] = Setting(
    key="PROXYHOOKS_READINESS_PATH",
    source="app.config",
    type="path of a URL",
    default="/readyz",
    meaning="Where a probe gets 200 while the worker serves, and 503 once it stops; `None` switches it off.",
    must_be="the path of a URL, such as '/readyz', or None",
    parse=parse_url_path,
)
SETTINGS: Final[tuple[Setting[Any], ...]] = (
    SECRETS,
    SECRETS_FILE,
    INSECURE,
    TIMEOUT,
    VALIDATION_DETAILS,
    LOG_VALIDATION_DETAILS,
    MAX_PAYLOAD_ITEMS,
    FAST,
    AFTER_REPLY_THREADS,
    AFTER_REPLY_QUEUE,
    EVENT_LOG,
    LIVENESS_PATH,
    READINESS_PATH,
    KEEPALIVE_TIME,
    CLIENT_HEADER_TIMEOUT,
    CLIENT_BODY_TIMEOUT,
    SEND_TIMEOUT,
    METRICS_BIND,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The checked values of an application's configuration."""

    secrets: Secrets
    timeout: float
    """Seconds that Centrifugo waits for a reply."""
    validation_details: bool
    log_validation_details: bool
    max_payload_items: int
    fast_path: bool
    after_reply_threads: int
    after_reply_queue: int
    event_log: EventLogForm | None
    liveness_path: str | None
    readiness_path: str | None


@without_frames
def read_settings(config: Mapping[str, Any], application: str, secrets: object = None) -> Settings:
    """Read the configuration of an application; *secrets* takes precedence over the configured ones.

    :param application: the name of the application.
    :raises SetupError: if a value is wrong, no secret is configured, or a ``PROXYHOOKS_`` key is unknown.
    """
    _check_keys_are_known(config)
    return Settings(
        secrets=load_secrets(config, application, secrets),
        timeout=TIMEOUT.read(config),
        validation_details=VALIDATION_DETAILS.read(config),
        log_validation_details=LOG_VALIDATION_DETAILS.read(config),
        max_payload_items=MAX_PAYLOAD_ITEMS.read(config),
        fast_path=FAST.read(config),
        after_reply_threads=AFTER_REPLY_THREADS.read(config),
        after_reply_queue=AFTER_REPLY_QUEUE.read(config),
        event_log=EVENT_LOG.read(config),
        liveness_path=LIVENESS_PATH.read(config),
        readiness_path=READINESS_PATH.read(config),
    )


@without_frames
def load_secrets(config: Mapping[str, Any], application: str, secrets: object = None) -> Secrets:
    """The accepted secrets: *secrets*, else those of the configured file, else those of the configured list.

    :param application: the name of the application, for which their usage is recorded.
    :raises SetupError: if there are none and ``PROXYHOOKS_INSECURE`` is not True, or if one could never match.
    """
    insecure = INSECURE.read(config)
    if secrets is not None:
        values = SECRETS.convert(secrets, "secrets")
    elif (path := SECRETS_FILE.read(config)) is not None:
        return Secrets(secrets_file(path, SECRETS_FILE.key).values, application)
    else:
        values = SECRETS.read(config)
    if values is not None:
        return Secrets(lambda: values, application)
    if insecure:
        return Secrets(None, application)
    unread = next((name for name in (f"FLASK_{SECRETS.key}", f"FLASK_{SECRETS_FILE.key}") if name in os.environ), None)
    if unread is None:
        hint = f"app.config.from_prefixed_env() reads it from the environment, FLASK_{SECRETS.key}='[\"...\"]'"
    else:
        hint = f"{unread} is set, but app.config.from_prefixed_env() has not read it"
    raise SetupError(
        "no secret is configured, so anybody who reaches the hooks can pose as any user. "
        f"{SECRETS.key} must be {SECRETS.must_be}; {hint}. If the network is private, set {INSECURE.key} = True instead"
    )


def _check_keys_are_known(config: Mapping[str, Any]) -> None:
    sources = {setting.key: setting.source for setting in SETTINGS}
    for key in config:
        if not isinstance(key, str) or not key.startswith(_PREFIX) or sources.get(key) == "app.config":
            continue
        if key in sources:
            raise SetupError(f"{key} is an environment variable of gunicorn's processes: app.config does not set it")
        nearest = difflib.get_close_matches(key, sources, n=1, cutoff=0)[0]
        raise SetupError(f"app.config has the unknown key {key}: did you mean {nearest}?")
