"""``flask --app rooms ban NAME`` and ``unban NAME``."""

from __future__ import annotations

import click
from cent import CentError
from flask.cli import with_appcontext
from sqlalchemy import select

from . import push
from .codes import Banned
from .models import User, db


@click.command("ban")
@click.argument("name")
@with_appcontext
def ban_command(name: str) -> None:
    """Ban a user, and end their connections."""
    user = set_banned(name, True)
    try:
        push.disconnect(str(user.id), Banned)
    except CentError as error:
        raise click.ClickException(f"{name} is banned, but still connected: Centrifugo's API fails: {error}") from None
    if not push.is_configured():
        click.echo("Without CENTRIFUGO_API_URL, their connections end with the next event.", err=True)
    click.echo(f"{name} is banned.")


@click.command("unban")
@click.argument("name")
@with_appcontext
def unban_command(name: str) -> None:
    """Let a banned user come back."""
    set_banned(name, False)
    click.echo(f"{name} may come back.")


def set_banned(name: str, banned: bool) -> User:
    user = db.session.scalar(select(User).filter_by(name=name))
    if user is None:
        raise click.ClickException(f"there is no user {name!r}: names are those of the table users")
    user.banned = banned
    db.session.commit()
    return user
