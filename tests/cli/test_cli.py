"""``flask centrifugo ...`` as a command line in a process of its own."""

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
from flask import Flask

from proxyhooks import ProxyHooks, RefreshRequest, RefreshResult, RPCResult, SubRefreshResult, errors
from proxyhooks._wire.log import logger
from proxyhooks.cli import centrifugo as commands
from tests.support.paths import SECRET
from tests.support.servers import serving_in_thread

TIMEOUT = 300
"""Seconds for one command line."""
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


def flask(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", "app", "centrifugo", *arguments]
    return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=TIMEOUT)


def test_hooks_are_listed(home: Path) -> None:
    result = flask(home, "hooks")
    assert result.stdout.splitlines() == [
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


def test_declared_publications_are_listed(home: Path) -> None:
    (home / "app.py").write_text(APP + "\nhooks.publication('news', Text)\nhooks.publication('a', Text, Text())\n")
    assert flask(home, "hooks").stdout.splitlines()[-4:] == [
        "",
        "PUBLICATIONS TO  SCHEMAS     PLACE",
        "a                Text, Text  app.py:39",
        "news             Text        app.py:38",
    ]
    listed = json.loads(flask(home, "hooks", "--format", "json").stdout)
    assert listed["publications"] == [
        {"pattern": "a", "schemas": ["Text", "Text"], "place": "app.py:39"},
        {"pattern": "news", "schemas": ["Text"], "place": "app.py:38"},
    ]


def test_codes_are_listed(home: Path) -> None:
    result = flask(home, "codes")
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert ["1001", "app.RoomIsFull"] in [line[:2] for line in lines]
    assert ["4503", "app.Banned"] in [line[:2] for line in lines]
    assert len(lines) == 1 + 14 + 22 + 2
    assert result.stderr == ""
    row = next(row for row in json.loads(flask(home, "codes", "--format", "json").stdout) if row["code"] == 4503)
    assert row["client"] == "stays away"


def test_two_classes_with_one_code_are_reported(home: Path) -> None:
    (home / "app.py").write_text(
        APP
        + "\nclass Other(Error):\n    code, message = 1001, 'other'\n"
        + "\nclass Fuller(RoomIsFull):\n    message = 'fuller'\n"
    )
    messages = flask(home, "codes").stderr
    assert "app.Other and app.RoomIsFull both have the code 1001" in messages
    assert "app.Fuller and app.RoomIsFull" not in messages


def test_a_call_shows_request_reply_and_verdict(home: Path) -> None:
    result = flask(home, "call", "publish", "--user", "ada", "--channel", "chat:7", "--data", '{"text": "hi"}')
    assert result.returncode == 0
    assert '"user":"ada","channel":"chat:7","data":{"text":"hi"}}' in result.stdout
    assert 'reply:   200 {"result":{"data":{"text":"hi"}}}' in result.stdout
    refused = flask(home, "call", "publish", "--user", "ada", "--channel", "chat:9", "--data", '{"text": "hi"}')
    assert refused.returncode == 1
    assert "refused code=1001 message='room is full'" in refused.stdout
    banned = json.loads(flask(home, "call", "rpc", "--user", "mallory", "--format", "json").stdout)
    assert (banned["outcome"], banned["code"], banned["comes_back"]) == ("disconnected", 4503, False)


def test_a_call_says_that_centrifugo_would_not_ask(home: Path) -> None:
    arguments = ["call", "publish", "--user", "ada", "--channel", "chat:7"]
    assert "does not ask the application about this: a publication needs data" in flask(home, *arguments).stdout
    arguments += ["--data", '{"text": "hi"}']
    assert "does not ask" not in flask(home, *arguments).stdout
    (home / "off.json").write_text('{"channel": {"namespaces": [{"name": "chat"}]}}')
    asked = json.loads(flask(home, *arguments, "--config", "off.json", "--format", "json").stdout)
    assert asked["why_not_asked"] == (
        "publish_proxy_enabled is off for the namespace 'chat' in off.json, and no allow_publish_... option allows it"
    )
    (home / "bad.json").write_text('{"channel": []}')
    assert "bad.json: channel is a list" in flask(home, *arguments, "--config", "bad.json").stderr


@pytest.mark.parametrize(("event", "hook"), [("refresh", "connect"), ("sub_refresh", "subscribe")])
def test_a_call_says_which_hook_an_expired_client_comes_back_to(event: str, hook: str) -> None:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s"])
    hooks.refresh(lambda req: RefreshResult(expired=True))
    hooks.sub_refresh("chat:<name>")(lambda req, name: SubRefreshResult(expired=True))
    channel = ["--channel", "chat:x"] if event == "sub_refresh" else []
    called = app.test_cli_runner().invoke(commands, ["call", event, "--user", "42", *channel])
    assert f"client:  comes back by itself, so {hook} has to refuse it, too" in called.stdout


def test_a_call_forwards_headers(home: Path) -> None:
    result = flask(home, "call", "connect", "--header", "Cookie: user=ada")
    assert '{"result":{"user":"ada"}}' in result.stdout
    assert "anonymous-connect" in flask(home, "call", "connect").stdout


@pytest.mark.parametrize("debug", ["0", "1"])  # in debug mode, Flask raises the exception
def test_a_call_says_that_the_hook_failed_and_where_the_traceback_is(
    debug: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", debug)
    result = flask(home, "call", "rpc", "--method", "bug")
    assert result.stderr.count("ZeroDivisionError: division by zero\n") == 1
    assert "internal_error" in result.stdout
    assert "; the application raised ZeroDivisionError: division by zero\n" in result.stdout
    assert "  note:    the traceback is above, unless the application logs elsewhere\n" in result.stdout
    assert ("  reply:   500 (an HTML page)\n" in result.stdout) is (debug == "0")
    assert "<" not in result.stdout.replace("<rpc: internal_error", "")


def test_a_call_of_a_server_says_where_the_traceback_is(home: Path, url: str) -> None:
    result = flask(home, "call", "rpc", "--method", "bug", "--url", url)
    assert "  reply:   500 (an HTML page)\n" in result.stdout
    assert "note:    if the application failed, the log of the server has the traceback\n" in result.stdout


def test_a_line_is_shown_once_if_the_application_logs_it_itself(
    app: Flask, hooks: ProxyHooks, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.rpc("known")(lambda req: RPCResult())
    handlers = list(logger.handlers)
    app.test_cli_runner().invoke(commands, ["call", "rpc", "--method", "other"])
    assert [record.name for record in caplog.records] == ["proxyhooks"]  # by a handler of the root logger
    assert logger.handlers == handlers


def test_a_refusal_that_is_a_500_has_no_traceback(app: Flask, hooks: ProxyHooks) -> None:
    @hooks.refresh
    def refresh(req: RefreshRequest) -> RefreshResult:
        raise errors.Internal

    result = app.test_cli_runner().invoke(commands, ["call", "refresh"])
    assert "<refresh: grace" in result.stdout
    assert "traceback" not in result.stdout


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        ('return flask.redirect("/login")', ["answered 302 FOUND", "app.py:38", "Let it leave hooks alone"]),
        ('return "please log in", 403', ["the status is 403: Centrifugo reads replies of status 200 only"]),
        ("flask.abort(401)", ["refused code=101 message='unauthorized'"]),
    ],
)
def test_a_login_in_before_request_is_reported(home: Path, body: str, sentences: list[str]) -> None:
    (home / "app.py").write_text(APP + LOGIN.format(body))
    result = flask(home, "call", "rpc", "--user", "ada")
    assert result.returncode == 1
    for sentence in sentences:
        assert sentence in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["call", "publsh"], "there is no event 'publsh': did you mean 'publish'?"),
        (["call", "rpc", "--data", "{bad"], "the value is not JSON: Expecting property name"),
        (["call", "rpc", "--data", "NaN"], "the value is not JSON: NaN is not JSON"),
        (["call", "rpc", "--channel", "x"], "a request of rpc has no field 'channel'"),
        (["call", "rpc", "--header", "x"], "this one has no colon"),
        (
            ["call", "rpc", "--url", "localhost"],
            "--url must be the root URL of the application, such as http://127.0.0.1:8070, not a text of length 9",
        ),
        (["call", "rpc", "--field", "labels"], "--field must be NAME=JSON; this one has no ="),
        (["call", "rpc", "--url", "http://127.0.0.1:1"], "does not reply: [Errno 111] Connection refused"),
        (["hooks", "--hooks", "other"], "no ProxyHooks named 'other': it has 'proxyhooks'"),
        (["config", "--base-url", "x", "--allowed-origin", "*"], "the base URL must be the root of the application"),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(home: Path, arguments: list[str], sentence: str) -> None:
    result = flask(home, *arguments)
    assert result.returncode != 0
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def url(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(home))
    names: dict[str, Any] = {"__name__": "served"}
    exec(APP, names)
    with serving_in_thread(names["app"]) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_whole_request_is_sent_unchanged(home: Path) -> None:
    body = '{"client": "1", "user": "ada",  "method": "x", "protocol": "protobuf"}'
    (home / "request.json").write_text(body)
    result = flask(home, "call", "rpc", "--request", "request.json", "--format", "json")
    assert json.loads(result.stdout)["request"] == json.loads(body)
    (home / "request.json").write_text("{no json")
    result = flask(home, "call", "rpc", "--request", "request.json")
    assert result.returncode == 1
    assert "not a message" in result.stdout
    both = flask(home, "call", "rpc", "--request", "request.json", "--field", "a=1")
    assert both.returncode == 2
    assert "--request is the whole request: leave out --field" in both.stderr


def test_the_target_of_a_redirect_is_shown(home: Path) -> None:
    with (home / "app.py").open("a") as file:
        file.write("import flask\napp.post('/my/rpc', endpoint='mine')(lambda: flask.redirect('/login'))\n")
    result = flask(home, "call", "rpc", "--method", "x", "--path", "/my/rpc")
    assert result.returncode == 1
    assert "it leads to /login" in result.stdout


def test_a_running_server_can_be_called(home: Path, url: str) -> None:
    assert '{"result":{"data":"x"}}' in flask(home, "call", "rpc", "--method", "x", "--url", url).stdout
    wrong = flask(home, "call", "rpc", "--method", "x", "--url", url, "--secret", "wrong")
    assert (wrong.returncode, "the status is 403" in wrong.stdout) == (1, True)


def test_a_server_that_does_not_speak_http_is_reported(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.recv(1000)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        result = flask(home, "call", "rpc", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
    assert result.returncode == 1
    assert "cannot be called: BadStatusLine" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_running_server_can_be_called_without_the_application(home: Path, url: str) -> None:
    (home / "app.py").unlink()
    command = [sys.executable, "-m", "flask", "centrifugo", "call", "rpc", "--url", url, "--secret", SECRET]
    result = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert "<rpc: allowed>" in result.stdout, result.stderr


def test_a_plain_view_can_be_called(home: Path) -> None:
    (home / "app.py").write_text(
        "from flask import Flask\nfrom proxyhooks import *\napp = Flask(__name__)\napp.config.from_prefixed_env()\n"
        "@app.post('/my/rpc')\ndef rpc():\n"
        "    return result_response(RPCResult(data=read_request(RPCRequest).method))\n"
    )
    result = flask(home, "call", "rpc", "--method", "x", "--path", "/my/rpc")
    assert '{"result":{"data":"x"}}' in result.stdout


def test_a_payload_may_be_bytes(home: Path) -> None:
    result = flask(home, "call", "publish", "--channel", "chat:7", "--data", '{"text": "hi"}', "--binary")
    assert '"encoding":"binary"' in result.stdout
    assert '"b64data":"eyJ0ZXh0IjoiaGkifQ=="' in result.stdout
    assert "allowed" in result.stdout


def test_config_is_written_and_merged(home: Path) -> None:
    arguments = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example"]
    result = flask(home, *arguments)
    config = json.loads(result.stdout)
    assert config["client"]["allowed_origins"] == ["https://a.example"]
    assert "export CENTRIFUGO_VAR_PROXYHOOKS_SECRET=" in result.stderr
    assert SECRET not in result.stdout + result.stderr
    assert flask(home, *arguments).stdout == result.stdout
    (home / "old.json").write_text('{"admin": {"enabled": true}}')
    merged = json.loads(flask(home, *arguments, "--merge", "old.json", "--with-secret").stdout)
    assert merged["admin"] == {"enabled": True}
    assert SECRET in json.dumps(merged)
    (home / "old.json").write_text("{")
    assert "old.json cannot be read" in flask(home, *arguments, "--merge", "old.json").stderr
    (home / "old.json").write_text("")
    assert "use --output" in flask(home, *arguments, "--merge", "old.json").stderr


def test_merging_needs_an_origin_only_if_the_file_has_none(home: Path) -> None:
    arguments = ["config", "--base-url", "http://127.0.0.1:8070"]
    (home / "old.json").write_text('{"Client": {"allowed_origins": "https://a.example"}}')
    merged = json.loads(flask(home, *arguments, "--merge", "old.json").stdout)
    assert merged["Client"]["allowed_origins"] == "https://a.example"
    (home / "old.json").write_text("{}")
    for without_origin in (["--merge", "old.json"], []):
        refused = flask(home, *arguments, *without_origin)
        assert refused.returncode == 2
        assert "--allowed-origin https://your.site" in refused.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("old.yaml", "client:\n  proxy:\n    connect: {timeout: 1s}\nadmin: {enabled: true}\n"),
        ("old.toml", "[client.proxy.connect]\ntimeout = '1s'\n[admin]\nenabled = true\n"),
    ],
)
def test_config_is_merged_with_yaml_and_toml(home: Path, name: str, text: str) -> None:
    (home / name).write_text(text)
    arguments = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example"]
    result = flask(home, *arguments, "--merge", name)
    merged = json.loads(result.stdout)
    assert merged["client"]["proxy"]["connect"]["timeout"] == "1s"
    assert merged["client"]["proxy"]["connect"]["endpoint"] == "http://127.0.0.1:8070/centrifugo/connect"
    assert merged["admin"] == {"enabled": True}
    assert 'note: client.proxy.connect.timeout stays "1s"' in result.stderr


def test_config_tells_that_metrics_and_health_are_on_the_port_of_the_clients(home: Path) -> None:
    arguments = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "https://a.example"]
    words = "note: /metrics and /health are on the port of the clients"
    assert words in flask(home, *arguments).stderr
    moved = flask(home, *arguments, "--internal-port", "9000")
    assert json.loads(moved.stdout)["http_server"] == {"internal_port": "9000"}
    assert "port of the clients" not in moved.stderr
    (home / "old.json").write_text('{"http_server": {"internal_port": 9000}, "HTTP_Server.Port": "9000"}')
    assert words in flask(home, *arguments, "--merge", "old.json").stderr


def test_the_findings_decide_the_status_of_check(home: Path) -> None:
    arguments = [
        "config",
        "--base-url",
        "http://127.0.0.1:8070",
        "--allowed-origin",
        "https://a.example",
        "--with-secret",
    ]
    (home / "good.json").write_text(flask(home, *arguments).stdout)
    good = flask(home, "check", "good.json", "--base-url", "http://127.0.0.1:8070")
    assert (good.returncode, good.stdout) == (0, "good.json: no findings\n")
    bad = (home / "good.json").read_text().replace('"3s"', "3").replace("publish_proxy_enabled", "proxy_publish")
    (home / "bad.json").write_text(bad)
    result = flask(home, "check", "bad.json")
    assert result.returncode == 1
    assert "PH010 error rpc.proxy.timeout\n    Centrifugo waits 3ns for a reply" in result.stdout
    assert "PH012 error channel.namespaces[0].proxy_publish" in result.stdout
    assert "fix: write publish_proxy_enabled" in result.stdout
    assert SECRET not in result.stdout
    listed = json.loads(flask(home, "check", "bad.json", "--format", "json", "--ignore", "PH010,PH004").stdout)
    assert [(finding["id"], finding["level"]) for finding in listed] == [("PH012", "error")]
    running = flask(home, "check", "bad.json", "--running", "good.json", "--ignore", "PH010,PH012,PH004")
    assert running.returncode == 0
    assert "PH027 info rpc.proxy" in running.stdout
    assert "there is no finding 'PH01': did you mean PH" in flask(home, "check", "bad.json", "--ignore", "PH01").stderr
    assert "there is no finding 'x': the ids are PH001 to" in flask(home, "check", "bad.json", "--ignore", "x").stderr


def test_an_application_without_hooks_is_reported(home: Path) -> None:
    (home / "app.py").write_text("import flask\napp = flask.Flask(__name__)\n")
    result = flask(home, "hooks")
    assert "it needs ProxyHooks(app)" in result.stderr
    assert result.returncode == 2


def test_an_application_with_several_hooks_needs_the_name_of_one(home: Path) -> None:
    (home / "app.py").write_text(APP + "\nProxyHooks(app, name='other', url_prefix='/other')\n")
    result = flask(home, "hooks")
    assert result.returncode == 2
    assert "'proxyhooks', 'other' (--hooks NAME)" in result.stderr
    assert flask(home, "hooks", "--hooks", "other").returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("app.config.from_prefixed_env()", "", "app.config.from_prefixed_env() has not read it"),
        (
            "ProxyHooks(app, ",
            'ProxyHooks(app, name="a b", ',
            "name must be an identifier, not a text of length 3 (PLACE:17)",
        ),
        ("@hooks.rpc\n", "@hooks.rpc\n@hooks.rpc\n", "two hooks"),
        ("chat:<int:room_id>", "chat:<integer:room_id>", "the kinds are int, uuid, string, path (PLACE:28)"),
        ("def speak(req, room_id)", "def speak(req, room)", "room_id"),
    ],
)
def test_an_application_that_cannot_start_is_reported_in_one_line(
    home: Path, old: str, new: str, sentence: str
) -> None:
    (home / "app.py").write_text(APP.replace(old, new))
    result = flask(home, "hooks")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: the application does not start: ")
    assert sentence.replace("PLACE", str(home / "app.py")) in line
    assert line.count(f"{home / 'app.py'}:") == (2 if sentence == "two hooks" else 1)
