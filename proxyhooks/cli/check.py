"""``flask centrifugo check``: an existing configuration of Centrifugo, held against the hooks."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import sys
from pathlib import Path
from typing import Literal

import click
from flask.cli import with_appcontext

from ..centrifugo.config.checks import check
from ..centrifugo.config.checks.keys import needs_restart
from ..centrifugo.config.findings import FINDINGS, Finding
from ..centrifugo.config.reader import Config, read_config
from ..gunicorn import timeout as worker_timeout
from ._app import current_backend, hooks_option

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="URL", help="The application's root, as Centrifugo reaches it.")
@click.option(
    "--running", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="OLD",
    help="What Centrifugo was started with: say which changes need a restart.",
)  # fmt: skip
@click.option("--ignore", default="", metavar="ID,...", help="Findings that are known.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@with_appcontext
def command(
    file: Path,
    base_url: str | None,
    running: Path | None,
    ignore: str,
    form: Literal["text", "json"],
    hooks_name: str | None,
) -> None:
    """Hold a configuration of Centrifugo (JSON, TOML, YAML) against the hooks, both ways.

    The environment is taken for Centrifugo's: CENTRIFUGO_... variables are read as it reads them. Ends with 1 if there
    are errors.
    """
    ignored = {name.strip() for name in ignore.split(",") if name.strip()}
    for name in sorted(ignored - FINDINGS.keys()):
        near = difflib.get_close_matches(name, FINDINGS, 1)
        raise click.UsageError(f"there is no finding {name!r}: did you mean {near[0] if near else 'PH001'}?")
    config = _load(file)
    backend = current_backend(hooks_name)
    found = check(config, backend, environ=os.environ, base_url=base_url, server_timeout=worker_timeout)
    if running is not None:
        found += needs_restart(_load(running), config)
    found = [finding for finding in found if finding.id not in ignored]
    if form == "json":
        shown = [{"id": one.id, "level": one.level, **dataclasses.asdict(one)} for one in found]
        click.echo(json.dumps(shown, indent=2))
    else:
        _show(found, file)
    sys.exit(any(finding.level == "error" for finding in found))


def _load(path: Path) -> Config:
    try:
        return read_config(path, os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _show(found: list[Finding], file: Path) -> None:
    for finding in found:
        level = click.style(finding.level, fg=_COLOURS[finding.level])
        click.echo(f"{finding.id} {level} {finding.path}\n    {finding.text}\n    fix: {finding.fix}")
    levels = [finding.level for finding in found]
    counts = ", ".join(
        f"{levels.count(level)} {level}{'s' * (levels.count(level) > 1)}" for level in _COLOURS if level in levels
    )
    click.echo(f"{file}: {counts or 'nothing to say'}")
