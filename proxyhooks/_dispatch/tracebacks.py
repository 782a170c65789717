"""Tracebacks end at a line of the application, since that is where its mistake is."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import CodeType
from typing import Any, Final, TypeVar

from .._wire.application_frames import PACKAGE, last_entry_outside_of
from ..exceptions import ProxyHooksError
from .signatures import code_of

ErrorT = TypeVar("ErrorT", bound=Exception)

_RETURNS: Final = ("RETURN_VALUE", "RETURN_CONST")
"""The instructions that end a function."""


def with_line_of(error: ErrorT, function: Callable[..., Any]) -> ErrorT:
    """The error with a note of where the function returns, which a printed traceback ends with.

    The frame of a function that has returned is gone, so no traceback can contain it.
    """
    code = code_of(function)
    if code is not None:
        line = _line_of_return(code)
        source = linecache.getline(code.co_filename, line).strip()
        error.add_note(f'  File "{code.co_filename}", line {line}, in {code.co_name}\n    {source}'.rstrip())
    return error


def _line_of_return(code: CodeType) -> int:
    """The line of the only return; the first line of the function if it has several, as the line is not known."""
    import dis  # only an error needs it

    positions = (one.positions for one in dis.get_instructions(code) if one.opname in _RETURNS)
    lines = {position.lineno for position in positions if position is not None and position.lineno is not None}
    return lines.pop() if len(lines) == 1 else code.co_firstlineno


def end_at_application(error: BaseException) -> None:
    """Cut the frames of this package below the line of the application that has called it wrongly.

    That is a call whose argument the package refuses, such as that of a result's class.
    """
    if not isinstance(error, (TypeError, ValueError, ProxyHooksError)):
        return
    if (last := last_entry_outside_of(error, PACKAGE)) is not None:
        last.tb_next = None
