"""The secret that authenticates Centrifugo: load, compare, rotate."""

from __future__ import annotations

import functools
import hmac
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ..exceptions import SetupError
from .secret_usage import usage_of

SECRET_HEADER: Final = "X-Proxyhooks-Secret"  # noqa: S105  # a header's name, not a secret
CONFIG: Final = "PROXYHOOKS_SECRETS"
FILE: Final = "PROXYHOOKS_SECRETS_FILE"
INSECURE: Final = "PROXYHOOKS_INSECURE"
_logger = logging.getLogger("proxyhooks")
_VARIABLE: Final = f"FLASK_{CONFIG}"
_HOW: Final = (
    f'{CONFIG} must be a list of the accepted values of the {SECRET_HEADER} header, such as ["..."], '
    "which Centrifugo sends through http.static_headers"
)


class Secrets:
    """The accepted values; several while one replaces another."""

    def __init__(self, accepted: Callable[[], tuple[bytes, ...]] | None) -> None:
        self._accepted = accepted

    @property
    def values(self) -> tuple[str, ...]:
        """The accepted values; none where none is asked for."""
        return () if self._accepted is None else tuple(value.decode("ascii") for value in self._accepted())

    def accept(self, header: str | None) -> bool:
        """Whether the header, as WSGI has it, carries one of them. The time it takes tells nothing."""
        if self._accepted is None:
            return True
        given, accepted, found = (header or "").encode("latin-1", "replace"), self._accepted(), None
        for index, value in enumerate(accepted):
            if hmac.compare_digest(given, value):
                found = index
        if found is None:
            return False
        usage_of(accepted).record(found)
        return True


def load_secrets(config: Mapping[str, Any], secrets: object = None) -> Secrets:
    """The secrets given, or else those of the file that the configuration names, or else those of its list.

    :raises SetupError: if there is none and ``PROXYHOOKS_INSECURE`` is not True, or if one could never match.
    """
    insecure = config.get(INSECURE, False)
    if not isinstance(insecure, bool):
        raise SetupError(f"{INSECURE} must be True or False, not {insecure!r}")
    path = config.get(FILE)
    if secrets is None and path is not None:
        if not isinstance(path, (str, os.PathLike)) or not str(path):
            raise SetupError(f"{FILE} must be the path of a file, not {path!r}")
        return Secrets(_file(os.fspath(path)).values)
    if secrets is None:
        secrets = config.get(CONFIG)
    if secrets is None and insecure:
        return Secrets(None)
    if secrets is None:
        named = next((name for name in (_VARIABLE, f"FLASK_{FILE}") if name in os.environ), "")
        unread = f". {named} is set, but app.config.from_prefixed_env() has not read it" if named else ""
        raise SetupError(
            f"no secret is configured, so anybody who reaches the hooks could be anyone. {_HOW}. "
            f"In a network that is private in other ways, set {INSECURE} = True{unread}"
        )
    if not isinstance(secrets, (list, tuple)):
        # The value stays out of the message: it may be a secret.
        raise SetupError(f"{_HOW}, not a {type(secrets).__name__}; in the environment {_VARIABLE}='[\"...\"]'")
    if not secrets:
        raise SetupError(f"{_HOW}; the list is empty")
    checked = tuple(_checked(value) for value in secrets)
    return Secrets(lambda: checked)


class _File:
    """A file with a secret a line; read again when it changes. A broken one leaves the last good list in force."""

    def __init__(self, path: str) -> None:
        self._path = path
        # Looked at before it is read: what changes in between is seen the next time.
        self._stamp = self._look()
        self._good = _read(path)

    def values(self) -> tuple[bytes, ...]:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._good = _read(self._path)
                _logger.info("%s was read again: %d secrets", self._path, len(self._good))
            except SetupError as error:
                _logger.error("%s; the %d secrets of before stay in force", error, len(self._good))
        return self._good

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


@functools.cache
def _file(path: str) -> _File:
    """One for all that read it, so that each has the last good list."""
    return _File(path)


def _read(path: str) -> tuple[bytes, ...]:
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise SetupError(f"{FILE}: {path} cannot be read: {error.strerror}") from None
    values = [line.strip() for line in lines]
    for number, value in enumerate(values, 1):
        if not value.isascii() or not value.decode("ascii").isprintable():
            raise SetupError(f"{FILE}: {path}, line {number}: use printable ASCII, a header carries nothing else")
    if not any(values):
        raise SetupError(f"{FILE}: {path} has no secret in it; write one a line")
    return tuple(value for value in values if value)


def _checked(value: object) -> bytes:
    if not isinstance(value, str):
        raise SetupError(f"{_HOW}; one of them is a {type(value).__name__}")
    if not value:
        raise SetupError(f"{_HOW}; one of them is empty, which would let everybody in")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise SetupError(f"{_HOW}; one of them has characters that no header carries: use printable ASCII")
    return value.encode("ascii")
