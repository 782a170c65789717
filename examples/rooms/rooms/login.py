"""Logging in and out, for browsers and for other clients. All replies are JSON, refusals too."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, abort, current_app, request, session
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash, generate_password_hash

from .accounts import end_login, find_login, start_login, tokens
from .limits import limiter
from .models import User, db
from .schemas import CredentialsSchema

blueprint = Blueprint("login", __name__)
# One count for all views that check a password.
limit = limiter.shared_limit(
    lambda: current_app.config["LOGIN_LIMIT"], scope="login", error_message="too many attempts: wait a minute"
)

_NOBODYS_HASH = generate_password_hash(secrets.token_hex())


@blueprint.post("/login")
@limit
def login() -> ResponseReturnValue:
    user = _check_password()
    end_login(session.get("login_id"))
    session.clear()
    session["login_id"] = start_login(user).id
    return {"user": str(user.id), "name": user.name}


@blueprint.get("/session")
def who() -> ResponseReturnValue:
    login = find_login(session.get("login_id"))
    return {"user": None} if login is None else {"user": str(login.user.id), "name": login.user.name}


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    if not request.is_json:  # what a form of another site sends is not
        abort(415, "the Content-Type must be application/json")
    end_login(session.get("login_id"))
    session.clear()
    return "", 204


@blueprint.post("/token")
@limit
def token() -> ResponseReturnValue:
    return {"token": tokens().dumps(start_login(_check_password()).id)}


@blueprint.errorhandler(ValidationError)
def invalid(error: ValidationError) -> ResponseReturnValue:
    return {"error": "name or password is missing or invalid", "fields": error.messages}, 422


@blueprint.errorhandler(RecursionError)
def too_deep(error: RecursionError) -> ResponseReturnValue:
    return {"error": "the JSON is nested too deeply"}, 400


@blueprint.errorhandler(HTTPException)
def refused(error: HTTPException) -> ResponseReturnValue:
    return {"error": error.description}, error.code or 500


def _check_password() -> User:
    credentials: Any = CredentialsSchema().load(request.get_json())
    user = db.session.scalar(select(User).filter_by(name=credentials["name"]))
    # A name that does not exist takes as long as a wrong password.
    correct = check_password_hash(user.password_hash if user else _NOBODYS_HASH, credentials["password"])
    if user is None or not correct:
        abort(401, "wrong name or password")
    return user
