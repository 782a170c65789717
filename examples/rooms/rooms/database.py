"""Creating the tables: ``flask --app rooms init-db``, with ``--demo`` for somebody to log in as.

May be run again, and by several processes at once.
"""

from __future__ import annotations

import click
from flask.cli import with_appcontext
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
    # Not create_all(): it looks first and creates then, and another process may be faster in between.
    for table in Base.metadata.sorted_tables:
        db.session.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            db.session.execute(CreateIndex(index, if_not_exists=True))
    db.session.commit()


def add_demo() -> None:
    """ada, bob, eve and mallory, who is banned; the password is the name. lobby, and attic, which has no seat left."""
    ada, bob, eve, mallory = (
        User(name=name, password_hash=generate_password_hash(name), banned=name == "mallory")
        for name in ("ada", "bob", "eve", "mallory")
    )
    lobby, attic = Room(name="lobby", seats_left=20), Room(name="attic", seats_left=0)
    db.session.add_all([ada, bob, eve, mallory, lobby, attic])
    try:
        db.session.flush()
    except IntegrityError:  # they are there
        db.session.rollback()
        return
    db.session.add_all(
        [
            Membership(user_id=ada.id, room_id=lobby.id),
            Membership(user_id=bob.id, room_id=lobby.id),
            Membership(user_id=ada.id, room_id=attic.id),
        ]
    )
    db.session.commit()
