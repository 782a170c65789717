"""``flask centrifugo config``: a configuration of Centrifugo that fits the hooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from .._settings.timeout import read_timeout
from ..centrifugo.config.generate import ConfigOptions, generate
from ..centrifugo.config.merge import merge
from ._app import current_backend, hooks_option


@click.command("config")
@click.option("--base-url", required=True, metavar="URL", help="The application's root, as Centrifugo reaches it.")
@click.option(
    "--allowed-origin", "allowed_origins", multiple=True, required=True, metavar="ORIGIN", help="Of pages; idempotent."
)
@click.option("--with-secret", is_flag=True, help="Write the secret itself; the file is a secret then.")
@click.option("--timeout", help="Of a call, in Go's notation.  [default: PROXYHOOKS_TIMEOUT, else 3s]")
@click.option("--binary", is_flag=True, help="Payloads as base64, for clients that send bytes.")
@click.option("--repeat", default="", metavar="EVENT,...", help="Further events whose hooks may run twice.")
@click.option("--namespace", "namespaces", multiple=True, metavar="NAME", help="Further namespaces; idempotent.")
@click.option("--proxy-name", metavar="NAME", help="Name the proxies NAME_<event> instead of using the default ones.")
@click.option(
    "--connection-rate-limit", type=click.IntRange(0), help="New connections a second and node.  [default: 500]"
)
@click.option("--concurrency", type=click.IntRange(0), help="Commands of one client at a time.  [default: 1]")
@click.option("--pro", is_flag=True, help="With what only Centrifugo PRO asks.")
@click.option(
    "--merge", "merge_into", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="An existing configuration, as JSON, to be completed; the whole is written.",
)  # fmt: skip
@hooks_option
@with_appcontext
def command(
    with_secret: bool,
    timeout: str | None,
    binary: bool,
    repeat: str,
    merge_into: Path | None,
    hooks_name: str | None,
    **given: Any,
) -> None:
    """Write a configuration of Centrifugo v6 for the hooks to standard output.

    What the file cannot say is on standard error. The same hooks and options make the same file, byte for byte.
    """
    backend = current_backend(hooks_name)
    if with_secret and not backend.secrets:
        raise click.UsageError("there is no secret to write: the application runs with PROXYHOOKS_INSECURE")
    try:
        options = ConfigOptions(
            secret=backend.secrets[0] if with_secret else None,
            timeout=timeout or f"{read_timeout(current_app.config):g}s",
            binary_encoding=binary,
            repeat=[name.strip() for name in repeat.split(",") if name.strip()],
            **given,
        )
        made = generate(backend, options)
        config = made.config if merge_into is None else merge(_read(merge_into), made.config, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(config, indent=2, ensure_ascii=False))
    for note in made.notes:
        click.echo(f"note: {note}", err=True)


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text()
    if not text:
        raise click.UsageError(f"{path} is empty; if that is where the output goes, write to another file first")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{path} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise click.UsageError(f"{path} has no object in it")
    return config
