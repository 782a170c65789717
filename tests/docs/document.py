"""Runs a Markdown file: its commands in a shell, its files in the shell's directory.

How a block is tested depends on its language and on the word after it:

=====================  ===============================================================================================
``python NAME.py``     it is (or is added to the end of) this file
``python NAME``        it is a recipe, see ``test_recipes.py``
``pycon``              it is a doctest
``sh``                 the commands must succeed; one that ends with ``&`` is a server
``console``            the commands' output must be as printed, ``...`` stands for anything
``sh elsewhere``       it needs docker, root or the network, so that only its syntax is checked; also for ``console``
``sh centrifugo``      it is run if there is a Centrifugo; also for ``console``
``json NAME.json``     it is the content of this file if the commands have written one, or else it makes this file
others                 they are parsed
=====================  ===============================================================================================
"""

from __future__ import annotations

import configparser
import doctest
import importlib
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from typing import Any, Final

from tests.docs.markdown import Block, blocks
from tests.docs.shell import Shell, commands, matches


def run(file: str, shell: Shell, *, centrifugo: str | None) -> None:
    """Run all blocks of the file in their order.

    :param centrifugo: the path of the program.
    :raises AssertionError: if one does not do what it says.
    """
    if centrifugo is not None:
        shell.add_program("centrifugo", centrifugo)
    for block in blocks(file):
        _run(block, shell, centrifugo is not None)


def write_files(file: str, shell: Shell) -> None:
    """Write the Python files of a document, without running it."""
    for block in blocks(file):
        if block.language == "python" and block.file_name:
            _append(block, shell)


def _run(block: Block, shell: Shell, centrifugo: bool) -> None:
    if block.language in ("sh", "console"):
        check_syntax(block)
        if "elsewhere" in block.words or ("centrifugo" in block.words and not centrifugo):
            return
        _run_commands(block, shell)
    elif block.language == "python":
        if block.file_name:
            _append(block, shell)
    elif block.language == "pycon":
        _run_doctest(block)
    else:
        PARSERS[block.language](block.text)
        if block.file_name:
            _compare_or_write(block, shell)


def _run_commands(block: Block, shell: Shell) -> None:
    if block.language == "console":
        for command, expected in commands(block.text):
            _, output = shell.run(command)
            assert matches(shell.translate(expected), output), f"{block.place}: {command}\n{output}"
        return
    for command in re.split(r"(?<!\\)\n", block.text.strip()):
        status, output = shell.run(command)
        assert status == 0, f"{block.place}: {command}\n{output}"


def _append(block: Block, shell: Shell) -> None:
    path = shell.directory / str(block.file_name)
    separator = "\n\n" if path.exists() else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(separator + shell.translate(block.text))


def _compare_or_write(block: Block, shell: Shell) -> None:
    path = shell.directory / str(block.file_name)
    text = shell.translate(block.text)
    if path.exists():
        assert matches(text, path.read_text(encoding="utf-8")), f"{block.place}: {path.name} is another one"
    else:
        path.write_text(text, encoding="utf-8")


def _run_doctest(block: Block) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, block.place, block.file, block.line)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert not report, "".join(report)


def check_syntax(block: Block) -> None:
    """Let bash read the commands without running them."""
    text = block.text if block.language == "sh" else "\n".join(command for command, _ in commands(block.text))
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, f"{block.place}: {checked.stderr}"


def _parse_nginx(text: str) -> None:
    depth = 0
    for line in filter(None, (line.partition("#")[0].strip() for line in text.split("\n"))):
        assert line[-1] in "{};", line
        depth += line.count("{") - line.count("}")
        assert depth >= 0, line
    assert depth == 0, text


def _parse_dockerfile(text: str) -> None:
    for line in filter(None, text.replace("\\\n", " ").split("\n")):
        assert re.match(r"(FROM|WORKDIR|COPY|RUN|ENV|USER|EXPOSE|CMD|ENTRYPOINT|STOPSIGNAL|HEALTHCHECK|#) ?", line), (
            line
        )


def _parse_yaml(text: str) -> None:
    yaml: Any = importlib.import_module("yaml")  # it has no types
    list(yaml.safe_load_all(text))


def _parse_ini(text: str) -> None:
    configparser.ConfigParser(interpolation=None, strict=False).read_string(text)


def _parse_typescript(text: str) -> None:
    assert text.count("{") == text.count("}"), text


PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": _parse_yaml,
    "ini": _parse_ini,
    "nginx": _parse_nginx,
    "dockerfile": _parse_dockerfile,
    "typescript": _parse_typescript,
}
