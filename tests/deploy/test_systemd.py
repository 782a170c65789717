"""The units of deploy/systemd: checked by systemd, and run with what systemd gives a service."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import http_client
from tests.support.centrifugo import centrifugo_binary
from tests.support.servers import answers, free_port, kill_process, start_process, wait_until_ready
from tests.support.systemd import FILES, Service, copy_unit, needs_systemd
from tests.support.waiting import wait_until

UNITS = sorted(path.name for path in FILES.iterdir())
GUNICORN = str(Path(sys.executable).with_name("gunicorn"))
APP = """
from flask import Flask
from proxyhooks import ConnectRequest, ConnectResult, ProxyHooks

app = Flask(__name__)
app.config.from_prefixed_env()
hooks = ProxyHooks(app)


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    return ConnectResult(user="first")
"""
REQUEST = json.dumps({"client": "1", "transport": "websocket", "protocol": "json", "encoding": "json"})


def call(port: int, secret: str = "s3cret") -> tuple[int, str]:
    """The status of a call of the connect hook, and the user that it returns."""
    headers = {"X-Proxyhooks-Secret": secret}
    answer = http_client.request(port, "POST", "/centrifugo/connect", REQUEST, headers, timeout=300)
    return answer.status, json.loads(answer.body)["result"]["user"] if answer.status == 200 else ""


@needs_systemd
def test_systemd_accepts_the_units_without_a_line(tmp_path: Path) -> None:
    for name in UNITS:
        programs = {r"/srv/backend/\.venv/bin/gunicorn": "/bin/true", "/usr/local/bin/centrifugo": "/bin/true"}
        text = (FILES / name).read_text()
        for program, there_is in programs.items():
            text = re.sub(program, there_is, text)
        text = re.sub(r"^#(?=\w+=)", "", text, flags=re.MULTILINE)  # settings that the reader may switch on
        (tmp_path / name).write_text(text.replace("WorkingDirectory=/srv/backend", "WorkingDirectory=/"))
    checked = verify(*(tmp_path / name for name in UNITS))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    (tmp_path / "backend.service").write_text("[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n")
    assert "NoNewPrivilege" in verify(tmp_path / "backend.service").stderr


def verify(*units: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=300)


@needs_systemd
@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_service_may_do_little(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=15", str(FILES / name)]
    rated = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert rated.returncode == 0, rated.stdout + rated.stderr


# the backend


@pytest.fixture
def backend_unit(tmp_path: Path) -> Path:
    """backend.service for an application in the directory of the test."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "environment").write_text("WEB_CONCURRENCY=1\n")
    (tmp_path / "secrets").write_text("s3cret\n")
    paths = {"/srv/backend/.venv/bin/gunicorn": GUNICORN, "/etc/backend/environment": str(tmp_path / "environment")}
    paths |= {
        "/etc/backend/proxyhooks-secrets": str(tmp_path / "secrets"),
        "=/srv/backend\n": f"={tmp_path}\n",
    }
    return copy_unit("backend.service", tmp_path, paths)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """The socket that systemd keeps for backend.socket."""
    with socket.create_server(("127.0.0.1", free_port()), backlog=100) as listener:
        yield listener


def test_the_socket_and_the_service_belong_together() -> None:
    assert "ListenStream=127.0.0.1:8070\n" in (FILES / "backend.socket").read_text()
    assert "Requires=backend.socket\n" in (FILES / "backend.service").read_text()


@needs_systemd
def test_the_first_connection_starts_the_backend_with_systemds_socket(backend_unit: Path, tmp_path: Path) -> None:
    service, port, log = Service(backend_unit), free_port(), tmp_path / "log"
    (tmp_path / "credentials" / "proxyhooks-secrets").write_text("s3cret\n")
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", *service.command_with_environment()]
    process = start_process(command, log, cwd=tmp_path)
    try:
        wait_until_ready(process, log, lambda: "Listening on" in log.read_text())
        assert call(port) == (200, "first")
        wait_until(service.is_ready, "READY=1")
        assert f"Listening at: http://127.0.0.1:{port}" in log.read_text()
        service.stop(process)
    finally:
        kill_process(process)
        service.close()


def test_a_reload_loads_new_code_and_only_code_that_can_be_loaded(
    backend_unit: Path, listener: socket.socket, tmp_path: Path
) -> None:
    port: int = listener.getsockname()[1]
    app = tmp_path / "app.py"
    with closing(Service(backend_unit, listener)) as service, service.running() as process:
        service.wait_until_ready(process)
        assert call(port) == (200, "first")
        for mistake in ("1 +", "hooks.connect(connect)"):
            app.write_text(f"{APP}\n{mistake}\n")
            said = service.reload(process)
            assert said is not None
            assert "Error" in said
        app.write_text(APP.replace("first", "second"))
        assert "Handling signal: hup" not in service.log.read_text()
        assert call(port) == (200, "first")
        assert service.reload(process) is None
        wait_until(lambda: call(port) == (200, "second"), "the new code")
        assert service.log.read_text().count("Handling signal: hup") == 1


def test_a_restart_takes_up_new_secrets_and_refuses_no_connection(
    backend_unit: Path, listener: socket.socket, tmp_path: Path
) -> None:
    port: int = listener.getsockname()[1]
    replies: list[object] = []
    over = threading.Event()

    def keep_calling() -> None:
        """Each call opens a connection."""
        while not over.is_set():
            try:
                replies.append(call(port))
            except (OSError, http.client.HTTPException) as error:
                replies.append(error)
            over.wait(0.01)

    caller = threading.Thread(target=keep_calling)
    with closing(Service(backend_unit, listener)) as service:
        with service.running() as process:
            service.wait_until_ready(process)
            assert call(port, "new") == (403, "")
            (tmp_path / "secrets").write_text("new\ns3cret\n")
            caller.start()
            wait_until(lambda: len(replies) > 20, "calls")
        before = len(replies)
        with service.running():
            wait_until(lambda: len(replies) > before + 20, "calls after the restart")
            over.set()
            caller.join(20)
            assert call(port, "new") == (200, "first")
            command = [sys.executable, "-m", "flask", "--app", "app", "centrifugo", "secret", "uses"]
            uses = subprocess.check_output(command, cwd=tmp_path, env=service.environment(), text=True, timeout=300)
            assert re.search("^secret 0: last used ", uses, re.MULTILINE)
    assert set(replies) == {(200, "first")}
    assert not caller.is_alive()


# Centrifugo


def configuration(port: int, *, endpoints: tuple[str, ...] = ("publish",), **more: object) -> str:
    namespace = {"name": "chat", "allow_subscribe_for_client": True, "publish_proxy_enabled": True}
    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {"allow_anonymous_connect_without_token": True},
        "channel": {
            "proxy": {event: {"endpoint": f"http://127.0.0.1:1/{event}"} for event in endpoints},
            "namespaces": [namespace | more],
        },
    }
    return json.dumps(config, indent=2)


@pytest.mark.centrifugo
def test_centrifugo_reloads_options_of_namespaces_and_nothing_that_is_wrong_or_needs_a_restart(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "config.json"
    config.write_text(configuration(port))
    (tmp_path / "environment").write_text("CENTRIFUGO_VAR_PROXYHOOKS_SECRET=s3cret\nCENTRIFUGO_HTTP_API_KEY=key\n")
    paths = {
        "/usr/local/bin/centrifugo": centrifugo_binary(),
        "/etc/centrifugo/config.json": str(config),
        "/etc/centrifugo/environment": str(tmp_path / "environment"),
    }
    with closing(Service(copy_unit("centrifugo.service", tmp_path, paths))) as service, service.running() as process:
        wait_until_ready(process, service.log, lambda: answers(port, "/health"))

        def presence() -> object:
            body = json.dumps({"channel": "chat:1"})
            return json.loads(http_client.request(port, "POST", "/api/presence", body, {"X-API-Key": "key"}).body)

        assert presence() == {"error": {"code": 108, "message": "not available"}}
        for wrong, reason in {
            "{": "config.json",
            configuration(port, presense=True): "presense",
            configuration(port, endpoints=("publish", "subscribe")): "restart Centrifugo",
            configuration(port).replace('"client": {', '"sse": {"enabled": true}, "client": {'): "restart Centrifugo",
        }.items():
            config.write_text(wrong)
            said = service.reload(process)
            assert said is not None
            assert reason in said
        assert "successfully reloaded" not in service.log.read_text()
        config.write_text(configuration(port, presence=True))
        assert service.reload(process) is None
        wait_until(lambda: presence() == {"result": {"presence": {}}}, "the new option")
