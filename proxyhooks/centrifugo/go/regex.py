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
    class_start = -1  # the number of the symbol after which a class such as [a-z] begins, or -1
    for number, symbol in enumerate(_TOKEN.findall(text)):
        if class_start < 0:
            parts.append(_outside_class(symbol))
            class_start = number if symbol == "[" else -1
        elif symbol == "^" and number == class_start + 1:
            parts.append(symbol)
            class_start = number
        else:
            parts.append(_in_class(symbol))
            if symbol == "]" and number > class_start + 1:  # not the first character, which is literal
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


def _in_class(symbol: str) -> str | None:
    if symbol == r"\s":
        return _SPACES
    if symbol.startswith("[:"):
        return _CLASSES.get(symbol)
    return None if symbol in (r"\S", r"\p", r"\P") else _escaped(symbol).replace("[", r"\[")


def _outside_class(symbol: str) -> str | None:
    if symbol == "$":  # at the end only; Python's matches before a last newline, too
        return r"\Z"
    if symbol in (r"\s", r"\S"):
        return f"[{'^' if symbol.isupper() else ''}{_SPACES}]"
    return None if symbol in (r"\p", r"\P", r"\Q", r"\C") else _escaped(symbol)


def _escaped(symbol: str) -> str:
    if symbol.startswith(r"\x{"):
        return f"\\U{int(symbol[3:-1], 16):08x}"
    return r"\Z" if symbol == r"\z" else symbol


def problem_in_go(regex: str) -> str | None:
    """Why Go does not compile an expression; ``None`` if it does, or if only Go can tell.

    Go alone knows all of its syntax: this finds the usual mistakes.
    """
    depth, repeatable, repeated = 0, [False], False
    for symbol in _SYNTAX.finditer(regex):
        kind, text = symbol.lastgroup, symbol[0]
        if kind == "repeat":
            if repeated or not repeatable[-1]:
                return f"{text} has nothing to repeat"
            if not _is_valid_count(symbol["low"], symbol["comma"], symbol["high"]):
                return f"{text} is no valid count"
            repeated = True
            continue
        if kind != "flags":
            repeated = False
        if kind == "escape" and len(text) < 3 and (text == "\\" or (text[1].isalnum() and text[1] not in _LETTERS)):
            return f"{text} is not supported"
        if kind == "character" and text in "([":
            return f"{regex[symbol.start() : symbol.start() + 3]} is not supported" if text == "(" else "] is missing"
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
