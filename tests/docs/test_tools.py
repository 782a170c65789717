"""What tests the documentation notices what is wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import document, markdown
from tests.docs.shell import Shell, commands, matches


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path) as shell:
        yield shell


@pytest.mark.parametrize(
    ("expected", "output", "fine"),
    [
        ("a\nb\n", "a\nb", True),
        ("a\nb\n", "a\nb\nc", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nc\n", "a\nc\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("took ... ms\n", "took 3.1 ms\n", True),
        ("took ... ms\n", "took 3.1 ms\nmore\n", False),
        ("took ... ms\n", "took 3.1\n5 ms\n", False),
        ("", "", True),
        ("", "something\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_output_is_compared(expected: str, output: str, fine: bool) -> None:
    assert matches(expected, output) is fine


def test_a_console_has_commands_and_output() -> None:
    assert commands("$ a \\\n    b\nx\ny\n$ c\n") == [("a \\\n    b", "x\ny\n"), ("c", "")]


def write(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setattr(markdown, "ROOT", path.parent)


@pytest.mark.parametrize(
    "block",
    [
        "```sh\nfalse\n```",
        "```sh\nif\n```",
        "```sh elsewhere\nif\n```",
        "```console\n$ echo a\nb\n```",
        "```json\n{\n```",
        "```sh\necho 1 > x.json\n```\n\n```json x.json\n2\n```",
        "```pycon\n>>> 1\n2\n```",
        "```ini\na=1\n```",
        "```nginx\nserver {\n```",
        "```dockerfile\nCOMMAND x\n```",
    ],
)
def test_a_wrong_block_is_noticed(block: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.md", block + "\n", monkeypatch)
    with pytest.raises(Exception, match=r".") as raised:
        document.run("x.md", shell, centrifugo=None)
    assert not isinstance(raised.value, (KeyError, TimeoutError))


def test_blocks_share_a_shell_and_a_directory(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "1. ```python x.py\n   print('a')\n   ```\n\n```python x.py\nprint('b')\n```\n\n```sh\nexport A=1\n```\n\n"
        "```console\n$ python x.py; echo $A\na\nb\n1\n```\n\n```console centrifugo\n$ echo a\nb\n```\n"
    )
    write(tmp_path / "x.md", text.replace("1. ```", "   ```"), monkeypatch)
    document.run("x.md", shell, centrifugo=None)


def test_a_table_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.md", "a\n\n<!-- t -->\n\n| old |\n|---|\n\nb\n", monkeypatch)
    markdown.replace_table("x.md", "t", ["| new |", "|---|", "| 1 |"])
    assert (tmp_path / "x.md").read_text() == "a\n\n<!-- t -->\n\n| new |\n|---|\n| 1 |\n\nb\n"
    assert markdown.table("x.md", "t") == ["| new |", "|---|", "| 1 |"]
