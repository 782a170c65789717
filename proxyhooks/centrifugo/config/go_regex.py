"""Translates Go's regular expressions, which ``channel_regex`` is written in, to Python's."""

from __future__ import annotations

import functools
import re
import warnings
from typing import Final

_TOKEN: Final = re.compile(r"\\x\{[0-9a-fA-F]+\}|\\.|\[:\^?[a-z]+:\]|.", re.DOTALL)
_SPACES: Final = r" \t\n\f\r"
"""What ``\\s`` matches in Go. Python's has the vertical tab, too."""
_CLASSES: Final = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:word:]": "0-9A-Za-z_",
    "[:xdigit:]": "0-9A-Fa-f",
}
_MULTILINE: Final = re.compile(r"\(\?[a-zA-Z]*m")


@functools.lru_cache(maxsize=256)
def compile_go_regex(text: str) -> re.Pattern[str] | None:
    """The expression in Python; ``None`` if it uses what Python does not have, such as ``\\p{Greek}``."""
    parts: list[str | None] = []
    class_start = -1  # the number of the token after which a class such as [a-z] begins, or -1
    for number, token in enumerate(_TOKEN.findall(text)):
        if class_start < 0:
            parts.append(_outside_class(token))
            class_start = number if token == "[" else -1  # noqa: S105  # no secret
        elif token == "^" and number == class_start + 1:  # noqa: S105
            parts.append(token)
            class_start = number
        else:
            parts.append(_in_class(token))
            if token == "]" and number > class_start + 1:  # noqa: S105  # not the first character, which is literal
                class_start = -1
    if None in parts:
        return None
    if _MULTILINE.search(text):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # FutureWarning: `[a--]` may mean something else one day
            return re.compile("".join(filter(None, parts)), re.ASCII)
    except re.error:
        return None


def _in_class(token: str) -> str | None:
    if token == r"\s":  # noqa: S105
        return _SPACES
    if token.startswith("[:"):
        return _CLASSES.get(token)
    return None if token in (r"\S", r"\p", r"\P") else _escaped(token).replace("[", r"\[")


def _outside_class(token: str) -> str | None:
    if token == "$":  # noqa: S105  # at the end only; Python's matches before a last newline, too
        return r"\Z"
    if token in (r"\s", r"\S"):
        return f"[{'^' if token.isupper() else ''}{_SPACES}]"
    return None if token in (r"\p", r"\P", r"\Q", r"\C") else _escaped(token)


def _escaped(token: str) -> str:
    if token.startswith(r"\x{"):
        return f"\\U{int(token[3:-1], 16):08x}"
    return r"\Z" if token == r"\z" else token  # noqa: S105
