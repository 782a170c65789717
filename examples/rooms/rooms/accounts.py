"""Whose login it is: a session names it for browsers, a token for other clients, and the meta for a connection.

The login itself is a row, so that a logout ends it for all of them.
"""

from __future__ import annotations

from datetime import timedelta

from flask import current_app, g, session
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import delete, select

from proxyhooks import UserRequest

from .codes import Banned, Unauthorized
from .models import Login, User, db, utc_now
from .schemas import Meta


def start_login(user: User) -> Login:
    db.session.execute(delete(Login).where(Login.signed_in_at <= utc_now() - _lifetime()))
    login = Login(user_id=user.id)
    db.session.add(login)
    db.session.commit()
    return login


def end_login(login_id: str | None) -> None:
    db.session.execute(delete(Login).where(Login.id == login_id))
    db.session.commit()


def find_login(login_id: str | None) -> Login | None:
    """The login, unless it has ended."""
    since = utc_now() - _lifetime()
    return db.session.scalar(select(Login).where(Login.id == login_id, Login.signed_in_at > since))


def login_of_client(token: str | None) -> Login:
    """The login of a new connection, by token, or else by the session whose cookie Centrifugo forwards.

    :raises Unauthorized: if there is none.
    """
    try:
        login = find_login(session.get("login_id") if token is None else tokens().loads(token))
    except BadSignature:
        login = None
    if login is None:
        raise Unauthorized
    return login


def load_user(req: UserRequest[Meta]) -> None:
    """Before every hook of a connected client. Its cookies are those of long ago: from here on ``req.user`` counts."""
    user = db.session.get(User, int(req.user))
    if user is None:
        raise Unauthorized
    require_not_banned(user)
    g.user = user


def require_not_banned(user: User) -> None:
    if user.banned:
        raise Banned


def tokens() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="rooms.connect")


def _lifetime() -> timedelta:
    return timedelta(seconds=current_app.config["LOGIN_LIFETIME"])
