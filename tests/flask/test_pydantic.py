"""Models of pydantic as ``data_schema``."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from pydantic import BaseModel, StrictInt, TypeAdapter, field_validator

from proxyhooks import Error, ProxyHooks, RPCRequest, RPCResult
from tests.support.asking import Ask

BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}


class Order(BaseModel, extra="forbid"):
    tea: str
    cups: StrictInt = 1
    pots: int = 0
    day: date | None = None

    @field_validator("tea")
    @classmethod
    def is_sold(cls, tea: str) -> str:
        if tea == "coffee":
            raise Error(1001, "no coffee")
        if tea == "milk":
            raise ValueError("no tea")
        return tea


def hooks_of(app: Flask, fast: bool) -> ProxyHooks:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)

    @hooks.rpc("order", data_schema=Order.model_validate)
    def order(req: RPCRequest[Order]) -> RPCResult:
        assert isinstance(req.data, Order)
        return RPCResult(data=req.data.model_dump(mode="json"))

    @hooks.rpc("bytes", data_schema=Order.model_validate_json)
    async def order_bytes(req: RPCRequest[Order]) -> RPCResult:
        assert isinstance(req.data, Order)
        return RPCResult(data=req.data.model_dump(mode="json"))

    @hooks.rpc("many", data_schema=TypeAdapter(list[Order]).validate_python)
    def many(req: RPCRequest[list[Order]]) -> RPCResult:
        return RPCResult(data=[order.tea for order in req.data])

    return hooks


ASSAM = {"tea": "assam", "cups": 1, "pots": 0, "day": None}
VALID: list[tuple[str, Any, Any]] = [
    ("order", {"data": {"tea": "assam"}}, ASSAM),
    ("order", {"data": {"tea": "assam", "pots": "2", "day": "2026-01-31"}}, ASSAM | {"pots": 2, "day": "2026-01-31"}),
    ("bytes", {"b64data": "eyJ0ZWEiOiJhc3NhbSJ9"}, ASSAM),
    ("many", {"data": [{"tea": "assam"}, {"tea": "matcha"}]}, ["assam", "matcha"]),
]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("method", "payload", "result"), VALID)
def test_the_hook_gets_a_model(method: str, payload: Any, result: Any, fast: bool, app: Flask, ask: Ask) -> None:
    hooks_of(app, fast)
    for _ in range(2):
        assert ask("rpc", method=method, **payload).json == {"result": {"data": result}}


INVALID: list[tuple[str, Any]] = [
    ("order", {}),
    ("order", {"data": None}),
    ("order", {"data": {}}),
    ("order", {"data": []}),
    ("order", {"data": {"tea": "assam", "more": 1}}),
    ("order", {"data": {"tea": "assam", "cups": "3"}}),  # strict
    ("order", {"data": {"tea": "assam", "pots": "many"}}),
    ("order", {"data": {"tea": "milk"}}),
    ("order", {"b64data": "eyJ0ZWEiOiJhc3NhbSJ9"}),  # bytes are for model_validate_json
    ("bytes", {"b64data": "e30="}),
    ("bytes", {"b64data": "/w=="}),
    ("many", {"data": {"tea": "assam"}}),
]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("method", "payload"), INVALID)
def test_what_the_model_refuses_is_a_bad_request(method: str, payload: Any, fast: bool, app: Flask, ask: Ask) -> None:
    hooks_of(app, fast)
    for _ in range(2):
        assert ask("rpc", method=method, **payload).json == BAD_REQUEST


def test_a_refusal_of_a_validator_is_that_refusal(app: Flask, ask: Ask) -> None:
    hooks_of(app, True)
    reply = ask("rpc", method="order", data={"tea": "coffee"}).json
    assert reply == {"error": {"code": 1001, "message": "no coffee"}}


def test_a_model_is_no_result_until_it_is_dumped(app: Flask, ask: Ask) -> None:
    app.testing = True
    hooks = ProxyHooks(app)

    @hooks.rpc("order", data_schema=Order.model_validate)
    def order(req: RPCRequest[Order]) -> RPCResult:
        return RPCResult(data=req.data)

    with pytest.raises(Exception, match=r"is .*Order.*, which JSON cannot carry"):
        ask("rpc", method="order", data={"tea": "assam"})


def test_the_values_of_a_dumped_model_may_be_what_flask_writes(app: Flask, ask: Ask) -> None:
    class Receipt(BaseModel):
        number: uuid.UUID
        price: Decimal
        day: date

    hooks = ProxyHooks(app)
    receipt = Receipt(number=uuid.UUID(int=1), price=Decimal("1.50"), day=date(2026, 1, 31))
    hooks.rpc("python")(lambda req: RPCResult(data=receipt.model_dump()))
    hooks.rpc("json")(lambda req: RPCResult(data=receipt.model_dump(mode="json")))
    number, price = "00000000-0000-0000-0000-000000000001", "1.50"
    written = {"number": number, "price": price, "day": "Sat, 31 Jan 2026 00:00:00 GMT"}
    assert ask("rpc", method="python").json == {"result": {"data": written}}
    assert ask("rpc", method="json").json == {"result": {"data": written | {"day": "2026-01-31"}}}
