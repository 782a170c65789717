"""Regular expressions of Go: in Python, and their mistakes."""

from __future__ import annotations

import pytest

from proxyhooks.centrifugo.go.regex import compile_go_regex, problem_in_go


@pytest.mark.parametrize(
    ("regex", "matches", "others"),
    [
        ("^[a-z]+$", ["abc"], ["abc1", "abc\n", ""]),
        (r"^\d\s\z", ["1 ", "1\t"], ["\u0661 ", "1\v", "1\u00a0", "1 \n"]),
        ("b", ["abc"], ["aac"]),
        ("^[[:digit:]x]+$", ["1x"], ["d", ":"]),
        (r"^[]a]\x{e4}$", ["]\u00e4", "a\u00e4"], ["b\u00e4", "[\u00e4"]),
        ("^[^]a]$", ["b", "["], ["]", "a"]),
        ("^[a[]$", ["a", "["], ["[]"]),
        (r"^[\s]\S$", [" a"], ["\va", "  "]),
        ("(?i)^ab$", ["AB"], ["ABC"]),
        (r"^(?P<kind>a|b):\$$", ["a:$"], ["a:"]),
    ],
)
def test_it_matches_as_in_go(regex: str, matches: list[str], others: list[str]) -> None:
    compiled = compile_go_regex(regex)
    assert compiled is not None
    assert [text for text in matches + others if compiled.search(text)] == matches


@pytest.mark.parametrize("regex", [r"\pL", r"\p{Greek}", r"[\pL]", r"\Q.\E", "(?m)a$", "(?U)a+", "[[:^digit:]]", "["])
def test_what_python_does_not_have_is_left_out(regex: str) -> None:
    assert compile_go_regex(regex) is None


@pytest.mark.parametrize("regex", ["", "(?i)a", "a(?i)*", r"\Q(\E", "[]a]", "(?P<n>x)(?P<n>y)", "x{,3}", "{", r"\pL"])
def test_a_regular_expression_of_go_is_right(regex: str) -> None:
    assert problem_in_go(regex) is None
