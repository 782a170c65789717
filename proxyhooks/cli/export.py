"""``flask centrifugo export``: writes the contract for the front end."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

import click
from flask.cli import with_appcontext

from ..contract.json_schema import contract_of
from ..contract.typescript import typescript
from ..exceptions import SetupError
from ._app import current_hooks, hooks_option
from ._output import write_output


@click.command("export")
@click.argument("language", type=click.Choice(["typescript", "json"]))
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="File to write.  [default: standard output]",
)  # fmt: skip
@click.option(
    "--check", "compared_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Compare the contract with a file, and end with status 1 if they differ.",
)  # fmt: skip
@hooks_option
@with_appcontext
def command(language: str, output: Path | None, compared_file: Path | None, hooks_name: str | None) -> None:
    """Write the contract for the front end: payloads, channels and codes of the hooks."""
    hooks = current_hooks(hooks_name)
    try:
        contract = contract_of(hooks)
    except SetupError as error:
        raise click.ClickException(str(error)) from None
    text = typescript(contract) if language == "typescript" else json.dumps(contract, indent=2) + "\n"
    if compared_file is not None:
        _compare(compared_file, text, language)
    else:
        write_output(output, text.encode())


def _compare(path: Path, text: str, language: str) -> None:
    try:
        old = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
    if old == text:
        return
    lines = difflib.unified_diff(old.splitlines(), text.splitlines(), str(path), "the hooks", lineterm="")
    click.echo("\n".join(lines))
    click.echo(f"{path} differs from the hooks: run flask centrifugo export {language} --output {path}", err=True)
    sys.exit(1)
