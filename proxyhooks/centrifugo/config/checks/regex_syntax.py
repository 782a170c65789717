"""Finds what Go's regular expressions do not have. Go alone knows all of its syntax: this finds the usual mistakes."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
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


def problem_in_go(regex: str) -> str | None:
    """Why Go does not compile an expression; None if it does, or if only Go can tell."""
    depth, repeatable, repeated = 0, [False], False
    for token in _TOKEN.finditer(regex):
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
