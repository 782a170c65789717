"""Reads a configuration as Centrifugo does: a file, then environment variables over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..findings import Finding, once_per_kind
from ..keys import root_keys
from ..tree import Config
from .conversion import convert_object
from .files import read_file_with_findings
from .moved_values import check_moved_values
from .nesting import nest
from .placeholders import check_placeholders
from .variables import apply_variables


@dataclass(frozen=True, slots=True)
class Reading:
    """What Centrifugo reads from a file and its environment."""

    config: Config
    findings: tuple[Finding, ...]
    """What reading alone tells: values that cannot be read, and what is not known or has no effect."""

    @property
    def unreadable(self) -> list[Finding]:
        """The findings about what Centrifugo cannot read, so that it does not start."""
        return [finding for finding in self.findings if finding.id in ("PH017", "PH029")]


def read_config(path: Path, environ: Mapping[str, str]) -> Reading:
    """Read a file (JSON, TOML or YAML, by its suffix) and set the keys that have a ``CENTRIFUGO_...`` variable.

    :raises ValueError: if the file cannot be read; the message names it.
    """
    values, findings = read_file_with_findings(path)
    reading = read_tree(values, environ)
    return Reading(reading.config, (*findings, *reading.findings))


def read_tree(values: Mapping[str, Any], environ: Mapping[str, str]) -> Reading:
    """Read values as :func:`read_config` reads those of a file."""
    findings: list[Finding] = []
    nested = nest(values, findings)
    config = convert_object(nested, root_keys(), "", findings)
    findings += check_moved_values(nested, environ)
    apply_variables(config, environ, findings)
    findings += check_placeholders(config, environ)
    return Reading(config, tuple(once_per_kind(findings)))
