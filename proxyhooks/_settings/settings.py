"""The table of all ``PROXYHOOKS_`` keys: read, checked and defaulted here, and nowhere else.

gunicorn's workers read their key from here too, so this module imports neither Flask nor marshmallow.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..exceptions import SetupError
from .secrets import SECRET_HEADER, Secrets, parse_secrets, secrets_file
from .setting import (
    Setting,
    parse_bool,
    parse_path,
    parse_positive_int,
    parse_positive_seconds,
    parse_seconds,
    parse_timeout,
    without_frames,
)

DEFAULT_URL_PREFIX: Final = "/centrifugo"
"""The default of the argument ``ProxyHooks(url_prefix=...)``."""

_PREFIX: Final = "PROXYHOOKS_"

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
    KEEPALIVE_TIME,
    CLIENT_HEADER_TIMEOUT,
    CLIENT_BODY_TIMEOUT,
    SEND_TIMEOUT,
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
    # An empty variable is an unset one.
    environment = {key: value for key, value in os.environ.items() if value}
    return WorkerSettings(
        keepalive_time=KEEPALIVE_TIME.read(environment),
        client_header_timeout=CLIENT_HEADER_TIMEOUT.read(environment),
        client_body_timeout=CLIENT_BODY_TIMEOUT.read(environment),
        send_timeout=SEND_TIMEOUT.read(environment),
    )


def _check_keys_are_known(config: Mapping[str, Any]) -> None:
    sources = {setting.key: setting.source for setting in SETTINGS}
    for key in config:
        if not isinstance(key, str) or not key.startswith(_PREFIX) or sources.get(key) == "app.config":
            continue
        if key in sources:
            raise SetupError(f"{key} is an environment variable of gunicorn's workers: app.config does not set it")
        nearest = difflib.get_close_matches(key, sources, n=1, cutoff=0)[0]
        raise SetupError(f"app.config has the unknown key {key}: did you mean {nearest}?")
