"""``flask centrifugo secret``: a new one, and when those there are were last used."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from .._settings.secret_usage import usage_of
from ._app import current_backend, hooks_option

_BYTES = 32


@click.group("secret", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Print a new secret: 32 random bytes, as text that headers and environments carry."""
    if context.invoked_subcommand is None:
        click.echo(secrets.token_urlsafe(_BYTES))


@command.command("uses")
@hooks_option
@with_appcontext
def uses(hooks_name: str | None) -> None:
    """Tell when each accepted secret was last used, by its place in the list, on this machine."""
    values = current_backend(hooks_name).secrets
    if not values:
        raise click.UsageError("there are no secrets: the application runs with PROXYHOOKS_INSECURE")
    found = usage_of(tuple(value.encode("ascii") for value in values))
    if (why := found.why_unavailable()) is not None:
        raise click.ClickException(f"the usage of secrets cannot be recorded here: {why}")
    since = found.since()
    if since is None:
        click.echo("no call with one of these secrets has been accepted on this machine, by this user")
        return
    now = time.time()
    click.echo(f"since {_when(since, now)}:")
    for index, last in enumerate(found.last()):
        click.echo(f"secret {index}: {'not used' if last is None else f'last used {_when(last, now)}'}")


def _when(moment: float, now: float) -> str:
    ago = max(0, round(now - moment))
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC, {ago} s ago"
