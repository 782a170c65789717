"""Copies of files of deploy/ with other paths, ports or options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def read_with(file: Path, replacements: Mapping[str, str]) -> str:
    """The text of a file with these texts replaced. Each of them has to be in it."""
    text = file.read_text()
    for old, new in replacements.items():
        assert old in text, f"{file.name} does not contain {old!r}"
        text = text.replace(old, new)
    return text
