"""Values that are not JSON are written as the application's JSON provider writes them, and otherwise refused."""

from __future__ import annotations

import dataclasses
import datetime
import json
import uuid
from decimal import Decimal
from typing import Any

import flask
import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider
from marshmallow import Schema, fields

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    HookResultError,
    ProxyHooks,
    RPCRequest,
    RPCResult,
    SubscribeOptions,
    read_request,
    result_response,
)
from proxyhooks._wire import json as strict_json
from tests.support.asking import Ask
from tests.support.paths import SECRET

NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=datetime.UTC)


@dataclasses.dataclass
class Price:
    amount: Decimal
    since: datetime.date


class Page:
    def __html__(self) -> str:
        return "<b>page</b>"

    def __repr__(self) -> str:  # without an address, for the id of a test
        return "Page()"


class SetProvider(DefaultJSONProvider):
    """A provider that also writes sets, and dates in its own way."""

    @staticmethod
    def default(value: Any) -> Any:
        if isinstance(value, set):
            return sorted(value)
        return value.isoformat() if isinstance(value, datetime.date) else DefaultJSONProvider.default(value)


class OwnProvider(JSONProvider):
    """A provider that has nothing of Flask's default one."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, default=lambda value: {"own": str(value)}, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)


VALUES = [
    NOON,
    NOON.date(),
    NOON.replace(tzinfo=None),
    Decimal("0.10"),
    Decimal("NaN"),
    uuid.UUID(int=1),
    Price(Decimal("9.90"), NOON.date()),
    Page(),
    [Decimal(1), {"a": (NOON, None, "\ud800")}],
    {"prices": [Price(Decimal(1), NOON.date())] * 2},
]


@pytest.mark.parametrize("has_orjson", [True, False])
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_flasks_provider_writes_is_written_as_it_writes_it(
    value: Any, fast: bool, has_orjson: bool, app: Flask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_orjson:
        monkeypatch.setattr(strict_json, "orjson", None)
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult(data=value)

    assert json.loads(ask("rpc").data) == {"result": {"data": json.loads(app.json.dumps(value))}}


def test_every_field_with_json_is_written_so(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        subs = {"news": SubscribeOptions(data=NOON, info={"since": NOON})}
        return ConnectResult(user="1", data=[NOON], info=NOON, meta={"at": NOON}, subs=subs)

    text = json.loads(app.json.dumps(NOON))
    assert ask("connect").json == {
        "result": {
            "user": "1",
            "data": [text],
            "info": text,
            "meta": {"at": text},
            "subs": {"news": {"data": text, "info": {"since": text}}},
        }
    }


@pytest.mark.parametrize(
    ("provider", "value", "written"),
    [
        (SetProvider, {3, 1}, [1, 3]),
        (SetProvider, [NOON, Decimal(1)], ["2030-01-02T12:00:00+00:00", "1"]),
        (OwnProvider, {"a": Decimal("0.10")}, {"a": {"own": "0.10"}}),
    ],
)
def test_a_provider_of_the_application_decides(
    provider: type[JSONProvider], value: Any, written: Any, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult(data=value)

    app.json = provider(app)
    assert ask("rpc").json == {"result": {"data": written}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([Decimal(1), {1, 2}], "RPCResult['data'][1] is of type set, which JSON cannot carry: write list(...)"),
        ({"a": NOON, "b": object}, "RPCResult['data']['b'] is of type type, which JSON cannot carry"),
        ([NOON, b"x"], "RPCResult['data'][1] is bytes, which JSON cannot carry"),
        ([NOON, float("nan")], "RPCResult['data'][1] is nan"),
        ({"a": NOON, 1: 2}, "RPCResult['data'] has the key 1: JSON keys must be str"),
        (Price(Decimal(1), {1: 2}), "RPCResult['data']['since'] has the key 1: JSON keys must be str"),  # type: ignore[arg-type]
    ],
)
def test_what_the_provider_refuses_is_refused_and_named(
    value: Any, problem: str, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult(data=value)

    app.testing = True
    with pytest.raises(HookResultError) as refused:
        ask("rpc")
    assert problem in str(refused.value)


def test_what_a_provider_writes_is_strict_json(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    class Lax(DefaultJSONProvider):
        default = staticmethod(lambda value: float("nan"))

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult(data=[NOON])

    app.json = Lax(app)
    assert ask("rpc").status_code == 500


def test_what_a_field_of_a_schema_dumps_is_written_so(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    class Amount(fields.Field[Decimal]):
        pass

    @hooks.rpc(result_schema=Schema.from_dict({"amount": Amount()}))
    def rpc(req: RPCRequest) -> RPCResult:
        return RPCResult(data={"amount": Decimal("0.10")})

    assert ask("rpc").json == {"result": {"data": {"amount": "0.10"}}}


def test_a_view_without_a_hook_writes_so_too(app: Flask) -> None:
    @app.post("/rpc")
    def rpc() -> flask.Response:
        read_request(RPCRequest)
        return result_response(RPCResult(data=Decimal("0.10")))

    reply = app.test_client().post("/rpc", data=b"{}", headers={"X-Proxyhooks-Secret": SECRET})
    assert reply.json == {"result": {"data": "0.10"}}
