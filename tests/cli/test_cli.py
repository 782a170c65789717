"""``flask centrifugo ...``, as it is typed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import SECRET
from tests.support.servers import serving_in_thread

APP = """
import flask
from marshmallow import Schema, fields
from proxyhooks import *

class Text(Schema):
    text = fields.String(required=True)

class RoomIsFull(Error):
    code, message, temporary = 1001, "room is full", True

class Banned(Disconnect):
    code, reason = 4503, "banned"

app = flask.Flask(__name__)
app.config.from_prefixed_env()
hooks = ProxyHooks(app, http_headers=["Cookie"])

@hooks.before_hook
def load_user(req):
    if req.user == "mallory":
        raise Banned

@hooks.connect
def connect(req):
    return ConnectResult(user=flask.request.cookies.get("user", ""))

@hooks.publish("chat:<int:room_id>", data_schema=Text, result_schema=Text())
def speak(req, room_id):
    if room_id == 9:
        raise RoomIsFull
    return PublishResult(data=req.data)

@hooks.rpc
def rpc(req):
    return RPCResult(data=1 / 0 if req.method == "bug" else req.method)
"""
LOGIN = """
@app.before_request
def require_login():
    {}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps([SECRET]))
    monkeypatch.delenv("CENTRIFUGO_VAR_PROXYHOOKS_SECRET", raising=False)
    return tmp_path


def flask(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", "app", "centrifugo", *words]
    return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)


def test_hooks_are_listed(home: Path) -> None:
    said = flask(home, "hooks")
    assert said.stdout.splitlines() == [
        "EVENT    PATTERN             FUNCTION     PLACE      BEFORE         DATA  RESULT",
        "connect                      app.connect  app.py:24",
        "publish  chat:<int:room_id>  app.speak    app.py:28  app.load_user  Text  Text",
        "rpc      every method        app.rpc      app.py:34  app.load_user",
        "",
        "without a hook: refresh, subscribe, sub_refresh, map_publish, map_remove, shared_poll_refresh, cache_empty, "
        "state",
    ]
    listed = json.loads(flask(home, "hooks", "--format", "json").stdout)
    assert [row["pattern"] for row in listed["hooks"]] == [None, "chat:<int:room_id>", None]


def test_codes_are_listed(home: Path) -> None:
    said = flask(home, "codes")
    lines = [line.split(maxsplit=2) for line in said.stdout.splitlines()]
    assert ["1001", "app.RoomIsFull"] in [line[:2] for line in lines]
    assert ["4503", "app.Banned"] in [line[:2] for line in lines]
    assert len(lines) == 1 + 14 + 22 + 2
    assert said.stderr == ""
    row = next(row for row in json.loads(flask(home, "codes", "--format", "json").stdout) if row["code"] == 4503)
    assert row["client"] == "stays away"


def test_one_code_of_two_classes_is_pointed_out(home: Path) -> None:
    (home / "app.py").write_text(
        APP
        + "\nclass Other(Error):\n    code, message = 1001, 'other'\n"
        + "\nclass Fuller(RoomIsFull):\n    message = 'fuller'\n"
    )
    said = flask(home, "codes").stderr
    assert "app.Other and app.RoomIsFull both have the code 1001" in said
    assert "app.Fuller and app.RoomIsFull" not in said


def test_a_call_shows_request_reply_and_verdict(home: Path) -> None:
    said = flask(home, "call", "publish", "--user", "ada", "--channel", "chat:7", "--data", '{"text": "hi"}')
    assert said.returncode == 0
    assert '"user":"ada","channel":"chat:7","data":{"text":"hi"}}' in said.stdout
    assert 'reply:   200 {"result":{"data":{"text":"hi"}}}' in said.stdout
    refused = flask(home, "call", "publish", "--user", "ada", "--channel", "chat:9", "--data", '{"text": "hi"}')
    assert refused.returncode == 1
    assert "refused code=1001 message='room is full'" in refused.stdout
    banned = json.loads(flask(home, "call", "rpc", "--user", "mallory", "--format", "json").stdout)
    assert (banned["outcome"], banned["code"], banned["comes_back"]) == ("disconnected", 4503, False)


def test_a_call_forwards_headers(home: Path) -> None:
    said = flask(home, "call", "connect", "--header", "Cookie: user=ada")
    assert '{"result":{"user":"ada"}}' in said.stdout
    assert "anonymous-connect" in flask(home, "call", "connect").stdout


def test_a_call_shows_the_traceback_of_a_bug(home: Path) -> None:
    said = flask(home, "call", "rpc", "--method", "bug")
    assert "ZeroDivisionError" in said.stderr
    assert "internal_error" in said.stdout


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        ('return flask.redirect("/login")', ["answered 302 FOUND", "app.py:38", "Let it leave hooks alone"]),
        ('return "please log in", 403', ["the status is 403: only 200 counts"]),
        ("flask.abort(401)", ["refused code=101 message='unauthorized'"]),
    ],
)
def test_what_a_login_in_the_way_does_is_said(home: Path, body: str, sentences: list[str]) -> None:
    (home / "app.py").write_text(APP + LOGIN.format(body))
    said = flask(home, "call", "rpc", "--user", "ada")
    assert said.returncode == 1
    for sentence in sentences:
        assert sentence in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["call", "publsh"], "there is no event 'publsh': did you mean 'publish'?"),
        (["call", "rpc", "--data", "{bad"], "'{bad' is no JSON"),
        (["call", "rpc", "--data", "NaN"], "'NaN' is no JSON"),
        (["call", "rpc", "--channel", "x"], "a request of rpc has no channel"),
        (["call", "rpc", "--header", "x"], "'x' is no header"),
        (["call", "rpc", "--url", "localhost"], "--url must be the root of the application"),
        (["call", "rpc", "--url", "http://127.0.0.1:1"], "cannot be asked: [Errno 111] Connection refused"),
        (["hooks", "--hooks", "other"], "no ProxyHooks named 'other': there is 'proxyhooks'"),
        (["config", "--base-url", "x", "--allowed-origin", "*"], "the base URL must be the root of the application"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(home: Path, words: list[str], sentence: str) -> None:
    said = flask(home, *words)
    assert said.returncode != 0
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr


@pytest.fixture
def url(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(home))
    names: dict[str, Any] = {"__name__": "served"}
    exec(APP, names)
    with serving_in_thread(names["app"]) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_request_is_sent_as_it_is(home: Path) -> None:
    body = '{"client": "1", "user": "ada",  "method": "x", "protocol": "protobuf"}'
    (home / "request.json").write_text(body)
    said = flask(home, "call", "rpc", "--request", "request.json", "--format", "json")
    assert json.loads(said.stdout)["request"] == json.loads(body)
    (home / "request.json").write_text("{no json")
    said = flask(home, "call", "rpc", "--request", "request.json")
    assert said.returncode == 1
    assert "not a message" in said.stdout
    both = flask(home, "call", "rpc", "--request", "request.json", "--field", "a=1")
    assert both.returncode == 2
    assert "--request is the whole request: leave out --field" in both.stderr


def test_where_a_redirect_leads_is_said(home: Path) -> None:
    with (home / "app.py").open("a") as file:
        file.write("import flask\napp.post('/my/rpc', endpoint='mine')(lambda: flask.redirect('/login'))\n")
    said = flask(home, "call", "rpc", "--method", "x", "--path", "/my/rpc")
    assert said.returncode == 1
    assert "it leads to /login" in said.stdout


def test_a_running_server_can_be_called(home: Path, url: str) -> None:
    assert '{"result":{"data":"x"}}' in flask(home, "call", "rpc", "--method", "x", "--url", url).stdout
    wrong = flask(home, "call", "rpc", "--method", "x", "--url", url, "--secret", "wrong")
    assert (wrong.returncode, "the status is 403" in wrong.stdout) == (1, True)


def test_a_server_that_speaks_no_http_is_said_to(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            line.sendall(b"SSH-2.0-x\r\n")
            line.recv(1000)
            line.close()

        threading.Thread(target=answer, daemon=True).start()
        said = flask(home, "call", "rpc", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
    assert said.returncode == 1
    assert "cannot be asked: BadStatusLine" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_running_server_can_be_called_without_the_application(home: Path, url: str) -> None:
    (home / "app.py").unlink()
    command = [sys.executable, "-m", "flask", "centrifugo", "call", "rpc", "--url", url, "--secret", SECRET]
    said = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert "<rpc: allowed>" in said.stdout, said.stderr


def test_a_view_of_ones_own_can_be_called(home: Path) -> None:
    (home / "app.py").write_text(
        "from flask import Flask\nfrom proxyhooks import *\napp = Flask(__name__)\napp.config.from_prefixed_env()\n"
        "@app.post('/my/rpc')\ndef rpc():\n"
        "    return result_response(RPCResult(data=read_request(RPCRequest).method))\n"
    )
    said = flask(home, "call", "rpc", "--method", "x", "--path", "/my/rpc")
    assert '{"result":{"data":"x"}}' in said.stdout


def test_a_payload_may_be_bytes(home: Path) -> None:
    said = flask(home, "call", "publish", "--channel", "chat:7", "--data", '{"text": "hi"}', "--binary").stdout
    assert '"encoding":"binary"' in said
    assert '"b64data":"eyJ0ZXh0IjoiaGkifQ=="' in said
    assert "allowed" in said


def test_config_is_written_and_merged(home: Path) -> None:
    words = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example"]
    said = flask(home, *words)
    config = json.loads(said.stdout)
    assert config["client"]["allowed_origins"] == ["https://a.example"]
    assert "export CENTRIFUGO_VAR_PROXYHOOKS_SECRET=" in said.stderr
    assert SECRET not in said.stdout + said.stderr
    assert flask(home, *words).stdout == said.stdout
    (home / "old.json").write_text('{"admin": {"enabled": true}}')
    merged = json.loads(flask(home, *words, "--merge", "old.json", "--with-secret").stdout)
    assert merged["admin"] == {"enabled": True}
    assert SECRET in json.dumps(merged)
    (home / "old.json").write_text("{")
    assert "old.json is no JSON" in flask(home, *words, "--merge", "old.json").stderr


def test_check_ends_with_what_it_found(home: Path) -> None:
    words = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example", "--with-secret"]
    (home / "good.json").write_text(flask(home, *words).stdout)
    good = flask(home, "check", "good.json", "--base-url", "http://127.0.0.1:8070")
    assert (good.returncode, good.stdout) == (0, "good.json: nothing to say\n")
    bad = (home / "good.json").read_text().replace('"3s"', "3").replace("publish_proxy_enabled", "proxy_publish")
    (home / "bad.json").write_text(bad)
    said = flask(home, "check", "bad.json")
    assert said.returncode == 1
    assert "PH010 error rpc.proxy.timeout\n    3 has no unit" in said.stdout
    assert "PH012 error channel.namespaces[0].proxy_publish" in said.stdout
    assert "fix: write publish_proxy_enabled" in said.stdout
    assert SECRET not in said.stdout
    listed = json.loads(flask(home, "check", "bad.json", "--format", "json", "--ignore", "PH010,PH004").stdout)
    assert [(one["id"], one["level"]) for one in listed] == [("PH012", "error")]
    running = flask(home, "check", "bad.json", "--running", "good.json", "--ignore", "PH010,PH012,PH004")
    assert running.returncode == 0
    assert "PH027 info rpc.proxy" in running.stdout
    assert "there is no finding 'PH01': did you mean PH" in flask(home, "check", "bad.json", "--ignore", "PH01").stderr


def test_an_application_without_hooks_is_told_so(home: Path) -> None:
    (home / "app.py").write_text("import flask\napp = flask.Flask(__name__)\n")
    said = flask(home, "hooks")
    assert "it needs ProxyHooks(app)" in said.stderr
    assert said.returncode == 2


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("app.config.from_prefixed_env()", "", "app.config.from_prefixed_env() has not read it"),
        ("@hooks.rpc\n", "@hooks.rpc\n@hooks.rpc\n", "two hooks"),
        ("chat:<int:room_id>", "chat:<integer:room_id>", "there is no <integer:...>"),
        ("def speak(req, room_id)", "def speak(req, room)", "room_id"),
    ],
)
def test_an_application_that_cannot_start_says_why_in_a_sentence(home: Path, old: str, new: str, sentence: str) -> None:
    (home / "app.py").write_text(APP.replace(old, new))
    said = flask(home, "hooks")
    assert said.returncode == 1
    (line,) = said.stderr.splitlines()
    assert line.startswith("Error: the application does not start: ")
    assert sentence in line
