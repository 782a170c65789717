"""Which line of a traceback is the application's."""

from __future__ import annotations

from typing import Any

import pytest

from proxyhooks import ChannelPattern, SetupError
from proxyhooks._wire.application_frames import place_in_application


def caught(function: Any) -> SetupError:
    with pytest.raises(SetupError) as raised:
        function()
    return raised.value


def run_in(module: str | None, function: Any) -> Any:
    """Call the function from a module of this name."""
    exec("function()", {"__name__": module, "function": function})


def test_the_place_is_the_last_line_outside_of_the_package_and_of_what_loads_the_application() -> None:
    line = wrong_pattern.__code__.co_firstlineno + 1
    assert place_in_application(caught(wrong_pattern)) == f" ({__file__}:{line})"
    assert place_in_application(caught(lambda: run_in("gunicorn.util", wrong_pattern))) == f" ({__file__}:{line})"
    assert place_in_application(caught(lambda: run_in(None, wrong_pattern))) == f" ({__file__}:{line})"


def wrong_pattern() -> None:
    ChannelPattern("<")


def test_a_text_that_has_the_place_gets_no_second_one() -> None:
    def raise_with_place() -> None:
        raise SetupError(f"hook order ({__file__}:{raise_with_place.__code__.co_firstlineno + 1}) is wrong")

    assert place_in_application(caught(raise_with_place)) == ""


def test_an_error_that_no_application_has_caused_has_no_place() -> None:
    assert place_in_application(SetupError("x")) == ""
