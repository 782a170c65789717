"""Channel patterns: valid ones, channels that match, the order of specificity, and the time it takes."""

from __future__ import annotations

import itertools
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyhooks import ChannelPattern, SetupError
from proxyhooks._dispatch.tree import PatternTree

ID = uuid.UUID("6f1c7a52-7d2c-4b8a-9a44-0d3c5f1f9b11")


@pytest.mark.parametrize(
    ("pattern", "channel", "variables"),
    [
        ("news", "news", {}),
        ("chat:<int:room_id>", "chat:42", {"room_id": 42}),
        ("chat:<int:room_id>", "chat:0", {"room_id": 0}),
        ("chat:<int:room_id>", f"chat:{2**63 - 1}", {"room_id": 2**63 - 1}),
        ("chat:<name>", "chat:a b\n", {"name": "a b\n"}),
        ("chat:<name>", "chat:042", {"name": "042"}),
        ("chat:<string:name>", "chat:x", {"name": "x"}),
        ("doc:<uuid:id>", f"doc:{ID}", {"id": ID}),
        ("file:<path:rest>", "file:a/b//c:d#e", {"rest": "a/b//c:d#e"}),
        ("user-<name>", "user-7", {"name": "7"}),
        ("<a>:<b>/<int:c>", "x:y/3", {"a": "x", "b": "y", "c": 3}),
        ("grid:<int:x>x<int:y>", "grid:3x4", {"x": 3, "y": 4}),
        ("a:<uuid:u>b", f"a:{ID}b", {"u": ID}),
        ("rooms.list", "rooms.list", {}),
    ],
)
def test_a_pattern_matches_and_writes_the_same_channel(pattern: str, channel: str, variables: dict[str, Any]) -> None:
    compiled = ChannelPattern(pattern)
    assert compiled.match(channel) == variables
    assert compiled.format(**variables) == channel
    tree = PatternTree()
    assert tree.add(compiled, pattern) is None
    found = tree.find(channel)
    assert found is not None
    assert found == (pattern, variables)


@pytest.mark.parametrize(
    ("pattern", "channel"),
    [
        ("news", "/news"),
        ("news", "news\n"),
        ("news", "News"),
        ("news", "new"),
        ("chat:<int:id>", "chat:042"),
        ("chat:<int:id>", "chat:00"),
        ("chat:<int:id>", "chat:-1"),
        ("chat:<int:id>", "chat:+1"),
        ("chat:<int:id>", "chat:1.0"),
        ("chat:<int:id>", "chat:4_2"),
        ("chat:<int:id>", "chat: 42"),
        ("chat:<int:id>", "chat:42\n"),
        ("chat:<int:id>", "chat:٤٢"),
        ("chat:<int:id>", "chat:²"),
        ("chat:<int:id>", "chat:"),
        ("chat:<int:id>", f"chat:{2**63}"),
        ("chat:<int:id>", "chat:" + "9" * 5000),
        ("chat:<int:id>", "chat:42\x00"),
        ("chat:<int:id>", "chat:42/"),
        ("chat:<name>", "chat:"),
        ("chat:<name>", "chat:a/b"),
        ("chat:<name>", "chat:a:b"),
        ("chat:<name>", "chat:a#b"),
        ("chat:<name>", "chat:a,b"),
        ("chat:<name>", "chat::"),
        ("doc:<uuid:id>", f"doc:{str(ID).upper()}"),
        ("doc:<uuid:id>", f"doc:{str(ID)[:24]}{str(ID)[24:].upper()}"),
        ("doc:<uuid:id>", f"doc:{str(ID)[:8].upper()}{str(ID)[8:]}"),
        ("doc:<uuid:id>", f"doc:{ID.hex}"),
        ("doc:<uuid:id>", f"doc:{{{ID}}}"),
        ("doc:<uuid:id>", f"doc:{ID}\n"),
        ("file:<path:rest>", "file:"),
        ("a//b", "a/b"),
    ],
)
def test_a_pattern_does_not_match_a_similar_channel(pattern: str, channel: str) -> None:
    compiled = ChannelPattern(pattern)
    assert compiled.match(channel) is None
    tree = PatternTree()
    tree.add(compiled, 1)
    assert tree.find(channel) is None


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("", "must be a text"),
        (5, "must be a text"),
        ("chat:<float:x>", "no <float:...>"),
        ("chat:<int:>", "name of an argument"),
        ("chat:<>", "name of an argument"),
        ("chat:<int:1x>", "name of an argument"),
        ("chat:<class>", "name of an argument"),
        ("chat:<a", "not a variable"),
        ("chat:a>", "not a variable"),
        ("chat:<<a>>", "not a variable"),
        ("<a><b>", "text between"),
        ("<int:a><b>", "text between"),
        ("<path:a>:b", "must come last"),
        ("<a>-<b>", "never before '-'"),
        ("<int:a>0", "never stops before '0'"),
        ("<a>:<a>", "a name of its own"),
    ],
)
def test_an_invalid_pattern_is_refused(pattern: Any, hint: str) -> None:
    with pytest.raises(SetupError) as refused:
        ChannelPattern(pattern)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "variables", "error"),
    [
        ("chat:<int:id>", {}, TypeError),
        ("chat:<int:id>", {"id": 1, "x": 1}, TypeError),
        ("chat:<int:id>", {"id": "1"}, TypeError),
        ("chat:<int:id>", {"id": True}, TypeError),
        ("chat:<int:id>", {"id": -1}, ValueError),
        ("chat:<int:id>", {"id": 2**63}, ValueError),
        ("chat:<name>", {"name": ""}, ValueError),
        ("chat:<name>", {"name": "a:b"}, ValueError),
        ("chat:<name>", {"name": 5}, TypeError),
        ("doc:<uuid:id>", {"id": str(ID)}, TypeError),
        ("file:<path:p>", {"p": ""}, ValueError),
    ],
)
def test_format_refuses_values_that_would_not_match(
    pattern: str, variables: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ChannelPattern(pattern).format(**variables)


RANKED = [
    "chat:lobby",
    "chat:a<name>",
    "chat:<int:id>",
    "chat:<uuid:id>",
    "chat:<name>",
    "chat:<path:rest>",
    "<path:all>",
]


@pytest.mark.parametrize("order", [RANKED, RANKED[::-1]])
@pytest.mark.parametrize(
    ("channel", "winner"),
    [
        ("chat:lobby", "chat:lobby"),
        ("chat:lobby2", "chat:<name>"),
        ("chat:abc", "chat:a<name>"),
        ("chat:a", "chat:<name>"),
        ("chat:42", "chat:<int:id>"),
        ("chat:042", "chat:<name>"),
        (f"chat:{ID}", "chat:<uuid:id>"),
        ("chat:x/y", "chat:<path:rest>"),
        ("chat:a/y", "chat:<path:rest>"),
        ("chat:", "<path:all>"),
        ("other", "<path:all>"),
    ],
)
def test_the_more_specific_pattern_wins_in_any_order_of_registration(
    order: list[str], channel: str, winner: str
) -> None:
    tree = PatternTree()
    for pattern in order:
        assert tree.add(ChannelPattern(pattern), pattern) is None
    found = tree.find(channel)
    assert found is not None
    assert found[0] == winner


def test_the_first_place_where_they_differ_decides() -> None:
    tree = PatternTree()
    for pattern in ("<a>:x", "b:<c>"):
        tree.add(ChannelPattern(pattern), pattern)
    found = tree.find("b:x")
    assert found is not None
    assert found[0] == "b:<c>"


@pytest.mark.parametrize(("one", "other"), [("chat:<int:a>", "chat:<int:b>"), ("a", "a"), ("<x>:y", "<z>:y")])
def test_add_returns_the_value_of_the_same_shape(one: str, other: str) -> None:
    tree = PatternTree()
    assert tree.add(ChannelPattern(one), "one") is None
    assert tree.add(ChannelPattern(other), "other") == "one"


@pytest.mark.parametrize("pattern", ["x:<int:a>-room", "x:<int:a>.<name>", "x:<int:a>z"])
def test_an_int_and_text_that_no_uuid_contains_are_not_ambiguous(pattern: str) -> None:
    tree = PatternTree()
    assert tree.add(ChannelPattern("x:<uuid:b>"), 1) is None
    assert tree.add(ChannelPattern(pattern), 2) is None


@pytest.mark.parametrize("continued", ["-<name>", "a<name>", "f-<name>"])
@pytest.mark.parametrize("swap", [False, True])
def test_ambiguous_int_and_uuid_are_refused(swap: bool, continued: str) -> None:
    patterns = [f"x:<int:a>{continued}", "x:<uuid:b>"]
    tree = PatternTree()
    first, second = patterns[::-1] if swap else patterns
    tree.add(ChannelPattern(first), 1)
    with pytest.raises(SetupError, match="neither is more specific"):
        tree.add(ChannelPattern(second), 2)


def test_ambiguity_does_not_depend_on_other_patterns() -> None:
    for order in itertools.permutations(["x:<int:a>-y", "x:<int:a>-z", "x:<uuid:b>"]):
        tree = PatternTree()
        for pattern in order:
            assert tree.add(ChannelPattern(pattern), pattern) is None


def test_find_same_shape_does_not_change_the_tree() -> None:
    tree = PatternTree()
    tree.add(ChannelPattern("chat:<int:a>/x"), 1)
    for text in ("chat:<int:b>", "chat:<int:b>/xy", "cha", "c<name>", "chat:<uuid:b>/x"):
        assert tree.find_same_shape(ChannelPattern(text)) is None
    assert tree.find_same_shape(ChannelPattern("chat:<int:b>/x")) == 1
    tree.add(ChannelPattern("chat:<uuid:a>"), 2)
    with pytest.raises(SetupError, match="neither is more specific"):
        tree.find_same_shape(ChannelPattern("chat:<int:a>-<name>"))
    assert tree.find("chat:1") is None
    assert tree.add(ChannelPattern("c<name>"), 3) is None


def test_int_and_uuid_at_the_same_place_are_not_ambiguous() -> None:
    tree = PatternTree()
    for pattern in ("x:<int:a>", "x:<uuid:b>", "x:<int:a>/y", "x:<uuid:b>/y"):
        assert tree.add(ChannelPattern(pattern), pattern) is None
    found = tree.find("x:12345678/y")
    assert found is not None
    assert found[0] == "x:<int:a>/y"


TEXT = st.text(st.sampled_from("ab0123456789-:#/,. \n\x00é٤"), max_size=12)
NAMES = st.text(st.sampled_from("a0-. \n\x00é٤%<"), min_size=1, max_size=8)
VALUES = {
    "int": st.integers(0, 2**63 - 1),
    "uuid": st.uuids(),
    "string": NAMES,
    "path": st.text(st.sampled_from("a0:/#,. \n"), min_size=1, max_size=8),
}


@given(st.data())
def test_format_and_match_return_the_same_values(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(["int", "uuid", "string"]), max_size=3))
    text, variables = "", {}
    for number, kind in enumerate(kinds):
        text += f"<{kind}:v{number}>" + data.draw(st.sampled_from([":", "/", "#", ",", ":x/", "/1:"]))
        variables[f"v{number}"] = data.draw(VALUES[kind])
    if data.draw(st.booleans()):
        text += "<path:rest>"
        variables["rest"] = data.draw(VALUES["path"])
    pattern = ChannelPattern(text or "x")
    assert pattern.match(pattern.format(**variables)) == variables


@given(TEXT)
def test_match_and_format_return_the_same_channel(channel: str) -> None:
    for text in ("<a>", "<int:a>", "<a>:<b>", "<path:p>", "a<b>", "<int:a>-<int:b>", "<a>/<path:p>"):
        pattern = ChannelPattern(text)
        variables = pattern.match(channel)
        if variables is not None:
            assert pattern.format(**variables) == channel


PATTERNS = [
    "<a>",
    "<int:a>",
    "<a>:<b>",
    "<int:a>:<b>",
    "a<b>",
    "a:<b>",
    "<a>:b",
    "<a>:<int:b>",
    "1:<b>",
    "a:b",
    "<path:p>",
]


@given(st.lists(st.sampled_from(PATTERNS), unique=True), TEXT)
def test_the_tree_finds_a_pattern_if_and_only_if_one_matches(patterns: list[str], channel: str) -> None:
    tree = PatternTree()
    for pattern in patterns:
        tree.add(ChannelPattern(pattern), pattern)
    matching = {p: m for p in patterns if (m := ChannelPattern(p).match(channel)) is not None}
    found = tree.find(channel)
    assert (found is None) == (not matching)
    if found is not None:
        assert matching[found[0]] == found[1]


def lines_run_to_find(tree: PatternTree, channel: str) -> int:
    """How many lines of patterns.py and tree.py run to find a channel."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if Path(frame.f_code.co_filename).name not in ("patterns.py", "tree.py"):
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        tree.find(channel)
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize(
    ("shape", "channel"),
    [
        ("ns{}:<int:id>", "ns{}:42"),
        ("<name>:ns{}", "x:ns{}"),
        ("{}-<name>/x", "{}-y/x"),
        ("exact{}", "exact{}"),
        ("a:<int:x>/{}/<name>", "a:7/{}/z"),
    ],
)
def test_ten_thousand_patterns_cost_hardly_more_than_ten(shape: str, channel: str) -> None:
    few, many = PatternTree(), PatternTree()
    for number in range(10):
        few.add(ChannelPattern(shape.format(1000 + number)), number)
    for number in range(10_000):
        many.add(ChannelPattern(shape.format(number)), number)
    found = many.find(channel.format(9876))
    assert found is not None
    assert found[0] == 9876
    # A linear walk would take thousands of steps; a tree takes a few more for every digit.
    assert lines_run_to_find(many, channel.format(9876)) <= lines_run_to_find(few, channel.format(1005)) + 40
    assert lines_run_to_find(many, channel.format("none")) <= 60


@pytest.mark.parametrize(
    ("pattern", "boundary", "prefix", "namespace"),
    [
        ("chat:<int:id>", ":", "$", "chat"),
        ("news", ":", "$", ""),
        ("<x>", ":", "$", ""),
        ("<x>:<y>", ":", "$", None),
        ("<path:x>", ":", "$", None),
        ("chat:<path:x>", ":", "$", "chat"),
        ("$chat:<x>", ":", "$", "chat"),
        ("$chat:<x>", ":", "", "$chat"),
        ("$<x>", ":", "$", ""),
        ("chat/<int:id>:<y>", "/", "$", "chat"),
        ("chat:<int:id>", "/", "$", ""),
        ("chat--<x>", "--", "$", "chat"),
        ("chat/<x>", "--", "$", None),
        ("chat/<int:id>", "--", "$", ""),
        ("chat/<int:id>", "12", "$", None),
        ("doc/<uuid:id>", "-", "$", None),
        ("doc/<uuid:id>", "x", "$", ""),
    ],
)
def test_the_namespace_depends_on_the_boundary_and_the_prefix(
    pattern: str, boundary: str, prefix: str, namespace: str | None
) -> None:
    assert ChannelPattern(pattern).namespace_in(boundary, prefix) == namespace
    if (boundary, prefix) == (":", "$"):
        assert ChannelPattern(pattern).namespace == namespace
