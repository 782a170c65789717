"""Other extensions, unmodified, each doing its job in a hook. Those with more tests have files of their own."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from flask import Flask
from flask_caching import Cache
from marshmallow import Schema, fields

from proxyhooks import ProxyHooks, RPCRequest, RPCResult
from tests.support.asking import Ask


def test_flask_caching_computes_a_value_once(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache, computed = Cache(app), itertools.count(1)

    @cache.memoize(60)
    def rooms_of(user: str) -> dict[str, Any]:
        return {"user": user, "computed": next(computed)}

    @hooks.rpc("rooms")
    def rooms(req: RPCRequest) -> RPCResult:
        return RPCResult(data=rooms_of(req.user))

    @hooks.rpc("clear")
    def clear(req: RPCRequest) -> RPCResult:
        cache.delete_memoized(rooms_of, req.user)
        return RPCResult()

    def data(user: str) -> Any:
        reply = ask("rpc", method="rooms", user=user).json
        assert reply is not None
        return reply["result"]["data"]

    assert [data("a"), data("a"), data("b")] == [
        {"user": "a", "computed": 1},
        {"user": "a", "computed": 1},
        {"user": "b", "computed": 2},
    ]
    ask("rpc", method="clear", user="a")
    assert (data("a")["computed"], data("b")["computed"]) == (3, 2)


def test_flask_caching_tells_hooks_users_and_payloads_apart_by_a_key_of_the_request(
    app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache, computed = Cache(app), itertools.count(1)
    cached = cache.cached(60, make_cache_key=lambda req: f"{req.method} {req.user} {req.data}")

    def compute(req: RPCRequest) -> RPCResult:
        return RPCResult(data=next(computed))

    schema = Schema.from_dict({"room": fields.Integer(required=True)})
    for method in ("rooms", "users"):
        hooks.rpc(method, data_schema=schema)(cached(functools.wraps(compute)(lambda req: compute(req))))

    def data(method: str, user: str, room: Any) -> Any:
        reply: Any = ask("rpc", method=method, user=user, data={"room": room}).json
        return reply["result"]["data"] if "result" in reply else reply["error"]["code"]

    asked = [("rooms", "a", 1), ("rooms", "a", 1), ("users", "a", 1), ("rooms", "b", 1), ("rooms", "a", 2)]
    assert [data(*one) for one in asked] == [1, 1, 2, 3, 4]
    assert data("rooms", "a", "no number") == 107
