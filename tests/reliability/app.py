"""The application behind the servers of these tests; environment variables make it slow or broken."""

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from flask import Flask, abort
from marshmallow import Schema, ValidationError, fields

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    RPCRequest,
    RPCResult,
    after_reply,
    errors,
)

HERE = Path(os.environ["HERE"])
LARGE = 4 * 1024 * 1024
"""Bytes of a large reply."""

time.sleep(float(os.environ.get("START_SECONDS", "0")))
if (HERE / "broken").exists():
    raise RuntimeError("a typo")

app = Flask("app")
app.config["PROXYHOOKS_AFTER_REPLY_QUEUE"] = 100_000
app.config.from_prefixed_env()
hooks = ProxyHooks(app)


@app.before_request
def refuse_while_down() -> None:
    if (HERE / "down").exists():
        abort(503)


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    if isinstance(req.data, dict):
        raise errors.Unauthorized("the password is wrong")
    # "for 5 s"
    expires = timedelta(seconds=int(req.data.split()[1])) if str(req.data).startswith("for ") else None
    user = "" if req.data == "anonymous" else "42"
    return ConnectResult(user=user, data={"you": req.data}, expire_at=expires)


@hooks.refresh
def refresh(req: RefreshRequest) -> RefreshResult:
    return RefreshResult(expire_at=timedelta(hours=1))


@hooks.rpc("echo")
def echo(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)


class ItemSchema(Schema):
    text = fields.String(required=True)


class ItemsSchema(Schema):
    items = fields.List(fields.Nested(ItemSchema), required=True)


def parse(data: object) -> object:
    """Refuse every payload, with a text that has all of it."""
    raise ValidationError({"data": [f"not what is wanted: {data}"]})


@hooks.publish("items", data_schema=ItemsSchema)
@hooks.publish("parsed", data_schema=parse)
def publish(req: PublishRequest) -> PublishResult:
    return PublishResult()


@hooks.rpc("items", data_schema=ItemsSchema)
@hooks.rpc("binary:items", data_schema=ItemsSchema)
@hooks.rpc("parsed", data_schema=parse)
def take(req: RPCRequest) -> RPCResult:
    return RPCResult()


@hooks.rpc("count")
def count(req: RPCRequest) -> RPCResult:
    with (HERE / f"count.{os.getpid()}").open("a") as counted:
        counted.write("x")
    return RPCResult(data=req.data)


@hooks.rpc("work")
def work(req: RPCRequest) -> RPCResult:
    """Record that the hook has begun, and take WORK_SECONDS."""
    with (HERE / f"begun.{os.getpid()}").open("a") as begun:
        begun.write("x")
    time.sleep(float(os.environ.get("WORK_SECONDS", "0.05")))
    return RPCResult(data=req.data)


@hooks.rpc("refuse")
def refuse(req: RPCRequest) -> RPCResult:
    match req.data:
        case "error":
            raise Error(1001, "room is full")
        case "disconnect":
            raise Disconnect(4501, "go away")
        case "abort":
            abort(403)
        case _:
            raise RuntimeError("boom")


class Timeout(BaseException):
    """As ``gevent.Timeout``."""


NO_EXCEPTIONS = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Timeout)


@hooks.rpc("raise")
def raise_base_exception(req: RPCRequest) -> RPCResult:
    raise {error.__name__: error for error in NO_EXCEPTIONS}[req.data]


@hooks.rpc("damage")
def damage(req: RPCRequest) -> RPCResult:
    """Fill the beginning of both copies of the workers' table with random bytes."""
    # Not by an import: the server hooks may run in another copy of the package.
    (state,) = [found for found in gc.get_objects() if type(found).__name__ == "SharedState"]
    memory = state._memory
    for start in (3, 3 + (len(memory) - 3) // 2):
        memory[start : start + 500] = os.urandom(500)
    return RPCResult()


@hooks.rpc("later")
def later(req: RPCRequest) -> RPCResult:
    after_reply((HERE / req.data).touch)
    return RPCResult(data="promised")


@hooks.rpc("note")
def note(req: RPCRequest) -> RPCResult:
    """Have a function write a letter after the reply. Functions for one key write one after another."""
    after_reply.for_key(req.data[0] % 16)(write_note)
    return RPCResult(data=req.data)


def write_note() -> None:
    time.sleep(0.005)
    with (HERE / f"notes.{os.getpid()}").open("a") as notes:
        notes.write("x")


@hooks.rpc("version")
def version(req: RPCRequest) -> RPCResult:
    return RPCResult(data=(HERE / "version").read_text())


@app.get("/large")
def large() -> bytes:
    return bytes(LARGE)


@app.get("/streamed")
def streamed() -> Iterator[bytes]:
    return (bytes(LARGE // 64) for _ in range(64))


(HERE / f"loaded.{os.getpid()}").touch()
