"""The contestants of the benchmarks: five applications that answer the same rpc, whose payload has five fields.

All but the first two validate the payload. Only the hook also checks a secret and the whole message, finds the function
by the method, and answers an invalid payload as Centrifugo expects. So the others have less to do than the hook.
Two more applications are for servers: one does nothing, and one waits. Servers load an application as an attribute of
this module, such as ``hook_app``, which is created on access.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from flask import Flask, request
from marshmallow import Schema, fields, validate

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/centrifugo/rpc"
SECRET = "s3cret"
DATA = {"text": "Hello, world", "room": 42, "tags": ["a", "b"], "urgent": True, "color": "green"}
BODY = json.dumps(
    {
        "client": "7d13ca1e-754a-4a7e-a3fa-279fcf7ef87e",
        "transport": "websocket",
        "protocol": "json",
        "encoding": "json",
        "user": "42",
        "method": "say",
        "data": DATA,
    },
    separators=(",", ":"),
).encode()


class MessageSchema(Schema):
    text = fields.String(required=True, validate=validate.Length(1, 500))
    room = fields.Integer(required=True, strict=True)
    tags = fields.List(fields.String())
    urgent = fields.Boolean()
    color = fields.String(validate=validate.OneOf(["red", "green", "blue"]))


def wsgi() -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        data = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["data"]
        body = orjson.dumps({"result": {"data": data}})
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def bare() -> Flask:
    app = Flask("bare")

    @app.post(PATH)
    def rpc() -> dict[str, Any]:
        return {"result": {"data": request.get_json()["data"]}}

    return app


def by_hand() -> Flask:
    app = Flask("by_hand")
    schema = MessageSchema()

    @app.post(PATH)
    def rpc() -> dict[str, Any]:
        return {"result": {"data": schema.load(request.get_json()["data"])}}

    return app


def fastapi() -> Any:
    from fastapi import FastAPI
    from pydantic import BaseModel, Field, StrictInt

    class Message(BaseModel):
        text: Annotated[str, Field(min_length=1, max_length=500)]
        room: StrictInt
        tags: list[str] | None = None
        urgent: bool | None = None
        color: Literal["red", "green", "blue"] | None = None

    class Call(BaseModel):
        data: Message

    class Reply(BaseModel):
        result: Call

    app = FastAPI()

    async def rpc(call: Call) -> Reply:
        return Reply(result=call)

    rpc.__annotations__ = {"call": Call, "return": Reply}  # local classes, which FastAPI does not find by name
    app.post(PATH)(rpc)
    return app


def hook(**config: Any) -> Flask:
    app = Flask("hook")
    app.config |= {"PROXYHOOKS_TIMEOUT": 60, **config}  # on a slow machine no call must be shed as too late
    hooks = ProxyHooks(app, secrets=[SECRET])

    @hooks.rpc("say", data_schema=MessageSchema)
    def say(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    return app


def empty() -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    from .empty import app

    return app


def counting() -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    from .served_instructions import counting

    return counting()


def sleeping() -> Flask:
    app = Flask("sleeping")
    app.config |= {"PROXYHOOKS_TIMEOUT": 60}
    hooks = ProxyHooks(app, secrets=[SECRET])

    @hooks.rpc("say", data_schema=MessageSchema)
    def say(req: RPCRequest) -> RPCResult:
        time.sleep(SLEEP)
        return RPCResult(data=req.data)

    return app


CONTESTANTS = {
    "wsgi": "plain WSGI function, orjson, nothing checked",
    "bare": "Flask view that reads JSON and returns a dict",
    "by_hand": "Flask view with marshmallow by hand",
    "fastapi": "FastAPI with pydantic, `async def`",
    "hook": "**a hook**: secret, message and payload checked",
}


SLEEP = 0.005
"""Seconds."""
ONLY_SERVED = {
    "empty": "WSGI function that answers at once and reads nothing",
    "sleeping": "a hook that sleeps for 5 ms",
    "counting": "WSGI function that replies with the number of instructions so far",
}


LEVELS = {
    "hook_flask_context": "a hook in Flask's own request context",
    "hook_off": "a hook through Flask's own dispatching, with compiled schemas",
    "hook_async": "an `async def` hook",
}
"""Other hooks, to compare: at lower levels than the contestant ``hook``, which has the full level, and an async one."""


def hook_flask_context() -> Flask:
    return _hook_at("flask-context")


def hook_off() -> Flask:
    return _hook_at("off")


def hook_async() -> Flask:
    app = Flask("hook_async")
    app.config |= {"PROXYHOOKS_TIMEOUT": 60}
    hooks = ProxyHooks(app, secrets=[SECRET])

    @hooks.rpc("say", data_schema=MessageSchema)
    async def say(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    return app


def _hook_at(level: str) -> Flask:
    # Not at the top, as the servers must not load what only tests need.
    from proxyhooks._flask.fast_path.supported import Level
    from tests.support.fast_path import level_forced

    with level_forced(Level(level)):
        return hook()


def __getattr__(name: str) -> Any:
    """``wsgi_app``, ``hook_app`` and so on, for servers."""
    if name.removesuffix("_app") in CONTESTANTS | ONLY_SERVED and name.endswith("_app"):
        return globals()[name.removesuffix("_app")]()
    raise AttributeError(name)
