"""Gives a configuration to Centrifugo and to the package's reader, and compares what they make of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from proxyhooks.centrifugo.config.checks import refused_by_centrifugo
from proxyhooks.centrifugo.config.keys import PRO_KEYS, Keys, root_keys
from proxyhooks.centrifugo.config.reading import Reading, read_config
from proxyhooks.centrifugo.config.reading.placeholders import LiteralHeaders, expand_variables
from proxyhooks.centrifugo.go.duration import Duration
from tests.centrifugo.config.reading.differential.generator import Case

Refusal: TypeAlias = Literal["", "reading", "validating"]
"""Where a configuration is refused; ``""``: it is accepted."""
READING = ("PH012", "PH013", "PH017", "PH026", "PH029")
"""The findings for which Centrifugo does not start, or its strict check fails."""


@dataclass(frozen=True)
class Verdict:
    refusal: Refusal
    reason: str
    values: Any = None
    """What Centrifugo says that it has read, if it was asked."""


def ask_centrifugo(program: str, case: Case, directory: Path, *, with_values: bool = False) -> Verdict:
    """What Centrifugo's strict check says."""
    path = directory / case.name
    path.write_text(case.text, encoding="utf-8")
    result = _run([program, "checkconfig", "-s", "-c", str(path)], case)
    if result.returncode:
        reason = result.stdout.strip() or result.stderr.strip()[:500]
        return Verdict("validating" if reason.startswith("error validating") else "reading", reason)
    if not with_values:
        return Verdict("", "")
    written = _run([program, "defaultconfig", "-b", str(path), "-c", "x.json", "--dry-run"], case)
    assert written.returncode == 0, written.stdout
    return Verdict("", "", json.loads(written.stdout))


def _run(command: list[str], case: Case) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=case.environ, capture_output=True, text=True, check=False, timeout=300)


def ask_reader(case: Case, directory: Path) -> tuple[Verdict, Reading | None]:
    """What the package says, which does not ask Centrifugo."""
    path = directory / case.name
    path.write_text(case.text, encoding="utf-8")
    try:
        reading = read_config(path, case.environ)
    except ValueError as error:
        return Verdict("reading", str(error)), None
    # The strict check does not look into variables.
    refusals = [
        finding
        for finding in reading.findings
        if finding.id in READING and not (finding.id == "PH012" and finding.path.startswith("CENTRIFUGO_"))
    ]
    if refusals:
        return Verdict("reading", "; ".join(f"{finding.id} {finding.text}" for finding in refusals)), reading
    invalid = refused_by_centrifugo(reading.config)
    if invalid:
        return Verdict("validating", "; ".join(f"{finding.id} {finding.text}" for finding in invalid)), reading
    return Verdict("", ""), reading


def difference(theirs: Verdict, ours: Verdict) -> str:
    """What kind of disagreement there is between Centrifugo and the package, or ``""``."""
    # Centrifugo looks for unknown keys last: a configuration that has both faults is refused for the other one.
    if bool(theirs.refusal) == bool(ours.refusal) and not (theirs.refusal == "reading" and ours.refusal != "reading"):
        return ""
    return f"{theirs.refusal or 'accepted'} and {ours.refusal or 'accepted'}"


def different_values(theirs: Any, config: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The keys that the package has read otherwise than Centrifugo."""
    return list(_different(theirs, config, root_keys(), "", environ))


def _different(theirs: Any, config: Mapping[str, Any], keys: Keys, path: str, environ: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for name, key in keys.items():
        at = f"{path}{name}"
        if name in PRO_KEYS or name == "redisnats":
            continue
        value, other = config.get(name), theirs.get(name)
        if key.kind == "object":
            found += _different(other or {}, value or {}, key.keys, f"{at}.", environ)
        elif key.kind == "objects":
            items, others = value or [], other or []
            if len(items) != len(others):
                found.append(f"{at}: {len(others)} and {len(items)} items")
            for index, (item, inner) in enumerate(zip(items, others, strict=False)):
                found += _different(inner, item, key.keys, f"{at}[{index}].", environ)
        else:
            ours = _plain(key.typed_default if value is None else value, environ)
            if (ours or None) != (other or None):
                found.append(f"{at}: {other!r} and {ours!r}")
    return found


def _plain(value: Any, environ: Mapping[str, str]) -> Any:
    """A typed value as Centrifugo writes it into JSON."""
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, LiteralHeaders):
        return value
    if isinstance(value, dict):
        return {name: expand_variables(text, environ)[0] for name, text in value.items()}
    return value
