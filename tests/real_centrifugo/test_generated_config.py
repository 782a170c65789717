"""Centrifugo starts with the configuration that the package writes for an application, and lets a browser in."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from proxyhooks.centrifugo.config.writing import ConfigOptions, generate
from tests.support.backends import backend
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import SECRET
from tests.support.servers import accepts_connections, answers, free_port, running_server, server_environment
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

APP = """
from flask import Flask
from marshmallow import Schema, fields
from proxyhooks import *

class Meta(Schema):
    plan = fields.String()

app = Flask(__name__)
app.config.from_prefixed_env()
hooks = ProxyHooks(app, http_headers=["Cookie"], meta_schema=Meta)
hooks.connect(lambda req: ConnectResult(user="42", meta={"plan": "pro"}))
hooks.subscribe("chat:<int:id>")(lambda req, id: SubscribeResult(data={"plan": req.meta["plan"]}))
hooks.rpc("users:list")(lambda req: RPCResult(data=[req.user]))
hooks.rpc("ping")(lambda req: RPCResult(data="pong"))
hooks.shared_poll_refresh("poll:<x>")(lambda req, x: SharedPollRefreshResult(items=[]))
hooks.map_publish("board:<x>")(lambda req, x: MapPublishResult())
team = Hooks()
team.subscribe("chat:<int:id>")(lambda req, id: SubscribeResult(data=[req.channel, id]))
team.publish(lambda req: PublishResult(data=req.channel))
team.rpc("list")(lambda req: RPCResult(data=req.method))
hooks.include(team, channel_prefix="team:", rpc_prefix="team:")
"""
COMMANDS = """
{"id":1,"connect":{}}
{"id":2,"subscribe":{"channel":"chat:7"}}
{"id":3,"rpc":{"method":"users:list"}}
{"id":4,"rpc":{"method":"ping"}}
{"id":5,"subscribe":{"channel":"team:chat:7"}}
{"id":6,"subscribe":{"channel":"team:chat:07"}}
{"id":7,"publish":{"channel":"team:chat:7","data":1}}
{"id":8,"rpc":{"method":"team:list"}}
"""


@pytest.mark.parametrize("options", [[], ["--with-secret", "--proxy-name", "shop"]])
def test_it_starts_and_lets_a_browser_in(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "app.py").write_text(APP)
    backend_port, port = free_port(), free_port()
    address = f"127.0.0.1:{backend_port}"
    variables = server_environment(
        FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]),
        CENTRIFUGO_VAR_PROXYHOOKS_SECRET=SECRET,
        CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY="k",
        CENTRIFUGO_USAGE_STATS_DISABLED="true",
        CENTRIFUGO_HTTP_SERVER_PORT=str(port),
        CENTRIFUGO_HTTP_SERVER_ADDRESS="127.0.0.1",
        WEB_CONCURRENCY="1",
    )
    flask = [sys.executable, "-m", "flask", "--app", "app", "centrifugo", "config", *options]
    origin = Origin("https://page.example")
    command = [*flask, "--base-url", f"http://{address}", "--allowed-origin", origin]
    made = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=300)
    config = tmp_path / "config.json"
    config.write_text(made.stdout)
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn", "-b", address, "app:app"]
    log = tmp_path / "gunicorn.log"
    with (
        running_server(gunicorn, log, is_ready=lambda: answers(backend_port), cwd=tmp_path, env=variables),
        running_centrifugo(config, port, tmp_path / "centrifugo.log", cwd=tmp_path, env=variables),
    ):
        url = f"ws://127.0.0.1:{port}/connection/websocket"
        with connect(url, origin=origin, proxy=None) as page:
            page.send(COMMANDS.strip())
            replies: dict[int, Any] = {}
            while len(replies) < 9:
                for line in str(page.recv(timeout=DEFAULT_TIMEOUT)).splitlines():
                    reply = json.loads(line)
                    replies[reply.get("id", 0)] = reply
        assert "connect" in replies[1]
        assert replies[2]["subscribe"]["data"] == {"plan": "pro"}
        assert replies[3]["rpc"]["data"] == ["42"]
        assert replies[4]["rpc"]["data"] == "pong"
        assert replies[5]["subscribe"]["data"] == ["team:chat:7", 7]
        assert replies[6]["error"]["code"] == 102
        assert "publish" in replies[7]
        assert replies[0]["push"]["pub"]["data"] == "team:chat:7"
        assert replies[8]["rpc"]["data"] == "team:list"
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(url, origin=Origin("https://other.example"), proxy=None),
        ):
            pass


def test_an_internal_port_keeps_metrics_health_and_the_api_from_the_port_of_the_clients(tmp_path: Path) -> None:
    port, internal_port = free_port(), free_port()
    options = ConfigOptions(
        base_url="http://127.0.0.1:8070", allowed_origins=["*"], secret=SECRET, internal_port=internal_port
    )
    generated = generate(backend(("connect", None)), options).config
    generated["http_server"] |= {"address": "127.0.0.1", "port": port}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(generated | {"http_api": {"key": "k"}, "usage_stats": {"disabled": True}}))
    with running_centrifugo(config, internal_port, tmp_path / "centrifugo.log", cwd=tmp_path, env=server_environment()):
        wait_until(lambda: accepts_connections(port), "the port of the clients")
        for path in ("/metrics", "/health", "/api/info"):
            assert (status(port, path), status(internal_port, path) == 404) == (404, False), path


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEFAULT_TIMEOUT) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
