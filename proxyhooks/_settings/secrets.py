"""The secrets that authenticate Centrifugo: check them, compare them, reload them from a file.

No error text and no log line has a secret in it.
"""

from __future__ import annotations

import functools
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .._wire.log import logger
from ..exceptions import SetupError
from .secret_usage import SecretUsage, usage_of

SECRET_HEADER: Final = "X-Proxyhooks-Secret"  # noqa: S105  # a header's name, not a secret
_MIN_HIDDEN: Final = 6
"""Characters."""


class ReceivedSecret:
    """The secret of a request. Error reporters show the variables of frames, and this has no repr that shows it.

    :param header: the value of the header, as WSGI decodes it.
    """

    __slots__ = ("header",)

    def __init__(self, header: str | None) -> None:
        self.header = header or ""

    def __bool__(self) -> bool:
        return bool(self.header)


class Secrets:
    """The accepted secrets; several while one replaces another.

    :param application: the name of the application that accepts them.
    """

    def __init__(self, accepted: Callable[[], tuple[bytes, ...]] | None, application: str) -> None:
        self._accepted = accepted
        """Returns the secrets of this moment; ``None`` accepts every request."""
        self._application = application
        self._usage: SecretUsage | None = None
        """The usage of the secrets that the last request was compared with."""

    @property
    def values(self) -> tuple[str, ...]:
        """The accepted secrets; empty if no secret is required."""
        return () if self._accepted is None else tuple(value.decode("ascii") for value in self._accepted())

    @property
    def usage(self) -> SecretUsage:
        return usage_of(() if self._accepted is None else self._accepted(), self._application)

    def accept(self, received: ReceivedSecret) -> bool:
        """Whether this is an accepted secret."""
        # No variable has a secret here: to read a file again, and to record a use, may log or raise.
        if self._accepted is None:
            return True
        matched = self._find(received, self._accepted())
        if matched is None:
            return False
        index, usage = matched
        usage.record(index)
        return True

    def _find(self, received: ReceivedSecret, accepted: tuple[bytes, ...]) -> tuple[int, SecretUsage] | None:
        """The index of the secret, and the usage of the list. Raises and logs nothing.

        Compares all secrets, each in constant time.
        """
        # Secrets are ASCII, which is the same in all encodings; Python encodes as UTF-8 in the fewest steps.
        header, matched = received.header.encode("utf-8", "surrogatepass"), None
        for index, value in enumerate(accepted):
            if hmac.compare_digest(header, value):
                matched = index
        if matched is None:
            return None
        usage = self._usage
        if usage is None or usage.values is not accepted:
            usage = self._usage = usage_of(accepted, self._application)
        return matched, usage


def hide_secret(text: str, secret: str | None) -> str:
    """The text without the secret, for output of what a server has sent: it may send back what it was sent."""
    if secret is None or len(secret) < _MIN_HIDDEN:  # in place of less, words of the text would be hidden
        return text
    for _ in range(3):  # a reply may be JSON, which an output may write in a text of JSON
        text = text.replace(secret, "...")
        secret = json.dumps(secret)[1:-1]
    return text


def parse_secrets(values: object) -> tuple[bytes, ...]:
    """The secrets of a list, as bytes.

    :raises ValueError: if it is not a list of texts that a header can carry; its text completes "must be ..., not ...".
    """
    if not isinstance(values, (list, tuple)):
        kind = type(values).__name__
        raise ValueError(f"a value of type {kind}; the environment has a list as FLASK_PROXYHOOKS_SECRETS='[\"...\"]'")
    if not values:
        raise ValueError("an empty list")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"a list with a value of type {type(value).__name__}")
        if not value:
            raise ValueError("a list with an empty secret in it, which would accept every request")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ValueError(
                "a list with a secret that no header can carry: use printable ASCII without spaces at the ends"
            )
    return tuple(value.encode("ascii") for value in values)


@functools.cache
def secrets_file(path: str, setting: str) -> SecretsFile:
    """The file of a path, always the same object, so that all who read it share the last good list.

    :param setting: the key that error texts name.
    :raises SetupError: if the file cannot be read or has no secrets.
    """
    return SecretsFile(path, setting)


class SecretsFile:
    """A file with a secret a line, which is read again when it changes.

    If the new content is wrong, the last good list stays in force.
    """

    def __init__(self, path: str, setting: str) -> None:
        self._path = path
        self._setting = setting
        # Taken before the file is read, so that a change in between is noticed at the next request.
        self._version = self._file_version()
        self._last_good = self._read()

    def values(self) -> tuple[bytes, ...]:
        version = self._file_version()
        if version != self._version:
            self._version = version
            try:
                self._last_good = self._read()
                logger.info(
                    "%s has changed and was read again, number of secrets: %d", self._path, len(self._last_good)
                )
            except SetupError as error:
                logger.error("%s; the secrets that were read before stay in force", error)
        return self._last_good

    def _file_version(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> tuple[bytes, ...]:
        secrets_or_problem = _parse_file(self._path)
        if isinstance(secrets_or_problem, str):
            raise SetupError(f"{self._setting}: {secrets_or_problem}")
        return secrets_or_problem


def _parse_file(path: str) -> tuple[bytes, ...] | str:
    """The secrets of a file, or what is wrong with it.

    Nothing is raised from here: error reporters show the local variables of a traceback's frames.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        return f"{_shown_path(path)} cannot be read: {error.strerror}"
    values = [line.strip() for line in lines]
    for number, value in enumerate(values, 1):
        if not value.isascii() or not value.decode("ascii").isprintable():
            return f"{path}, line {number}: a header can carry only printable ASCII"
        if value.startswith(b"#"):
            return f"{path}, line {number} begins with #, but the file has no comments: each line is a secret"
    if not any(values):
        return f"{path} has no secret in it: write one a line"
    return tuple(value for value in values if value)


def _shown_path(path: str) -> str:
    """A path that cannot be read, for error texts; a text that may be a secret in the place of a path is not shown."""
    directory = os.path.dirname(path)
    if os.path.exists(path) or (directory.strip("/.") and os.path.isdir(directory)):
        return path
    return f"the file, whose path has the length {len(path)} and is not in an existing directory,"
