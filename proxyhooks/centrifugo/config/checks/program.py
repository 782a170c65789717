"""Asks the program ``centrifugo`` about a configuration."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..findings import Finding
from ..keys import PRO_KEYS
from ..tree import without_indexes

KNOWN_VERSION: Final = "6.9"
"""The version of Centrifugo whose configuration this package knows."""
_TIMEOUT: Final = 30
"""Seconds for one run of the program."""
_STARTS: Final = re.compile("error (?:getting|validating|unmarshalling) config: ")
_UNKNOWN_KEYS: Final = re.compile("unknown keys in config: (.*)")
_STOPPING: Final = frozenset({"PH016", "PH017", "PH018", "PH026", "PH029", "PH031"})
"""Findings about why Centrifugo does not start. Centrifugo names only the first reason, and these name all."""


class ProgramError(Exception):
    """The program cannot be run, or says nothing that can be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Centrifugo says about a configuration."""

    version: str
    refusal: str
    """Empty: it takes the configuration."""

    @property
    def is_known_version(self) -> bool:
        return self.version == KNOWN_VERSION or self.version.startswith(f"{KNOWN_VERSION}.")


def ask_centrifugo(program: str, file: Path, environ: Mapping[str, str]) -> Answer:
    """Have the program check a file and the environment.

    :raises ProgramError: if it cannot be run.
    """
    _, banner = _run([program, "version"], environ)
    version = re.search(r"v(\d+\.\d+\.\d+\S*)", banner)
    if version is None:
        raise ProgramError(f"{program} does not say which version of Centrifugo it is")
    status, output = _run([program, "checkconfig", "-s", "-c", str(file)], environ)
    return Answer(version[1], output.strip() or f"status {status}" if status else "")


def _run(command: list[str], environ: Mapping[str, str]) -> tuple[int, str]:
    try:
        result = subprocess.run(  # noqa: S603 - the operator names the program
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise ProgramError(f"{command[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{command[0]} {command[1]} took more than {_TIMEOUT} s") from None
    return result.returncode, result.stdout.decode(errors="replace")


def refused_by_program(answer: Answer, others: Iterable[Finding]) -> list[Finding]:
    """Return a finding with Centrifugo's words, unless the *others* say the same."""
    others = list(others)
    if not answer.refusal:
        return []
    if keys := _UNKNOWN_KEYS.search(answer.refusal):
        return _unknown_keys(answer, keys[1].split(", "), others)
    if any(finding.id in _STOPPING or f"'{finding.path}'" in answer.refusal for finding in others):
        return []
    return [_finding(answer, _in_one_line(answer.refusal), "", "change what Centrifugo names; it does not start")]


def _unknown_keys(answer: Answer, keys: list[str], others: list[Finding]) -> list[Finding]:
    # A mistake in each of several objects of a list has one finding.
    said = {without_indexes(finding.path.lower()) for finding in others}
    # Centrifugo PRO knows more keys than the program that is asked.
    paths = sorted(key.replace(".[", "[") for key in keys)
    return [
        _finding(answer, "this key is unknown", path, "remove it, or write it as Centrifugo does")
        for path in paths
        if without_indexes(path) not in said and path.rpartition(".")[2] not in PRO_KEYS
    ]


def _in_one_line(refusal: str) -> str:
    text = _STARTS.sub("", refusal)
    return "; ".join(line.strip().rstrip(":") for line in text.splitlines() if line.strip())


def _finding(answer: Answer, words: str, path: str, fix: str) -> Finding:
    return Finding(id="PH032", path=path, text=f"Centrifugo v{answer.version} says: {words}", fix=fix)
