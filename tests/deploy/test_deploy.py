"""The files of deploy/ and the settings of proxyhooks.gunicorn, with real servers."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rooms import create_app

from proxyhooks import gunicorn as settings
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._settings.secrets import SECRET_HEADER
from proxyhooks.cli import centrifugo as centrifugo_commands
from proxyhooks.gunicorn.cpus import usable_cpus
from tests.support import http_client
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import ROOT
from tests.support.servers import STOP_TIMEOUT, accepts_connections, free_port, kill_process, start_process
from tests.support.waiting import wait_until

# by name: mypy knows the files as those of scripts
conversation = importlib.import_module("deploy.conversation")
get_centrifugo = importlib.import_module("deploy.get_centrifugo")

DEPLOY = ROOT / "deploy"
ROOMS = ROOT / "examples" / "rooms"
REQUESTS = ROOT / "tests" / "data" / "requests"

PAGE = re.compile(
    r"^ok    page\n +GET +/ 200 text/html, .*\n +GET +/static/page.js 200 text/javascript, ", re.MULTILINE
)
EVERYDAY = ["connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc"]


# the conversation


@pytest.mark.parametrize("event", EVERYDAY)
def test_requests_are_written_as_centrifugo_writes_them(event: str) -> None:
    captured = [path for path in REQUESTS.glob(f"{event}.*.json") if ".binary" not in path.name]
    assert captured
    for path in captured:
        assert conversation.encode(event, json.loads(path.read_bytes())) == path.read_bytes(), path


def test_headers_are_sent_as_centrifugo_sends_them() -> None:
    assert conversation.headers(b"x" * 227, "s3cret", "session=abc") == [
        ("User-Agent", "Go-http-client/1.1"),
        ("Content-Length", "227"),
        ("Content-Type", "application/json"),
        ("Cookie", "session=abc"),
        ("X-Proxyhooks-Secret", "s3cret"),
        ("Accept-Encoding", "gzip"),
    ]


@pytest.mark.parametrize(
    ("expected", "value", "fine"),
    [
        ({"a": [1, "x"]}, {"a": [1, "x"]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, None, False),
        ([1], [1, 2], False),
        ({"id": conversation.Anything(int)}, {"id": 7}, True),
        ({"id": conversation.Anything(int)}, {"id": "7"}, False),
        ({"expire_at": conversation.Soon(600)}, {"expire_at": 0}, False),
        ({"expire_at": conversation.Soon(600)}, {"expire_at": "soon"}, False),
    ],
)
def test_replies_are_compared_strictly(expected: Any, value: Any, fine: bool) -> None:
    assert conversation.matches(expected, value) is fine


def test_report_counts_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    report = conversation.Report()
    report.step("rpc", [("reply", "{}")])
    report.step("publish", [("reply", "{}")], "expected was something else")
    assert (report.steps, report.wrong) == (2, 1)
    assert "WRONG publish" in capsys.readouterr().out


# quickstart


def command(port: int, *more: str) -> list[str]:
    return [sys.executable, str(DEPLOY / "quickstart"), "--port", str(port), *more]


def without_centrifugo(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}


def assert_steps(output: str) -> None:
    for event in EVERYDAY:
        assert re.search(rf"^ok    {event} +\S", output, re.MULTILINE), event
    assert "WRONG" not in output
    assert '{"error":{"code":1001,"message":"room is full","temporary":true}}' in output
    assert '{"disconnect":{"code":4501,"reason":"unauthorized"}}' in output
    assert re.search(r"^\d+ steps, none wrong$", output, re.MULTILINE)
    assert PAGE.search(output) or "npm" in output.partition("Over HTTP")[0], "no page, and no reason"


def assert_is_free(port: int) -> None:
    assert not accepts_connections(port), "something still listens"


def test_quickstart_holds_a_conversation_from_anywhere(tmp_path: Path) -> None:
    port = free_port()
    once = subprocess.run(
        command(port, "--once"),
        cwd=tmp_path,
        env=without_centrifugo(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert once.returncode == 0, once.stdout + once.stderr
    assert_steps(once.stdout)
    assert "no go to build it" in once.stdout
    assert f"no client came through it. Where to get one:\n{get_centrifugo.WHERE_TO_GET_ONE}\n" in once.stdout
    assert_is_free(port)


@pytest.mark.centrifugo
def test_quickstart_holds_the_conversation_through_centrifugo(tmp_path: Path) -> None:
    (tmp_path / "centrifugo").symlink_to(centrifugo_binary())
    port, centrifugo_port = free_port(), free_port()
    once = subprocess.run(
        command(port, "--once", "--centrifugo-port", str(centrifugo_port)),
        cwd=tmp_path,
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert once.returncode == 0, once.stdout + once.stderr
    _, _, through = once.stdout.partition("Through Centrifugo")
    for event in EVERYDAY:
        assert re.search(rf"^ok    {event} +\S", through, re.MULTILINE), event
    assert_steps(once.stdout)
    assert_is_free(port)
    assert_is_free(centrifugo_port)


FAKE_DOCKER = """#!/bin/sh
echo "$*" >> {log}
[ "$1" = run ] || exit 1
while [ $# -gt 0 ]; do
    [ "$1" = -v ] && config="${{2%%:*}}"
    shift
done
exec {centrifugo} -c "$config"
"""


@pytest.mark.centrifugo
def test_quickstart_starts_dockers_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker, log, port = tmp_path / "docker", tmp_path / "log", free_port()
    docker.write_text(FAKE_DOCKER.format(log=log, centrifugo=centrifugo_binary()))
    docker.chmod(0o755)
    image = get_centrifugo.Centrifugo(str(docker), "a-name")
    quickstart = quickstart_module(monkeypatch)
    run = quickstart.Run(tmp_path, free_port(), port, "s3cret", "the-key", image, has_page=False)
    with quickstart.centrifugo(run, image):
        body = {"channel": "rooms:1", "data": {}}
        answer = http_client.request(port, "POST", "/api/publish", json.dumps(body).encode(), {"X-API-Key": "the-key"})
        assert answer.status == 200
    image.remove()
    assert_is_free(port)
    started, removed = log.read_text().splitlines()
    assert get_centrifugo.IMAGE in started
    assert "s3cret" not in started
    assert removed == "rm --force a-name"


def quickstart_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(DEPLOY)
    loader = SourceFileLoader("quickstart", str(DEPLOY / "quickstart"))
    module = ModuleType("quickstart")
    monkeypatch.setitem(sys.modules, "quickstart", module)  # where dataclasses look for the types of their fields
    module.__file__ = loader.path
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("has_page", [True, False])
def test_quickstart_ends_with_the_address_of_the_chat_if_it_has_a_page(
    has_page: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = get_centrifugo.Centrifugo("centrifugo")
    run = quickstart_module(monkeypatch).Run(tmp_path, 8071, 8001, "s3cret", "the-key", program, has_page)
    printed = quickstart_module(monkeypatch).how_to_try(run)
    assert printed.endswith("\n  http://localhost:8071/") is has_page
    assert ("as ada with the password ada" in printed) is has_page


def test_quickstart_lets_a_browser_on_one_host_log_in_and_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickstart = quickstart_module(monkeypatch)
    program = get_centrifugo.Centrifugo("centrifugo")
    environment = quickstart.backend_environment(quickstart.Run(tmp_path, 8071, 8001, "s3cret", "k", program, True))
    assert environment["FLASK_SESSION_COOKIE_SECURE"] == "false"
    assert environment["FLASK_CENTRIFUGO_WEBSOCKET_URL"] == '"ws://localhost:8001/connection/websocket"'


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_quickstart_serves_until_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    port = free_port()
    output = tmp_path / "output"
    # Neither of them can give it a Centrifugo.
    for name in ("docker", "go"):
        (tmp_path / name).symlink_to("/bin/false")
    more = ("--centrifugo-port", str(free_port()))
    process = start_process(command(port, *more), output, env=without_centrifugo(tmp_path))
    try:
        wait_until(lambda: "Logs are in" in output.read_text(), "the end of the conversation", timeout=300)
        process.send_signal(stop)
        assert process.wait(STOP_TIMEOUT) == 0
    finally:
        kill_process(process)
    printed = output.read_text()
    assert printed.startswith("docker cannot be used: `docker info` fails\nbuilding Centrifugo ")
    assert "\nCentrifugo could not be built: " in printed
    assert_steps(printed)
    assert printed.endswith(" until then.\n\nstopped\n")
    assert_is_free(port)


def test_quickstart_says_that_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        once = subprocess.run(
            command(port, "--once"),
            env=without_centrifugo(tmp_path),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert once.returncode == 1
    assert once.stdout == ""
    assert f"port {port}" in once.stderr
    assert "--port N" in once.stderr
    assert "Traceback" not in once.stderr


@pytest.mark.centrifugo
def test_quickstart_says_that_centrifugos_port_is_taken(tmp_path: Path) -> None:
    (tmp_path / "centrifugo").symlink_to(centrifugo_binary())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        once = subprocess.run(
            command(free_port(), "--once", "--centrifugo-port", str(port)),
            env=os.environ | {"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert once.returncode == 1
    assert f"port {port}" in once.stderr
    assert "--centrifugo-port N" in once.stderr


@pytest.mark.parametrize("name", ["centrifugo", "docker", "go"])
def test_quickstart_wants_two_ports(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/bin/false")
    port = free_port()
    once = subprocess.run(
        command(port, "--once", "--centrifugo-port", str(port)),
        env=without_centrifugo(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert once.returncode == 1
    assert once.stdout == ""
    assert "choose two" in once.stderr


def test_quickstart_is_executable_and_its_files_are_short() -> None:
    assert os.access(DEPLOY / "quickstart", os.X_OK)
    for path in (DEPLOY / "quickstart", *DEPLOY.glob("*.py")):
        assert len(path.read_text().splitlines()) <= 300, path


# gunicorn


def effective(*options: str, **environment: str) -> dict[str, str]:
    """The settings that gunicorn would run with."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GUNICORN_", "FLASK_")) and name != "WEB_CONCURRENCY"
    }
    secrets = {"FLASK_SECRET_KEY": "for sessions", "FLASK_PROXYHOOKS_SECRETS": '["s3cret"]'}
    printed = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--print-config", *options, "rooms:create_app()"],
        cwd=ROOMS,
        env=inherited | secrets | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    return {
        name.strip(): value.strip()
        for name, equals, value in (line.partition("=") for line in printed.stdout.splitlines())
        if equals
    }


PYTHON = ("-c", "python:proxyhooks.gunicorn")


def test_gunicorn_takes_all_settings() -> None:
    config = effective(*PYTHON)
    for name in set(settings.__all__) - {"workers", "forwarder_headers"}:
        setting = getattr(settings, name)
        # gunicorn prints a hook by its qualified name, and its own are those of classes.
        assert config[name] == (f"<{name}()>" if callable(setting) else str(setting))
    assert config["forwarder_headers"] == "[]"
    # Not settings.workers: the tests themselves may run with WEB_CONCURRENCY.
    assert config["workers"] == str(max(2, usable_cpus()))


def test_gunicorn_settings_are_overridden_by_gunicorns_own_environment() -> None:
    config = effective(*PYTHON, GUNICORN_CMD_ARGS="--threads 5 --keep-alive 7")
    assert (config["threads"], config["keepalive"]) == ("5", "7")
    assert config["worker_class"] == "proxyhooks.gunicorn.worker.Worker"


def test_gunicorn_settings_are_overridden_by_flags() -> None:
    assert effective(*PYTHON, "--threads", "6", "--workers", "3").items() >= {"threads": "6", "workers": "3"}.items()


def test_gunicorn_workers_are_overridden_by_web_concurrency() -> None:
    assert effective(*PYTHON, WEB_CONCURRENCY="7")["workers"] == "7"


def test_gunicorn_settings_are_overridden_by_a_file_that_imports_them(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text("from proxyhooks.gunicorn import *\nthreads = 9\n")
    config = effective("-c", str(file))
    assert config["threads"] == "9"
    assert config["keepalive"] == str(settings.keepalive)


def test_gunicorn_template_changes_the_address_only() -> None:
    template = effective("-c", str(DEPLOY / "gunicorn.conf.py"))
    plain = effective(*PYTHON)
    assert {name for name in plain if plain[name] != template[name]} == {"bind", "config"}
    assert template["bind"] == "['127.0.0.1:8070']"


def test_gunicorn_settings_load_no_flask() -> None:
    code = "import proxyhooks.gunicorn, sys; print({'flask', 'werkzeug', 'marshmallow'} & sys.modules.keys() or 'none')"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert printed.stdout == "none\n"


# Centrifugo's configuration


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOMS / "centrifugo.json").read_text())
    return loaded


def proxy_of(config: dict[str, Any], event: str) -> dict[str, Any]:
    found: Any = config
    for key in EVENTS[event].proxy.split("."):
        found = found[key]
    assert isinstance(found, dict)
    return found


@pytest.mark.centrifugo
def test_centrifugo_accepts_the_configuration() -> None:
    checked = subprocess.run(
        [centrifugo_binary(), "checkconfig", "-s", "-c", str(ROOMS / "centrifugo.json")],
        env=os.environ | {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("event", EVERYDAY)
def test_centrifugo_asks_the_right_url_with_the_secret(config: dict[str, Any], event: str) -> None:
    proxy = proxy_of(config, event)
    assert proxy["endpoint"] == f"http://127.0.0.1:8070/centrifugo/{event}"
    assert proxy["http"]["static_headers"][SECRET_HEADER] == "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}"
    assert proxy.get("include_connection_meta", False) is (event != "connect")
    assert proxy["http_headers"] == ["Cookie"]


def test_the_configuration_is_the_one_that_is_written() -> None:
    words = ["config", "--base-url", "http://127.0.0.1:8070", "--merge", str(ROOMS / "centrifugo.json")]
    app = create_app({"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": ["s3cret"]})
    written = app.test_cli_runner().invoke(centrifugo_commands, words)
    assert written.stdout == (ROOMS / "centrifugo.json").read_text()


def test_the_configuration_fits_the_hooks() -> None:
    app = create_app({"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": ["s3cret"]})
    words = ["check", str(ROOMS / "centrifugo.json"), "--base-url", "http://127.0.0.1:8070"]
    checked = app.test_cli_runner(env={"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"}).invoke(centrifugo_commands, words)
    assert (checked.exit_code, checked.stdout.splitlines()[-1].partition(": ")[2]) == (0, "no findings")


def test_centrifugo_is_told_to_ask(config: dict[str, Any]) -> None:
    assert proxy_of(config, "connect")["enabled"] is proxy_of(config, "refresh")["enabled"] is True
    (rooms,) = config["channel"]["namespaces"]
    assert rooms["name"] == "rooms"
    for event in ("subscribe", "sub_refresh", "publish"):
        assert rooms[f"{event}_proxy_enabled"] is True
    assert config["rpc"]["without_namespace"]["proxy_enabled"] is True
    assert config["client"]["allowed_origins"]
    assert config["usage_stats"]["disabled"] is True
