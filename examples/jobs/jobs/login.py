"""Logging in, without a password: replace this by the login of your application. It puts the user into the session."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request, session
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from .schemas import LoginSchema

blueprint = Blueprint("login", __name__)


@blueprint.post("/login")
def login() -> ResponseReturnValue:
    data: Any = LoginSchema().load(request.get_json())
    session.clear()
    session["user"] = data["name"]
    return {"user": data["name"]}


@blueprint.get("/session")
def who() -> ResponseReturnValue:
    return {"user": session.get("user")}


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    if not request.is_json:  # what a form of another site sends is not
        abort(415)
    session.clear()
    return "", 204


@blueprint.errorhandler(ValidationError)
def invalid(error: ValidationError) -> ResponseReturnValue:
    return {"error": "the name has 1 to 20 letters a-z and digits"}, 422


@blueprint.errorhandler(RecursionError)
def too_deep(error: RecursionError) -> ResponseReturnValue:
    return {"error": "the JSON is nested too deeply"}, 400
