"""Plain Flask views that reply to Centrifugo, for an application whose URLs and dispatching are its own.

A user is who the signed token says. The views do by hand what the decorators of ``ProxyHooks`` would do: choose by
channel and method, validate payloads, refuse what is unknown. And nothing guards the way out: no ``before_request`` may
redirect these views or answer in their place.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
from flask import Flask, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from marshmallow import Schema, ValidationError, fields, validate

from proxyhooks import (
    ChannelPattern,
    ConnectRequest,
    ConnectResult,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    RPCRequest,
    RPCResult,
    disconnect_response,
    error_response,
    errors,
    read_request,
    result_response,
)

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_PROXYHOOKS_SECRETS='["..."]'
if not app.secret_key or not isinstance(app.secret_key, str):
    raise RuntimeError("FLASK_SECRET_KEY must be a text, one of digits in quotes: it signs the tokens")
tokens = URLSafeTimedSerializer(app.secret_key, salt="connect")

INBOX = ChannelPattern("inbox:<user>")
BLOCKED = {"mallory"}


class NoteSchema(Schema):
    text = fields.String(required=True, validate=validate.Length(min=1, max=500))


@app.cli.command("token")
@click.argument("user")
def token(user: str) -> None:
    """Print a token, as a page would get it after a login."""
    click.echo(tokens.dumps(user))


@app.post("/centrifugo/connect")
def connect() -> Response:
    req = read_request(ConnectRequest)  # aborts with 403 if the secret is missing or wrong
    try:
        user = tokens.loads(str(req.data), max_age=86_400)
    except (BadSignature, UnicodeEncodeError):  # JSON can carry half a surrogate pair
        return disconnect_response(4501, "unauthorized")
    if user in BLOCKED:
        return disconnect_response(4503, "blocked")
    inbox = INBOX.format(user=user)
    return result_response(ConnectResult(user=user, channels=[inbox], expire_at=timedelta(minutes=10)))


@app.post("/centrifugo/refresh")
def refresh() -> Response:
    req = read_request(RefreshRequest)
    if req.user in BLOCKED:
        return result_response(RefreshResult(expired=True))
    return result_response(RefreshResult(expire_at=timedelta(minutes=10)))


@app.post("/centrifugo/publish")
def publish() -> Response:
    req = read_request(PublishRequest)
    if INBOX.match(req.channel) is None:
        return error_response(errors.UnknownChannel)
    if req.user in BLOCKED:
        return error_response(errors.PermissionDenied("you are blocked"))
    try:
        note: Any = NoteSchema().load(req.data)
    except ValidationError:
        return error_response(errors.BadRequest)
    return result_response(PublishResult(data={"text": note["text"], "from": req.user}))


@app.post("/centrifugo/rpc")
def rpc() -> Response:
    req = read_request(RPCRequest)
    match req.method:
        case "whoami":
            return result_response(RPCResult(data={"user": req.user}))
        case "inbox":
            return result_response(RPCResult(data={"channel": INBOX.format(user=req.user)}))
        case _:
            return error_response(errors.MethodNotFound)
