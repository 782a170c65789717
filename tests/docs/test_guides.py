"""The guides: their commands run, their files are those that the commands write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import document
from tests.docs.markdown import FILES, TEMPLATES
from tests.docs.package import CENTRIFUGO
from tests.docs.shell import Shell

README = "README.md"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path) as shell:
        yield shell


@pytest.mark.parametrize("file", [file for file in FILES if file not in (README, *TEMPLATES)])
def test_every_command_works_with_the_application_of_the_readme(file: str, shell: Shell) -> None:
    document.write_files(README, shell)
    shell.run("export FLASK_PROXYHOOKS_SECRETS='[\"change me\"]'")
    document.run(file, shell, centrifugo=CENTRIFUGO)
