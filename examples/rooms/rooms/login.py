"""Who somebody is: a session for browsers, a token for other clients, and the user of a connection.

Both are names for a user and the moment of the login, so that a connection can end when the login does.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, current_app, g, request, session
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer
from marshmallow import ValidationError
from sqlalchemy import select
from werkzeug.security import check_password_hash, generate_password_hash

from proxyhooks import UserRequest

from .codes import Banned, Unauthorized
from .limits import limiter
from .models import User, db
from .schemas import CredentialsSchema, Meta

blueprint = Blueprint("login", __name__)
limit = limiter.limit("10 per minute")

_NOBODYS_HASH = generate_password_hash(secrets.token_hex())


@blueprint.post("/login")
@limit
def login() -> ResponseReturnValue:
    user = _check_password()
    session.clear()
    session["user_id"], session["signed_in_at"] = user.id, datetime.now(UTC)
    return {"user": str(user.id)}


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return "", 204


@blueprint.post("/token")
@limit
def token() -> ResponseReturnValue:
    return {"token": _tokens().dumps(_check_password().id)}


@blueprint.errorhandler(ValidationError)
def invalid(error: ValidationError) -> ResponseReturnValue:
    return {"errors": error.messages}, 422


def signed_in(token: str | None) -> tuple[User, Meta]:
    """The user of a new connection, by token, or else by the session whose cookie Centrifugo forwards.

    :raises Unauthorized: if there is no login, or an old one.
    """
    if token is not None:
        try:
            user_id, signed_in_at = _tokens().loads(token, return_timestamp=True)
        except BadSignature:
            raise Unauthorized from None
    elif "user_id" in session:
        user_id, signed_in_at = session["user_id"], session["signed_in_at"]
    else:
        raise Unauthorized
    if not still_signed_in(meta := Meta(signed_in_at)):
        raise Unauthorized
    return find_user(user_id), meta


def still_signed_in(meta: Meta) -> bool:
    return datetime.now(UTC) - meta.signed_in_at < timedelta(seconds=current_app.config["LOGIN_LIFETIME"])


def load_user(req: UserRequest[Meta]) -> None:
    """Before every hook of a connected client. Its cookies are those of long ago: from here on ``req.user`` counts."""
    g.user = find_user(int(req.user))


def find_user(user_id: int) -> User:
    user = db.session.get(User, user_id)
    if user is None:
        raise Unauthorized
    if user.banned:
        raise Banned
    return user


def _check_password() -> User:
    credentials: Any = CredentialsSchema().load(request.get_json())
    user = db.session.scalar(select(User).filter_by(name=credentials["name"]))
    # A name that does not exist takes as long as a wrong password.
    correct = check_password_hash(user.password_hash if user else _NOBODYS_HASH, credentials["password"])
    if user is None or not correct:
        abort(401)
    return user


def _tokens() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="rooms.connect")
