"""What a setting is, and how its value is checked."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, ParamSpec, TypeVar

from ..exceptions import SetupError

_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Generic[_T]):
    """One key: where it is read, what its value must be, and what it means."""

    key: str
    source: Literal["app.config", "environment"]
    """Flask's configuration, or the environment of the process."""
    type: str
    """Words for the documentation."""
    default: _T
    meaning: str
    """One sentence, for the documentation."""
    must_be: str
    """Completes the error text "<key> must be ..."."""
    parse: Callable[[Any], _T]
    """Returns the value to use; raises a ValueError whose text completes "<key> must be ..., not ..."."""

    def read(self, values: Mapping[str, Any]) -> _T:
        """The value of the key in a configuration or an environment, or the default.

        An empty variable of the environment is an unset one.

        :raises SetupError: if the value is wrong.
        """
        value = values.get(self.key, self.default)
        if value == "" and self.source == "environment":
            return self.default
        return self.default if value is None and self.default is None else self.convert(value, self.key)

    def convert(self, value: object, name: str) -> _T:
        """The value to use; *name* is what an error text calls it.

        :raises SetupError: if the value is wrong.
        """
        try:
            return self.parse(value)
        except ValueError as error:
            raise SetupError(f"{name} must be {self.must_be}, not {error}") from None


def without_frames(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Raise the :class:`SetupError` of the function anew, without the frames in which it was raised.

    Error reporters show the variables of frames, and those of the checks have the configuration with its secrets.
    """

    @functools.wraps(function)
    def read(*args: _P.args, **keywords: _P.kwargs) -> _T:
        try:
            return function(*args, **keywords)
        except SetupError as error:
            problem = str(error)
        # Not in the except clause: the new error would have the other one as its context.
        del args, keywords
        raise SetupError(problem)

    return read


_WORDS: Final = re.compile(
    r"[-+]?[\d.]{0,6} ?(|ms|s|m|h|d|min|sec|seconds?|minutes?|hours?)|true|false|yes|no|on|off|none|null|nan|inf",
    re.IGNORECASE,
)
"""Texts that people write for a number, a time or a bool."""


def shown(value: object) -> str:
    """A wrong value for an error text; one that may be a secret, in a setting that is not for it, only by its type."""
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 1_000_000):
        return repr(value)
    if isinstance(value, str):
        return repr(value) if _WORDS.fullmatch(value) else f"a text of length {len(value)}"
    return f"a value of type {type(value).__name__}"


_URL_PATH: Final = re.compile("(/[A-Za-z0-9._~-]+)+/?")
_URL: Final = re.compile(r"([a-z]+://)(.*@)?([\w.-]+|\[[\da-f:.]+\])?(:\d{1,5})?(/[^?]*)?(\?.*)?", re.IGNORECASE)


def shown_url(url: str) -> str:
    """A wrong URL for an error text, without user, password and query. What is no URL may be a secret: see `shown`."""
    match = _URL.fullmatch(url)
    if match is None:
        return shown(url)
    scheme, user, host, port, path, _ = match.groups("")
    return repr(f"{scheme}{'...@' if user else ''}{host}{port}{path}")


def parse_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(shown(value))
    return value


def parse_path(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):  # most likely the list of secrets, which no error text may have
        raise ValueError(f"a value of type {type(value).__name__}")
    if not str(value):
        raise ValueError("an empty text")
    return os.fspath(value)


def parse_url_path(value: Any) -> str | None:
    """Return the path of a URL from Flask's configuration, or None."""
    if value is not None and not (isinstance(value, str) and _URL_PATH.fullmatch(value)):
        raise ValueError(shown_url(value) if isinstance(value, str) else shown(value))
    return value


def parse_choice(*choices: _T) -> Callable[[object], _T]:
    """A function that returns one of the choices."""

    def parse(value: object) -> _T:
        for choice in choices:
            if value == choice:
                return choice
        raise ValueError(repr(value) if isinstance(value, str) and len(value) <= 8 else shown(value))

    return parse


def parse_positive_int(value: Any) -> int:
    """Return a whole number from Flask's configuration, more than 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(shown(value))
    return value


def parse_timeout(value: Any) -> float:
    """Return a number of seconds from Flask's configuration, more than 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(shown(value))
    return float(value)


def parse_seconds(value: Any) -> float:
    """Return a number of seconds from the environment, 0 or more."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ValueError(shown(value))
    return seconds


def parse_positive_seconds(value: Any) -> float:
    """Return a number of seconds from the environment, more than 0."""
    seconds = parse_seconds(value)
    if not seconds:
        raise ValueError(shown(value))
    return seconds
