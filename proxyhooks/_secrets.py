"""The secret that authenticates Centrifugo: load, compare, rotate."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Any, Final

from .exceptions import SetupError

HEADER: Final = "X-Proxyhooks-Secret"
CONFIG: Final = "PROXYHOOKS_SECRETS"
INSECURE: Final = "PROXYHOOKS_INSECURE"
_VARIABLE: Final = f"FLASK_{CONFIG}"
_HOW: Final = (
    f'{CONFIG} must be a list of the accepted values of the {HEADER} header, such as ["..."], '
    "which Centrifugo sends through http.static_headers"
)


class Secrets:
    """The accepted values; several while one replaces another."""

    def __init__(self, values: list[bytes] | None) -> None:
        self._values = values

    @property
    def values(self) -> tuple[str, ...]:
        """The accepted values; none where none is asked for."""
        return tuple(value.decode("ascii") for value in self._values or ())

    def accept(self, header: str | None) -> bool:
        """Whether the header, as WSGI has it, carries one of them. The time it takes tells nothing."""
        if self._values is None:
            return True
        given = (header or "").encode("latin-1", "replace")
        matches = [hmac.compare_digest(given, value) for value in self._values]
        return any(matches)


def load(config: Mapping[str, Any], secrets: object = None) -> Secrets:
    """The secrets given, or else those of the configuration.

    :raises SetupError: if there is none and ``PROXYHOOKS_INSECURE`` is not True, or if one could never match.
    """
    insecure = config.get(INSECURE, False)
    if not isinstance(insecure, bool):
        raise SetupError(f"{INSECURE} must be True or False, not {insecure!r}")
    if secrets is None:
        secrets = config.get(CONFIG)
    if secrets is None and insecure:
        return Secrets(None)
    if secrets is None:
        unread = f". {_VARIABLE} is set, but app.config.from_prefixed_env() has not read it"
        raise SetupError(
            f"no secret is configured, so anybody who reaches the hooks could be anyone. {_HOW}. "
            f"In a network that is private in other ways, set {INSECURE} = True{unread * (_VARIABLE in os.environ)}"
        )
    if not isinstance(secrets, (list, tuple)):
        # The value stays out of the message: it may be a secret.
        raise SetupError(f"{_HOW}, not a {type(secrets).__name__}; in the environment {_VARIABLE}='[\"...\"]'")
    if not secrets:
        raise SetupError(f"{_HOW}; the list is empty")
    return Secrets([_checked(value) for value in secrets])


def _checked(value: object) -> bytes:
    if not isinstance(value, str):
        raise SetupError(f"{_HOW}; one of them is a {type(value).__name__}")
    if not value:
        raise SetupError(f"{_HOW}; one of them is empty, which would let everybody in")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise SetupError(f"{_HOW}; one of them has characters that no header carries: use printable ASCII")
    return value.encode("ascii")
