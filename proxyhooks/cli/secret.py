"""``flask centrifugo secret``: prints a new secret, or when each accepted one was last used."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Final

import click
from flask.cli import with_appcontext

from ._app import current_hooks, current_settings, hooks_option

_SECRET_SIZE: Final = 32
"""Bytes."""


@click.group("secret", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Print a new secret.

    It has 32 random bytes, as text that headers and environment variables can carry.
    """
    if context.invoked_subcommand is None:
        click.echo(secrets.token_urlsafe(_SECRET_SIZE))


@command.command("uses")
@hooks_option
@with_appcontext
def uses(hooks_name: str | None) -> None:
    """Show when each secret was last used.

    The secrets are those that the application accepts, by their index in the list. Only uses on this machine count.
    """
    accepted = current_settings(current_hooks(hooks_name)).secrets
    if not accepted.values:
        raise click.UsageError("there are no secrets: the application runs with PROXYHOOKS_INSECURE")
    usage = accepted.usage
    if (why := usage.why_unavailable()) is not None:
        raise click.ClickException(f"the usage of secrets cannot be recorded here: {why}")
    since = usage.first_use()
    if since is None:
        click.echo("no call with one of these secrets has been accepted on this machine, by this user")
        return
    now = time.time()
    click.echo(f"since {_format_time(since, now)}:")
    for index, last_use in enumerate(usage.last_uses()):
        click.echo(f"secret {index}: {'not used' if last_use is None else f'last used {_format_time(last_use, now)}'}")


def _format_time(timestamp: float, now: float) -> str:
    """Format Unix seconds, with how long ago that is."""
    ago = max(0, round(now - timestamp))
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC, {ago} s ago"
