"""``flask centrifugo check``: compares a configuration of Centrifugo with the hooks."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import sys
from pathlib import Path
from typing import Final, Literal

import click
from flask.cli import with_appcontext

from ..centrifugo.config.checks import check
from ..centrifugo.config.checks.keys import needs_restart
from ..centrifugo.config.findings import FINDINGS, Finding
from ..centrifugo.config.reader import Reading, read_config
from ..gunicorn.settings import timeout as worker_timeout
from ._app import current_backend, hooks_option

_COLOURS: Final = {"error": "red", "warning": "yellow", "info": "blue"}


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="URL", help="Root URL of the application, as Centrifugo reaches it.")
@click.option(
    "--running", "running_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="OLD",
    help="Configuration with which Centrifugo was started: show which changes need a restart.",
)  # fmt: skip
@click.option("--ignore", default="", metavar="ID,...", help="Findings to leave out.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@with_appcontext
def command(
    file: Path,
    base_url: str | None,
    running_file: Path | None,
    ignore: str,
    output_format: Literal["text", "json"],
    hooks_name: str | None,
) -> None:
    """Compare a configuration of Centrifugo with the hooks.

    It finds calls that no hook serves, hooks that Centrifugo never calls, and settings that do not match. FILE is JSON,
    TOML or YAML; CENTRIFUGO_... variables in the environment override it, as in Centrifugo. Ends with status 1 if there
    are errors.
    """
    ignored = {id_.strip() for id_ in ignore.split(",") if id_.strip()}
    for id_ in sorted(ignored - FINDINGS.keys()):
        near = difflib.get_close_matches(id_, FINDINGS, 1)
        hint = f"did you mean {near[0]}?" if near else f"the ids are {min(FINDINGS)} to {max(FINDINGS)}"
        raise click.UsageError(f"there is no finding {id_!r}: {hint}")
    reading = _read(file)
    backend = current_backend(hooks_name)
    findings = [
        *reading.findings,
        *check(reading.config, backend, environ=os.environ, base_url=base_url, server_timeout=worker_timeout),
    ]
    if running_file is not None:
        findings += needs_restart(_read(running_file).config, reading.config)
    findings = [finding for finding in findings if finding.id not in ignored]
    if output_format == "json":
        objects = [{"id": finding.id, "level": finding.level, **dataclasses.asdict(finding)} for finding in findings]
        click.echo(json.dumps(objects, indent=2))
    else:
        _print(findings, file)
    sys.exit(any(finding.level == "error" for finding in findings))


def _read(path: Path) -> Reading:
    try:
        return read_config(path, os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _print(findings: list[Finding], file: Path) -> None:
    for finding in findings:
        level = click.style(finding.level, fg=_COLOURS[finding.level])
        click.echo(f"{finding.id} {level} {finding.path}\n    {finding.text}\n    fix: {finding.fix}")
    levels = [finding.level for finding in findings]
    counts = ", ".join(
        f"{levels.count(level)} {level}{'s' * (levels.count(level) > 1)}" for level in _COLOURS if level in levels
    )
    click.echo(f"{file}: {counts or 'no findings'}")
