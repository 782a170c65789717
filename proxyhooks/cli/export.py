"""``flask centrifugo export``: the contract for the front end."""

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


@click.command("export")
@click.argument("language", type=click.Choice(["typescript", "json"]))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
@click.option(
    "--check", "compared", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Compare it with a file, and end with 1 if they differ.",
)  # fmt: skip
@hooks_option
@with_appcontext
def command(language: str, output: Path | None, compared: Path | None, hooks_name: str | None) -> None:
    """Write what the front end has to know of the hooks: payloads, channels, codes."""
    hooks = current_hooks(hooks_name)
    try:
        contract = contract_of(hooks)
    except SetupError as error:
        raise click.ClickException(str(error)) from None
    text = typescript(contract) if language == "typescript" else json.dumps(contract, indent=2) + "\n"
    if compared is not None:
        _compare(compared, text, language)
    elif output is not None:
        output.write_text(text)
    else:
        click.echo(text, nl=False)


def _compare(path: Path, text: str, language: str) -> None:
    old = path.read_text() if path.exists() else ""
    if old == text:
        return
    lines = difflib.unified_diff(old.splitlines(), text.splitlines(), str(path), "the hooks", lineterm="")
    click.echo("\n".join(lines))
    click.echo(f"{path} is not what the hooks say: flask centrifugo export {language} --output {path}", err=True)
    sys.exit(1)
