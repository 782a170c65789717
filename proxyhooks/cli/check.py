"""``flask centrifugo check``: compares a configuration of Centrifugo with the hooks."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final, Literal

import click
from flask.cli import with_appcontext

from .._settings.setting import shown_url
from ..centrifugo.config.backend import Backend
from ..centrifugo.config.checks import check, needs_restart, without_consequences
from ..centrifugo.config.checks.program import KNOWN_VERSION, Answer, ProgramError, ask_centrifugo, refused_by_program
from ..centrifugo.config.findings import FINDINGS, Finding
from ..centrifugo.config.reading import Reading, read_config
from ..centrifugo.config.secrecy import hide_secrets, hider
from ..centrifugo.config.writing.config_options import is_root
from ..gunicorn.call_limit import seconds_per_call
from ._app import current_backend, hooks_option

_COLOURS: Final = {"error": "red", "warning": "yellow", "info": "blue"}


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="URL", help="Root URL of the application, as Centrifugo reaches it.")
@click.option(
    "--running", "running_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="OLD",
    help="Configuration with which Centrifugo was started: show which changes need a restart.",
)  # fmt: skip
@click.option(
    "--centrifugo", "program", metavar="PROGRAM",
    help="Centrifugo, which is asked too.  [default: centrifugo, if it is on the PATH]",
)  # fmt: skip
@click.option("--no-centrifugo", is_flag=True, help="Do not ask Centrifugo.")
@click.option("--ignore", default="", metavar="ID,...", help="Findings to leave out.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@with_appcontext
def command(
    file: Path,
    base_url: str | None,
    running_file: Path | None,
    program: str | None,
    no_centrifugo: bool,
    ignore: str,
    output_format: Literal["text", "json"],
    hooks_name: str | None,
) -> None:
    """Compare a configuration of Centrifugo with the hooks.

    It finds calls that no hook serves, hooks that Centrifugo never calls, settings that do not match, and what
    Centrifugo refuses. FILE is JSON, TOML or YAML; CENTRIFUGO_... variables in the environment override it, as in
    Centrifugo. If the program centrifugo is on the PATH, it is asked too. Ends with status 1 if there are errors.
    """
    ignored = {id_.strip() for id_ in ignore.split(",") if id_.strip()}
    for id_ in sorted(ignored - FINDINGS.keys()):
        near = difflib.get_close_matches(id_, FINDINGS, 1)
        hint = f"did you mean {near[0]}?" if near else f"the ids are {min(FINDINGS)} to {max(FINDINGS)}"
        raise click.UsageError(f"there is no finding {id_!r}: {hint}")
    if program is not None and no_centrifugo:
        raise click.UsageError("--centrifugo and --no-centrifugo exclude each other")
    if base_url is not None and not is_root(base_url):
        raise click.UsageError(
            f"--base-url must be the root of the application, such as http://127.0.0.1:8070, not {shown_url(base_url)}"
        )
    backend = current_backend(hooks_name)
    reading = _read(file, backend)
    server_timeout = seconds_per_call(os.environ)
    findings = [
        *reading.findings,
        *check(reading.config, backend, environ=os.environ, base_url=base_url, server_timeout=server_timeout),
    ]
    if running_file is not None:
        findings += needs_restart(_read(running_file, backend).config, reading.config)
    if not no_centrifugo and (answer := _ask(program, file)) is not None:
        findings += refused_by_program(answer, findings)
    findings = hide_secrets(findings, reading.config, os.environ, backend.secrets)
    findings = without_consequences(finding for finding in findings if finding.id not in ignored)
    if output_format == "json":
        objects = [{"id": finding.id, "level": finding.level, **dataclasses.asdict(finding)} for finding in findings]
        click.echo(json.dumps(objects, indent=2))
    else:
        _print(findings, file)
    sys.exit(any(finding.level == "error" for finding in findings))


def _read(path: Path, backend: Backend) -> Reading:
    try:
        return read_config(path, os.environ)
    except ValueError as error:
        raise click.ClickException(hider({}, os.environ, backend.secrets)(str(error))) from None


def _ask(program: str | None, file: Path) -> Answer | None:
    """What Centrifugo says about the file; ``None`` if none is named, and none is on the PATH."""
    path = shutil.which(program or "centrifugo")
    if path is None:
        if program is not None:
            raise click.UsageError(f"--centrifugo {program} is no program")
        return None
    try:
        answer = ask_centrifugo(path, file, os.environ)
    except ProgramError as error:
        if program is not None:
            raise click.ClickException(str(error)) from None
        click.echo(f"note: {error}, so Centrifugo was not asked", err=True)
        return None
    if not answer.is_known_version:
        text = f"note: {path} is Centrifugo v{answer.version}, and these findings are about v{KNOWN_VERSION}"
        click.echo(text, err=True)
    return answer


def _print(findings: list[Finding], file: Path) -> None:
    for finding in findings:
        level = click.style(finding.level, fg=_COLOURS[finding.level])
        place = finding.path or "file"
        click.echo(f"{finding.id} {level} {place}\n    {finding.text}\n    fix: {finding.fix}")
    levels = [finding.level for finding in findings]
    counts = ", ".join(
        f"{levels.count(level)} {level}{'s' * (levels.count(level) > 1)}" for level in _COLOURS if level in levels
    )
    click.echo(f"{file}: {counts or 'no findings'}")
