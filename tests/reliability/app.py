"""The application behind the servers of these tests; how it starts is up to the environment."""

import os
import time
from pathlib import Path

from flask import Flask

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

HERE = Path(os.environ["HERE"])

time.sleep(float(os.environ.get("START_SECONDS", "0")))
if (HERE / "broken").exists():
    raise RuntimeError("a typo")

app = Flask("app")
app.config.from_prefixed_env()
hooks = ProxyHooks(app)


@hooks.rpc("echo")
def echo(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)


@hooks.rpc("work")
def work(req: RPCRequest) -> RPCResult:
    """Takes its time, and leaves a trace."""
    with (HERE / f"begun.{os.getpid()}").open("a") as begun:
        begun.write("x")
    time.sleep(float(os.environ.get("WORK_SECONDS", "0.05")))
    return RPCResult(data=req.data)


@hooks.rpc("version")
def version(req: RPCRequest) -> RPCResult:
    return RPCResult(data=(HERE / "version").read_text())


(HERE / f"loaded.{os.getpid()}").touch()
