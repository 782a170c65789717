"""Creating the tables: ``flask --app rooms init-db``, with ``--demo`` for somebody to log in as.

May be run again, and by several processes at once.
"""

from __future__ import annotations

import click
from flask.cli import with_appcontext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable
from werkzeug.security import generate_password_hash

from .models import Base, Membership, Room, User, db


@click.command("init-db")
@click.option("--demo", is_flag=True, help="Add users whose passwords are known to everybody, and rooms.")
@with_appcontext
def init_db_command(demo: bool) -> None:
    """Create the tables that are missing."""
    init_db()
    if demo:
        add_demo()


def init_db() -> None:
    if db.engine.dialect.name == "sqlite":  # whose readers else wait for a worker that writes, and it for them
        db.session.execute(text("PRAGMA journal_mode=WAL"))
    # Not create_all(): it looks first and creates then, and another process may be faster in between.
    for table in Base.metadata.sorted_tables:
        db.session.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            db.session.execute(CreateIndex(index, if_not_exists=True))
    db.session.commit()


def add_demo() -> None:
    """ada, bob, eve and mallory, who is banned; the password is the name.

    The rooms are lobby, attic, which has no seat left, and staff, which has one member and takes no other.
    """
    ada, bob, eve, mallory = (
        User(name=name, password_hash=generate_password_hash(name), banned=name == "mallory")
        for name in ("ada", "bob", "eve", "mallory")
    )
    lobby, attic = Room(name="lobby", seats_left=20), Room(name="attic", seats_left=0)
    staff = Room(name="staff", seats_left=5, invitation_only=True)
    db.session.add_all([ada, bob, eve, mallory, lobby, attic, staff])
    try:
        db.session.flush()
    except IntegrityError:  # they are there
        db.session.rollback()
        return
    members = [(ada, lobby), (bob, lobby), (ada, attic), (ada, staff)]
    db.session.add_all(Membership(user_id=user.id, room_id=room.id) for user, room in members)
    db.session.commit()
