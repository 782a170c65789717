"""``flask centrifugo secret``: a new one."""

from __future__ import annotations

import secrets

import click

_BYTES = 32


@click.command("secret")
def command() -> None:
    """Print a new secret: 32 random bytes, as text that headers and environments carry."""
    click.echo(secrets.token_urlsafe(_BYTES))
