"""Reads a Dockerfile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stage:
    """The instructions from one FROM to the next, as pairs of their name and their arguments."""

    base: str
    instructions: tuple[tuple[str, str], ...]

    def arguments(self, name: str) -> list[str]:
        """The arguments of each instruction of this name, without flags such as ``--mount=...``."""
        found = [arguments for instruction, arguments in self.instructions if instruction == name]
        return [re.sub(r"^(--\S+\s+)+", "", arguments) for arguments in found]

    def last(self, name: str) -> str:
        return self.arguments(name)[-1]

    def words(self, name: str) -> list[str]:
        """The list that CMD or ENTRYPOINT has, or that follows CMD in a HEALTHCHECK."""
        words: list[str] = json.loads(self.last(name).removeprefix("CMD "))
        return words

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for arguments in self.arguments("ENV") for pair in arguments.split())


def read(path: Path) -> list[Stage]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    stages: list[Stage] = []
    for line in joined:
        name, arguments = line.split(" ", 1)
        if name == "FROM":
            stages.append(Stage(arguments.split()[0], ()))
        else:
            stages[-1] = Stage(stages[-1].base, (*stages[-1].instructions, (name, arguments)))
    return stages
