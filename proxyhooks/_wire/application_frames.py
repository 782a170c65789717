"""Which entries of a traceback are the application's: the mistake is there, and not in the code that it calls."""

from __future__ import annotations

from types import TracebackType
from typing import Final

PACKAGE: Final = __name__.partition(".")[0]
_CALLERS: Final = ("click", "flask", "gunicorn", "importlib", "werkzeug")
"""What runs commands and servers, and loads the application."""


def last_entry_outside_of(error: BaseException, *packages: str) -> TracebackType | None:
    """The last entry of the error's traceback whose code is in none of the packages."""
    traceback, last = error.__traceback__, None
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0] not in packages:
            last = traceback
        traceback = traceback.tb_next
    return last


def place_in_application(error: BaseException) -> str:
    """File and line of the application's call that has raised the error, in parentheses, for the end of its text.

    Empty if the text has them already, or if the application has not called anything.
    """
    last = last_entry_outside_of(error, PACKAGE, *_CALLERS)
    place = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    return f" ({place})" if place and place not in str(error) else ""
