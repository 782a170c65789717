"""Flask-Limiter's limits, for clients of Centrifugo: for each hook and user, and before the payload is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from marshmallow import Schema, fields

from proxyhooks import ConnectResult, ProxyHooks, RPCRequest, RPCResult, current_request
from tests.real_centrifugo.client import Client
from tests.support.centrifugo import serving_through_centrifugo
from tests.support.paths import SECRET

CALLS = 12


class Order(Schema):
    tea = fields.String(required=True)


def test_a_limit_counts_each_hook_and_user_and_payloads_that_are_refused(tmp_path: Path) -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    limiter = Limiter(lambda: current_request.user, app=app, storage_uri="memory://")
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user=req.data["user"]))

    @hooks.rpc("order", data_schema=Order, decorators=[limiter.limit("5 per hour")])
    def order(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    @hooks.rpc("pay", data_schema=Order, decorators=[limiter.limit("8 per hour")])
    def pay(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    with serving_through_centrifugo(app, tmp_path) as port:
        for user in ("ada", "bob"):
            client = Client(f"127.0.0.1:{port}")
            assert "connect" in client.ask("connect", data={"user": user})
            for method, allowed in {"order": 5, "pay": 8}.items():
                data: list[Any] = [{}] * (allowed - 1) + [{"tea": "assam"}] * (CALLS - allowed + 1)
                replies = [client.ask("rpc", method=method, data=one) for one in data]
                codes = [reply.get("error", {}).get("code") for reply in replies]
                assert codes == [107] * (allowed - 1) + [None] + [111] * (CALLS - allowed)
                assert replies[-1]["error"]["temporary"] is True
            client.close()
