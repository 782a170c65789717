"""A backend with a known number of calls a second: while the file ``slow`` exists, each call takes WORK_SECONDS.

Each call is a line in the file ``calls.PID``: when its hook began, and the event.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import Flask

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    ProxyHooks,
    PublishRequest,
    PublishResult,
    RPCRequest,
    RPCResult,
    SubscribeRequest,
    SubscribeResult,
)

HERE = Path(os.environ["HERE"])
WORK_SECONDS = float(os.environ.get("WORK_SECONDS", "0"))

app = Flask("app")
app.config.from_prefixed_env()
hooks = ProxyHooks(app)
calls = (HERE / f"calls.{os.getpid()}").open("a", buffering=1)


def work(event: str) -> None:
    calls.write(f"{time.monotonic()} {event}\n")
    if (HERE / "slow").exists():
        time.sleep(WORK_SECONDS)


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    work("connect")
    return ConnectResult(user="42")


@hooks.subscribe("room:<name>")
def subscribe(req: SubscribeRequest, name: str) -> SubscribeResult:
    work("subscribe")
    return SubscribeResult()


@hooks.publish("room:<name>")
def publish(req: PublishRequest, name: str) -> PublishResult:
    work("publish")
    return PublishResult()


@hooks.rpc("echo")
def echo(req: RPCRequest) -> RPCResult:
    work("rpc")
    return RPCResult(data=req.data)


(HERE / f"loaded.{os.getpid()}").touch()
