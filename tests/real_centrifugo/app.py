"""The application behind the real Centrifugo.

A request says what the hook does: by ``do`` in its payload. Events without a payload say it by their key, or by the
connection's meta. So one application serves all tests, and each test shows what it asks for and what it sees.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, redirect, request
from marshmallow import EXCLUDE, INCLUDE, Schema, fields
from werkzeug.wrappers import Response

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    MapPublishRequest,
    MapPublishResult,
    MapRemoveRequest,
    MapRemoveResult,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SharedPollRefreshRequest,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshRequest,
    SubRefreshResult,
    SubscribeOptions,
    SubscribeRequest,
    SubscribeResult,
    after_reply,
    current_request,
    errors,
)
from proxyhooks.signals import FinishedCall, hook_finished

SOON = timedelta(seconds=3)
"""Later than the moment when Centrifugo reads it, and short enough for tests to wait."""

OUTCOMES: dict[str, Callable[[], Exception]] = {
    "error": errors.PermissionDenied,
    "custom-error": lambda: Error(1001, "room is full"),
    "temporary-error": errors.TooManyRequests,
    "custom-temporary-error": lambda: Error(1002, "being moved", temporary=True),
    "disconnect": lambda: Disconnect(4501, "unauthorized"),
    "crash": lambda: RuntimeError("asked to crash"),
}


class Payload(Schema):
    """Any JSON object, also in bytes; payloads that are built to break a parser are refused."""

    class Meta:
        unknown = INCLUDE


class Note(Schema):
    """Keeps one field, as a number, and drops all others."""

    number = fields.Integer(required=True)

    class Meta:
        unknown = EXCLUDE


app = Flask(__name__)
app.config.from_prefixed_env()
hooks = ProxyHooks(app)


def act(do: str) -> None:
    """Raise the named exception. An unknown name is a mistake of the test and must not count as a result."""
    if do != "result":
        raise OUTCOMES[do]()


def record(event: str, **fields: Any) -> None:
    """Append a line to the file that the test reads. The system writes a short line as a whole."""
    line = json.dumps({"event": event, **fields}, default=repr).encode() + b"\n"
    descriptor = os.open(os.environ["SCENARIO_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


@hook_finished.connect_via(app)
def record_call(sender: Flask, call: FinishedCall) -> None:
    record(call.event, **asdict(call.request))


@app.before_request
def redirect_to_login() -> Response | None:
    """Redirect as many applications do without a session; it must not let a client in."""
    if request.path == "/centrifugo/connect" and getattr(current_request, "name", "") == "redirect":
        return redirect("/login")
    return None


@app.route("/login")
def login() -> dict[str, Any]:
    record("login")
    return {"result": {"user": "anyone"}}


@app.route("/ready")
def ready() -> str:
    return "ready"


@hooks.connect(data_schema=Payload)
def connect(req: ConnectRequest) -> ConnectResult:
    act(req.data.get("do", "result"))
    meta = req.data.get("meta")
    return ConnectResult(
        user=req.data.get("user", ""),
        data={"welcome": req.data.get("user", "")},
        channels=req.data.get("channels"),
        subs={channel: SubscribeOptions(expire_at=SOON) for channel in req.data.get("subs", ())} or None,
        meta=meta,
        expire_at=SOON if meta and "refresh" in meta else None,
    )


@hooks.refresh
def refresh(req: RefreshRequest) -> RefreshResult:
    act(req.meta["refresh"])
    return RefreshResult(expire_at=SOON)


@hooks.subscribe(data_schema=Payload)
def subscribe(req: SubscribeRequest) -> SubscribeResult:
    if req.channel.startswith("room:"):
        raise errors.UnknownChannel  # channels that do not match the pattern below
    act(req.data.get("do", "result"))
    expires = req.meta is not None and "sub_refresh" in req.meta
    return SubscribeResult(data={"channel": req.channel}, expire_at=SOON if expires else None)


@hooks.subscribe("room:<int:room_id>")
def subscribe_room(req: SubscribeRequest, room_id: int) -> SubscribeResult:
    return SubscribeResult(data={"room": room_id})


@hooks.sub_refresh("chat:<path:name>")
def sub_refresh(req: SubRefreshRequest, name: str) -> SubRefreshResult:
    act(req.meta["sub_refresh"])
    return SubRefreshResult(expire_at=SOON)


@hooks.publish("chat:<path:name>", data_schema=Payload)
def publish(req: PublishRequest, name: str) -> PublishResult:
    act(req.data.get("do", "result"))
    return PublishResult(data={"text": req.data.get("text"), "from": req.user}, tags={"hook": "publish"})


@hooks.publish("chat:loaded-<name>", data_schema=Note, publish_loaded=True)
def publish_loaded(req: PublishRequest, name: str) -> PublishResult:
    return PublishResult()


@hooks.map_publish("board:loaded-<name>", data_schema=Note, publish_loaded=True)
def map_publish_loaded(req: MapPublishRequest, name: str) -> MapPublishResult:
    return MapPublishResult()


@hooks.map_publish("board:<path:name>", data_schema=Payload)
def map_publish(req: MapPublishRequest, name: str) -> MapPublishResult:
    act(req.data.get("do", "result"))
    return MapPublishResult(data={"value": req.data.get("value"), "from": req.user})


@hooks.map_remove("board:<path:name>")
def map_remove(req: MapRemoveRequest, name: str) -> MapRemoveResult:
    act(req.key)
    return MapRemoveResult()


@hooks.shared_poll_refresh("poll:<path:name>")
def shared_poll_refresh(req: SharedPollRefreshRequest, name: str) -> SharedPollRefreshResult:
    for item in req.items:
        act(item.key)
    return SharedPollRefreshResult(
        items=[SharedPollRefreshResultItem(key=item.key, data={"of": item.key}) for item in req.items]
    )


@hooks.rpc("act", data_schema=Payload)
def rpc_act(req: RPCRequest) -> RPCResult:
    act(req.data["do"])
    return RPCResult(data={"done": True})


@hooks.rpc("echo", data_schema=Payload)
def rpc_echo(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)


@hooks.rpc("as-sent")
def rpc_as_sent(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)


@hooks.rpc("binary")
def rpc_binary(req: RPCRequest) -> RPCResult:
    return RPCResult(data=b"\x00\xff")


@hooks.rpc("meta")
def rpc_meta(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.meta)


@hooks.rpc("builtin", data_schema=Payload)
def rpc_builtin(req: RPCRequest) -> RPCResult:
    raise errors.by_code(req.data["code"])


@hooks.rpc("later", data_schema=Payload)
def rpc_later(req: RPCRequest) -> RPCResult:
    after_reply(work_until, req.data["until"])
    return RPCResult(data={"accepted": True})


def work_until(until: str) -> None:
    """Work until the file exists, longer than the timeout of a call that would wait for it."""
    give_up = time.monotonic() + 20
    while not Path(until).exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    record("worked", until=until)
