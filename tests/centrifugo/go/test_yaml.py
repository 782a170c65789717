"""YAML is read as Centrifugo's library reads it."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from proxyhooks.centrifugo.go.yaml import NotYaml, Timestamp, load_yaml

SCALARS: list[tuple[str, Any]] = [
    ("yes", "yes"),
    ("on", "on"),
    ("n", "n"),
    ("True", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    ("~", None),
    ("Null", None),
    ("", None),
    ("0o17", 15),
    ("017", 15),
    ("08", 8.0),
    ("0x1F", 31),
    ("0b11", 3),
    ("1_000", 1000),
    ("1__0", 10),
    ("_1", "_1"),
    ("+5", 5),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("5.", 5.0),
    ("-.inf", -math.inf),
    ("1:30", "1:30"),
    ("0.1.2", "0.1.2"),
    ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", 2.0**64),
    ("'5'", "5"),
    ("!!str 5", "5"),
    ("!!float 5", 5.0),
    ("!!int '5'", 5),
    ("!!bool 'true'", True),
    ("!!binary YQ==", "a"),
    ("!custom 5", "5"),
    ("2020-13-01", "2020-13-01"),
    ("2020-01-01 1:2:3Z", "2020-01-01 1:2:3Z"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar_has_the_type_that_go_gives_it(text: str, value: Any) -> None:
    read, duplicates = load_yaml(f"a: {text}\n")
    assert read == {"a": value}
    assert type(read["a"]) is type(value)
    assert duplicates == []


@pytest.mark.parametrize("text", ["2020-01-01", "2020-1-2", "2020-01-01T10:00:00Z", "2020-01-01t1:2:3.5+01:00"])
def test_a_date_is_no_text(text: str) -> None:
    assert isinstance(load_yaml(f"a: {text}\n")[0]["a"], Timestamp)


DOCUMENTS: list[tuple[str, Any]] = [
    ("", None),
    ("# only a comment\n", None),
    ("a: 1\n---\na: 2\n", {"a": 1}),
    ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
    ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", {"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}}),
    ("a: &x {b: 1}\nc: &y {b: 2, d: 4}\ne:\n  <<: [*x, *y]\n",
     {"a": {"b": 1}, "c": {"b": 2, "d": 4}, "e": {"b": 1, "d": 4}}),
    ("a:\n  '<<': 1\n", {"a": {"<<": 1}}),
    ("0x10: 1\n", {"0x10": 1}),
    ("a: {0x10: 1, true: 2, 1.50: 3, ~: 4}\n", {"a": {"16": 1, "true": 2, "1.5": 3, "": 4}}),
    ("a: {b:\t1}\n", {"a": {"b": 1}}),
    ("%YAML 1.1\n---\na: 1\n", {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), DOCUMENTS)
def test_a_document_has_the_value_that_go_gives_it(text: str, value: Any) -> None:
    assert load_yaml(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [\n", "line 2"),
        ("a:\n\tb: 1\n", "line 2"),
        ("a: *x\n", "undefined alias"),
        ("a: &x [*x]\n", "line 1: an anchor's value contains itself"),
        ("a: {<<: 5}\n", "line 1: << takes an object"),
        ("a: {[b]: 1}\n", "line 1: a key must be a text"),
        ("a: !!int x\n", "line 1: !!str cannot be !!int"),
        ("a: !!binary YQ\n", "line 1: !!binary needs base64"),
        ("%YAML 1.2\n---\na: 1\n", "%YAML 1.2 is not the version that Centrifugo reads, 1.1"),
        ("a: \x07\n", "special characters"),
    ],
)
def test_what_go_does_not_read_is_an_error(text: str, message: str) -> None:
    with pytest.raises(NotYaml) as raised:
        load_yaml(text)
    assert message in str(raised.value)


def test_a_key_that_is_twice_is_reported_with_its_line() -> None:
    value, duplicates = load_yaml("a:\n  b: 1\n  'b': 2\na: 3\n")
    assert duplicates == [(3, "b"), (4, "a")]
    assert value == {"a": 3}


def test_without_pyyaml_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match="YAML needs PyYAML: pip install pyyaml"):
        load_yaml("a: 1\n")


@pytest.mark.parametrize(
    "text", ["a: *pass-word", "a: &pass-word 1\nb: &pass-word 2\nc: *pass-wort", "a: !pass-word!x y"]
)
def test_messages_do_not_quote_a_password_without_quotes(text: str) -> None:
    with pytest.raises(NotYaml) as raised:
        load_yaml(text)
    assert "pass-wor" not in str(raised.value)


@pytest.mark.parametrize(("width", "lines"), [(9, 3), (4, 5), (3, 6)])
def test_few_anchors_that_stand_for_many_values_are_refused_where_go_refuses_them(width: int, lines: int) -> None:
    text = [f"a: &a [{', '.join('x' * width)}]"]
    text += [
        f"{name}: &{name} [{', '.join([f'*{below}'] * width)}]"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert len(load_yaml("\n".join(text[:lines]))[0]) == lines
    with pytest.raises(NotYaml, match="anchors are repeated too often"):
        load_yaml("\n".join(text[: lines + 1]))
    with pytest.raises(NotYaml, match="anchors are repeated too often"):
        load_yaml("\n".join(text))


@pytest.mark.parametrize("text", ["{a: b\tc}", "a: b\tc\t# comment", "a: b\tc\t\n", "a: b\tc\t"])
def test_a_text_without_quotes_may_have_tabs(text: str) -> None:
    assert load_yaml(text)[0] == {"a": "b\tc"}
