"""The shortest complete backend: a user is who the signed token says."""

from __future__ import annotations

import click
from flask import Flask
from itsdangerous import BadSignature, URLSafeTimedSerializer

from proxyhooks import Disconnect, ProxyHooks, errors
from proxyhooks.messages import ConnectRequest, ConnectResult, RPCRequest, RPCResult, SubscribeRequest, SubscribeResult

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_PROXYHOOKS_SECRETS='["..."]'
if not app.secret_key or not isinstance(app.secret_key, str):
    raise RuntimeError("FLASK_SECRET_KEY must be a text, one of digits in quotes: it signs the tokens")
tokens = URLSafeTimedSerializer(app.secret_key, salt="connect")
hooks = ProxyHooks(app)


@app.cli.command("token")
@click.argument("user")
def token(user: str) -> None:
    """Print a token, as a page would get it after a login."""
    click.echo(tokens.dumps(user))


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    try:
        return ConnectResult(user=tokens.loads(str(req.data), max_age=86_400))  # the connect data is the token
    except (BadSignature, UnicodeEncodeError):  # JSON can carry half a surrogate pair
        raise Disconnect(4501, "unauthorized") from None


@hooks.subscribe("inbox:<user>")
def subscribe(req: SubscribeRequest, user: str) -> SubscribeResult:
    if user != req.user:
        raise errors.PermissionDenied
    return SubscribeResult()


@hooks.rpc("whoami")
def whoami(req: RPCRequest) -> RPCResult:
    return RPCResult(data={"user": req.user})
