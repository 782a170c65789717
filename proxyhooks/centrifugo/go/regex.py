"""Translates Go's regular expressions, such as a ``channel_regex``, to Python, and finds mistakes in them."""

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
_SYNTAX: Final = re.compile(
    r"""
      (?P<literal> \\Q.*?(?:\\E|$) )
    | (?P<escape> \\(?:[pP]\{[^}]*\}|x\{[^}]*\}|[0-7]{2,3}|.?) )
    | (?P<characters> \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\] )
    | (?P<flags> \(\?[imsU]*(?:-[imsU]+)?\) )
    | (?P<open> \((?:\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?:))? (?!\?) )
    | (?P<repeat> (?:[*+?]|\{(?P<low>0|[1-9]\d*)(?P<comma>,(?P<high>0|[1-9]\d*)?)?\})\?? )
    | (?P<close> \) )
    | (?P<bar> \| )
    | (?P<character> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LETTERS: Final = "AbBzdDsSwWpPxafnrtvE0"
"""What may follow a backslash, of letters and digits."""
_MAX_REPEAT: Final = 1000


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


def problem_in_go(regex: str) -> str | None:
    """Why Go does not compile an expression; ``None`` if it does, or if only Go can tell.

    Go alone knows all of its syntax: this finds the usual mistakes.
    """
    depth, repeatable, repeated = 0, [False], False
    for token in _SYNTAX.finditer(regex):
        kind, text = token.lastgroup, token[0]
        if kind == "repeat":
            if repeated or not repeatable[-1]:
                return f"{text} has nothing to repeat"
            if not _is_valid_count(token["low"], token["comma"], token["high"]):
                return f"{text} is no valid count"
            repeated = True
            continue
        if kind != "flags":
            repeated = False
        if kind == "escape" and len(text) < 3 and (text == "\\" or (text[1].isalnum() and text[1] not in _LETTERS)):
            return f"{text} is not supported"
        if kind == "character" and text in "([":
            return f"{regex[token.start() : token.start() + 3]} is not supported" if text == "(" else "] is missing"
        if kind == "open":
            depth += 1
            repeatable.append(False)
        elif kind == "close":
            depth -= 1
            if depth < 0:
                return "( is missing"
            repeatable.pop()
            repeatable[-1] = True
        elif kind != "flags":
            repeatable[-1] = kind != "bar"
    return ") is missing" if depth else None


def _is_valid_count(low: str | None, comma: str | None, high: str | None) -> bool:
    if low is None:  # * + ?
        return True
    return int(low) <= int(high or (_MAX_REPEAT if comma else low)) <= _MAX_REPEAT
