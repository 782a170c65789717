"""Tables are those of the package, links lead somewhere, and no block escapes the tests."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest

from proxyhooks import signals
from tests.benchmarks.contestants import ONLY_SERVED
from tests.benchmarks.served import ROWS
from tests.docs.document import PARSERS
from tests.docs.markdown import FILES, REPOSITORY, ROOT, anchors, blocks, links, prose, read, table
from tests.docs.package import COMMANDS, CONTESTANTS, EVENTS
from tests.docs.tables import TABLES

BLOB = f"{REPOSITORY}/blob/main/"
# Sites that the documentation may lead to; their pages are not fetched.
SITES = (
    "https://centrifugal.dev",
    "https://keepachangelog.com/",
    "https://python-rq.org",
    "https://semver.org/",
    f"{REPOSITORY}/security/advisories/new",
    f"{REPOSITORY}/commits/main",
)
CONFIGURED = "deploy/README.md"


@pytest.mark.parametrize(("file", "name"), TABLES)
def test_a_generated_table_is_the_one_of_the_package(file: str, name: str) -> None:
    rows: Callable[[], list[str]] = TABLES[file, name]
    assert table(file, name) == rows(), "python -m tests.docs writes it"


def test_every_markdown_file_is_tested() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.md")}
    hidden = (".venv", "node_modules/", ".pytest_cache/", ".hypothesis/")
    assert {file for file in found if not any(part in file for part in hidden)} == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_link_leads_somewhere(file: str) -> None:
    folder = (ROOT / file).parent
    for link in links(file):
        target, _, anchor = link.removeprefix(BLOB).partition("#")
        if link.startswith("https://") and not link.startswith(BLOB):
            assert link.startswith(SITES), link
            continue
        path = (ROOT if link.startswith(BLOB) else folder) / target if target else ROOT / file
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path.resolve().relative_to(ROOT).as_posix()), link


@pytest.mark.parametrize("file", FILES)
def test_every_block_says_how_it_is_tested(file: str) -> None:
    for block in blocks(file):
        if block.language in ("sh", "console"):
            assert set(block.words) <= {"elsewhere", "centrifugo"}, block.place
        elif block.language == "python":
            assert len(block.words) == 1, block.place
        else:
            assert block.language == "pycon" or block.language in PARSERS, block.place


@pytest.mark.parametrize("file", FILES)
def test_lines_are_short_enough_to_read(file: str) -> None:
    long = [line for line in prose(file).split("\n") if len(line) > 120 and not line.startswith(("|", "`go install"))]
    assert [line for line in long if "](https://" not in line] == []


@pytest.mark.parametrize("file", FILES)
def test_every_setting_and_command_that_is_named_exists(file: str) -> None:
    settings = {row.split("`")[1] for row in table(CONFIGURED, "settings")[2:]}
    named = set(re.findall(r"(?<![A-Z_])(?:FLASK_)?(PROXYHOOKS_[A-Z_]*[A-Z])", read(file))) - {"PROXYHOOKS_CASES"}
    assert named <= settings
    for command in re.findall(r"flask (?:--app \w+ )?centrifugo (\w+)", read(file)):
        assert command in (*COMMANDS, "NAME"), command


def test_the_table_of_settings_has_those_of_the_package() -> None:
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table(CONFIGURED, "settings")]
    assert rows[0] == ["key", "type", "default", "meaning"]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "proxyhooks").rglob("*.py"))
    # Not those of Centrifugo's environment, nor Flask's names for them.
    keys = set(re.findall(r'(?<![A-Z_])"(PROXYHOOKS_[A-Z_]+)"', source))
    assert {row[0].split("`")[1] for row in rows[2:]} == keys
    assert all(all(row) for row in rows[2:])


def test_the_events_are_those_of_the_package() -> None:
    rows = read("README.md").partition("| event | pattern on |")[2].partition("\n\n")[0].split("\n")[2:]
    named = [event for row in rows for event in row.split("|")[1].replace("(PRO)", "").strip().split(", ")]
    assert sorted(named) == sorted(EVENTS)


def test_the_benchmarks_are_those_that_are_run() -> None:
    text = read("tests/README.md")
    for contestant in CONTESTANTS.values():
        assert text.count(f"\n| {contestant} | ") == 1, contestant
    for row in ROWS:
        assert text.count(f"\n| {row.server} | {(CONTESTANTS | ONLY_SERVED)[row.app]} | ") == 1, row


def test_the_guide_names_the_proxy_of_each_event() -> None:
    sentence = read(CONFIGURED).partition("The proxies are ")[2].partition("`channel.proxy.EVENT`")[0]
    named = re.findall(r"`([\w.]+)`", sentence)
    for event in EVENTS.values():
        assert (event.proxy in named) != (event.proxy == f"channel.proxy.{event.name}"), event.name


def test_the_table_of_what_to_copy_has_every_folder() -> None:
    rows = read(CONFIGURED).partition("## What to copy\n\n")[2].partition("\n\n")[0].split("\n")[2:]
    named = [folder for row in rows for folder in re.findall(r"\[`(\w+)`\]", row.split("|")[1])]
    folders = {path.parent.name for path in (ROOT / "deploy").glob("*/*") if path.parent.name != "__pycache__"}
    assert sorted(named) == sorted(folders)


def test_the_table_of_the_signal_has_its_fields() -> None:
    table = read("examples/README.md").partition("| `FinishedCall` |")[2].partition("\n\n")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    names = [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]
    assert names == [field.name for field in dataclasses.fields(signals.FinishedCall)]
