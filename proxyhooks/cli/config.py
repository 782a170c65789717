"""``flask centrifugo config``: writes a configuration of Centrifugo for the hooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..centrifugo.config.reading import read_file, read_tree
from ..centrifugo.config.tree import Config, value_at
from ..centrifugo.config.writing import ConfigOptions, generate, merge, note_on_public_endpoints
from ._app import current_backend, hooks_option
from ._output import write_output


@click.command("config")
@click.option("--base-url", required=True, metavar="URL", help="Root URL of the application, as Centrifugo reaches it.")
@click.option(
    "--allowed-origin", "allowed_origins", multiple=True, metavar="ORIGIN",
    help="Origin of pages that may connect; repeatable.  [required, unless the file of --merge has one]",
)  # fmt: skip
@click.option("--with-secret", is_flag=True, help="Write the secret into the output, which must then be kept secret.")
@click.option("--timeout", help="Timeout of a call, such as 500ms.  [default: PROXYHOOKS_TIMEOUT, else 3s]")
@click.option("--binary", is_flag=True, help="Send payloads as base64, for clients that send bytes.")
@click.option(
    "--repeat", default="", metavar="EVENT,...",
    help="More events to send again when a connection breaks; their hooks may run twice.",
)  # fmt: skip
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="NAME",
    help="Namespace to define that no pattern of a hook names: for hooks that serve every channel or method, and for "
    "channels that connect results name; repeatable.",
)  # fmt: skip
@click.option("--proxy-name", metavar="NAME", help="Use proxies named NAME_<event> in place of the default ones.")
@click.option(
    "--connection-rate-limit",
    type=click.IntRange(0),
    help="New connections that a node accepts per second; needs a Centrifugo after v6.9.2.  [default: no limit]",
)
@click.option(
    "--concurrency", type=click.IntRange(0), help="Commands of one client that run at the same time.  [default: 1]"
)
@click.option(
    "--internal-port", type=click.IntRange(1, 65535), metavar="PORT",
    help="Port for /metrics, /health, the server API and the admin pages, away from the clients.",
)  # fmt: skip
@click.option("--pro", is_flag=True, help="Include the events of Centrifugo PRO.")
@click.option(
    "--merge", "existing_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Existing configuration (JSON, TOML or YAML) to add to; the output is all of it as JSON, and FILE stays.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="File to write; if the command fails, the file stays as it is.  [default: standard output]",
)  # fmt: skip
@hooks_option
@with_appcontext
def command(
    with_secret: bool,
    binary: bool,
    repeat: str,
    existing_file: Path | None,
    output: Path | None,
    hooks_name: str | None,
    **options: Any,
) -> None:
    """Write a configuration of Centrifugo v6.

    The configuration goes to standard output or a file, and notes about further steps go to standard error. The same
    hooks and options give the same output, byte for byte.
    """
    backend = current_backend(hooks_name)
    if with_secret and not backend.secrets:
        raise click.UsageError("--with-secret needs a secret, and the application runs with PROXYHOOKS_INSECURE")
    try:
        config_options = ConfigOptions(
            secret=backend.secrets[0] if with_secret else None,
            binary_encoding=binary,
            repeat=[name.strip() for name in repeat.split(",") if name.strip()],
            **options,
        )
        existing = None if existing_file is None else _read(existing_file)
        if not config_options.allowed_origins and not _has_origins(existing):
            raise click.UsageError("browsers need an origin that may connect: --allowed-origin https://your.site")
        generated = generate(backend, config_options) if existing is None else merge(existing, backend, config_options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        text = json.dumps(generated.config, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise click.UsageError(f"{existing_file} has a value that JSON does not have, such as a date") from None
    # Half of a surrogate pair cannot be encoded, and JSON has an escape for it.
    encoded = f"{text}\n".encode("utf-8", "backslashreplace")
    write_output(output, encoded, secret=with_secret)
    ports = note_on_public_endpoints(read_tree(generated.config, {}).config)
    for note in (*generated.notes, *([ports] if ports else [])):
        click.echo(f"note: {note}", err=True)


def _read(path: Path) -> Config:
    if not path.stat().st_size:
        raise click.UsageError(f"{path} is empty; if the output goes there, use --output {path} in place of > {path}")
    return read_file(path)


def _has_origins(existing: Config | None) -> bool:
    return existing is not None and bool(value_at(read_tree(existing, {}).config, "client.allowed_origins"))
