"""The test client sends an application the same bytes as a real Centrifugo in the same conversation."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from marshmallow import Schema, fields

from proxyhooks import (
    ConnectResult,
    MapPublishResult,
    MapRemoveResult,
    ProxyHooks,
    PublishResult,
    RefreshResult,
    RPCResult,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshResult,
    SubscribeResult,
)
from proxyhooks.cli import centrifugo as commands
from proxyhooks.testing import ProxyClient
from tests.real_centrifugo.centrifugo_config import POLL_SECRET
from tests.real_centrifugo.client import Client, Message, track
from tests.support.centrifugo import running_written_config
from tests.support.paths import SECRET
from tests.support.servers import serving_in_thread
from tests.support.waiting import wait_until

DATA = {"text": "<é> & \u2028 😀", "n": [1, 2.5, 10**20, None, True], "deep": {"a": {}}}
SOON = timedelta(seconds=3)
# Headers that do not depend on the client: the server's address, and a header that the operator adds to all requests.
LEFT_OUT = {"Host", "Idempotency-Key"}

Sent = tuple[str, str, dict[str, str]]
"""A request: its event, body and headers."""


class Meta(Schema):
    plan = fields.String()


class Recorder:
    """An application that records the requests it gets."""

    def __init__(self) -> None:
        self.app = Flask("recorder")
        self.app.config.update(PROXYHOOKS_SECRETS=[SECRET])
        self.sent: list[Sent] = []
        self.app.before_request(self.record)
        self.hooks = hooks = ProxyHooks(
            self.app, http_headers=["Cookie"], emulated_headers=["Authorization"], meta_schema=Meta
        )
        hooks.connect(lambda req: ConnectResult(user="42", meta={"plan": "<pro>"}, expire_at=SOON))
        hooks.refresh(lambda req: RefreshResult(expire_at=timedelta(hours=1)))
        hooks.subscribe("chat:<x>")(lambda req, x: SubscribeResult(expire_at=SOON))
        hooks.sub_refresh("chat:<x>")(lambda req, x: SubRefreshResult(expire_at=timedelta(hours=1)))
        hooks.publish("chat:<x>")(lambda req, x: PublishResult())
        hooks.rpc("<x>")(lambda req, x: RPCResult(data=req.data))
        hooks.rpc(lambda req: RPCResult())
        hooks.map_publish("board:<x>")(lambda req, x: MapPublishResult())
        hooks.map_remove("board:<x>")(lambda req, x: MapRemoveResult())
        hooks.shared_poll_refresh("poll:<x>")(lambda req, x: SharedPollRefreshResult(items=[self.item(req)]))

    def item(self, req: Any) -> SharedPollRefreshResultItem:
        return SharedPollRefreshResultItem(key=req.items[0].key, data=1)

    def record(self) -> None:
        if request.method == "POST":
            body = re.sub(r'"client":"[0-9a-f-]{36}"', '"client":"ID"', request.get_data(as_text=True))
            headers = {name: value for name, value in request.headers if name not in LEFT_OUT}
            headers["Content-Length"] = str(len(body.encode()))
            self.sent.append((request.path.rpartition("/")[2], body, headers))

    def of(self, event: str) -> list[Sent]:
        return [sent for sent in self.sent if sent[0] == event]


@pytest.fixture(scope="module", params=["json", "binary"])
def recorder(request: pytest.FixtureRequest) -> Recorder:
    made = Recorder()
    made.app.config["BINARY"] = request.param == "binary"
    return made


@contextmanager
def centrifugo(recorder: Recorder, home: Path) -> Iterator[str]:
    """The address of a Centrifugo with the configuration that the package writes for the application."""
    with serving_in_thread(recorder.app) as backend_port:
        config = home / "config.json"
        config.write_text(json.dumps(configuration(recorder, backend_port)))
        with running_written_config(config, CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY=POLL_SECRET) as port:
            yield f"127.0.0.1:{port}"


def configuration(recorder: Recorder, backend_port: int) -> dict[str, Any]:
    options = ["--base-url", f"http://127.0.0.1:{backend_port}", "--allowed-origin", "https://page.example"]
    options += ["--with-secret", *(["--binary"] if recorder.app.config["BINARY"] else [])]
    made = recorder.app.test_cli_runner().invoke(commands, ["config", *options])
    assert made.exit_code == 0, made.output
    config: dict[str, Any] = json.loads(made.stdout)
    for namespace in config["channel"]["namespaces"]:
        if namespace["name"] in ("board", "poll"):
            namespace["allow_subscribe_for_client"] = True
        if namespace["name"] == "poll":
            namespace.setdefault("shared_poll", {})["refresh_interval"] = "300ms"
    config["client"] |= {"presence_update_interval": "1s", "expired_sub_close_delay": "1ms"}
    return config


class Browser(Client):
    """Writes JSON as browsers do."""

    def ask(self, command: str, **parameters: Any) -> Message:
        return self.ask_text(command, json.dumps(parameters, ensure_ascii=False, separators=(",", ":")))


def sent_by_centrifugo(address: str, recorder: Recorder) -> list[Sent]:
    client = Browser(address, {"Cookie": "session=abc; theme=dark"})
    entered = client.ask(
        "connect", name="js", version="1.0", data=DATA, subs={"chat:1": {}}, headers={"Authorization": "Bearer x"}
    )
    assert "connect" in entered
    client.ask("subscribe", channel="chat:1", data=DATA)
    client.ask("subscribe", channel="chat:a b/ä")
    client.ask("publish", channel="chat:1", data=DATA)
    client.ask("publish", channel="chat:2", data=None)
    client.ask("rpc", method="echo", data=DATA)
    client.ask("rpc", data=[])
    client.ask("rpc", method="nothing")
    client.ask("publish", channel="board:1", type=1, key="<k>", data=DATA)
    client.ask("publish", channel="board:1", type=1, key="<k>", removed=True)
    track(client, "42", "poll:1", "<k>")

    def is_asked(event: str, count: int) -> bool:
        client.ask("rpc", method="wait")  # reads what the client is sent meanwhile
        return len(recorder.of(event)) >= count

    for event, count in {"shared_poll_refresh": 2, "refresh": 1, "sub_refresh": 1}.items():
        wait_until(functools.partial(is_asked, event, count), f"{count} calls of {event}")
    client.close()
    return [sent for sent in recorder.sent if '"method":"wait"' not in sent[1]]


def sent_by_test_client(recorder: Recorder) -> list[Sent]:
    client = ProxyClient(
        recorder.app,
        name="js",
        version="1.0",
        cookies={"session": "abc", "theme": "dark"},
        emulated_headers={"Authorization": "Bearer x"},
        binary_encoding=recorder.app.config["BINARY"],
    )
    assert client.connect(DATA, channels=["chat:1"]).allowed
    client.subscribe("chat:1", DATA)
    client.subscribe("chat:a b/ä")
    client.publish("chat:1", DATA)
    client.publish("chat:2", None)
    client.rpc("echo", DATA)
    client.rpc("", [])
    client.rpc("nothing")
    client.map_publish("board:1", "<k>", DATA)
    client.map_remove("board:1", "<k>")
    client.shared_poll_refresh("poll:1", ["<k>"])
    client.advance(seconds=60)
    return list(recorder.sent)


def test_the_application_is_sent_the_same(recorder: Recorder, tmp_path: Path) -> None:
    with centrifugo(recorder, tmp_path) as address:
        real = sent_by_centrifugo(address, recorder)
    recorder.sent.clear()
    played = sent_by_test_client(recorder)
    events = {sent[0] for sent in real}
    assert len(events) == 9
    assert {sent[0] for sent in played} == events
    for event in events:
        # The real Centrifugo sends these again each second, and a poll then with a version.
        count = 1 if event in ("shared_poll_refresh", "refresh", "sub_refresh") else 100
        assert [sent for sent in played if sent[0] == event] == [sent for sent in real if sent[0] == event][:count]
