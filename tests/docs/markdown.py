"""The Markdown files of the repository: their code blocks, tables, headings and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REPOSITORY: Final = "https://github.com/proxyhooks/proxyhooks"
TEMPLATES: Final = tuple(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("examples/*/README.md")))
"""The README of each template, which is run in a copy of the template, by ``tests/examples/test_templates.py``."""
FILES: Final = (
    "README.md",
    "examples/README.md",
    "deploy/README.md",
    "tests/README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    ".github/CHANGELOG.md",
    *TEMPLATES,
)

_FENCE: Final = re.compile(r"^( *)```(\w*)(?: +([^\n]*))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block."""

    file: str
    line: int
    """Of the opening fence, from 1."""
    language: str
    words: tuple[str, ...]
    """What follows the language: the name of a file, or how the block is tested."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def file_name(self) -> str | None:
        return next((word for word in self.words if "." in word), None)


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def blocks(file: str) -> list[Block]:
    text, found = read(file), []
    for match in _FENCE.finditer(text):
        indent, language, words, body = match.groups()
        if indent:
            body = "\n".join(line.removeprefix(indent) for line in body.split("\n"))
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(file, line, language, tuple((words or "").split()), body))
    return found


def prose(file: str) -> str:
    """The text without its code blocks."""
    return _FENCE.sub("", read(file))


def links(file: str) -> list[str]:
    return _LINK.findall(prose(file))


def anchors(file: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def table(file: str, name: str) -> list[str]:
    """The rows of the table after the comment ``<!-- name -->``, up to the next blank line."""
    found = re.search(rf"^<!-- {re.escape(name)} -->\n\n(.*?)\n(?:\n|\Z)", read(file), re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{file} has no table after the comment {name!r}")
    return found[1].split("\n")


def replace_table(file: str, name: str, rows: list[str]) -> None:
    """Write the rows in place of those after the comment ``<!-- name -->``."""
    start = f"<!-- {name} -->\n\n"
    before, comment, after = read(file).partition(start)
    if not comment:
        raise LookupError(f"{file} has no comment {name!r}")
    rest = after if after.startswith("\n") else "\n" + after.partition("\n\n")[2]
    (ROOT / file).write_text(before + start + "\n".join(rows) + "\n" + rest, encoding="utf-8")
