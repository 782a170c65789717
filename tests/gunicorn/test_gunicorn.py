"""Behind gunicorn: after_reply, keep-alive, and stopping."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import proxyhooks

APP = """
import os
import time
from pathlib import Path

from flask import Flask, current_app

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, after_reply

app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
here = Path(os.environ["HERE"])


def work(name: str) -> None:
    (here / f"{name}.started").write_text(current_app.name)
    while not (here / f"{name}.go").exists():
        time.sleep(0.01)
    (here / f"{name}.finished").touch()


@hooks.rpc("work")
def start(req: RPCRequest) -> RPCResult:
    after_reply(work, req.data)
    return RPCResult(data="started")


@hooks.rpc("echo")
def echo(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.01)


class Server:
    def __init__(self, here: Path) -> None:
        self.here = here
        (here / "app.py").write_text(APP)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:proxyhooks.gunicorn",
            "-b",
            f"127.0.0.1:{self.port}",
            "app:app",
        ]
        environ = {**os.environ, "HERE": str(here)}
        self.process = subprocess.Popen(command, cwd=here, env=environ, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=40)[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.process.kill()
    server.process.communicate()


def ask(connection: http.client.HTTPConnection, method: str, data: Any) -> Any:
    body = json.dumps({"method": method, "data": data})
    connection.request("POST", "/centrifugo/rpc", body, {"X-Proxyhooks-Secret": "s3cret"})
    return json.loads(connection.getresponse().read())["result"]["data"]


def test_the_client_has_its_reply_while_the_function_still_works(server: Server) -> None:
    with server.connect() as connection:
        assert ask(connection, "work", "a") == "started"
    assert not (server.here / "a.finished").exists()
    wait_for(server.here / "a.started")
    assert (server.here / "a.started").read_text() == "app"
    (server.here / "a.go").touch()
    wait_for(server.here / "a.finished")


def test_the_connection_is_free_for_the_next_request_meanwhile(server: Server) -> None:
    with server.connect() as connection:
        ask(connection, "work", "a")
        sock = connection.sock
        assert ask(connection, "echo", 1) == 1
        assert connection.sock is sock  # kept alive
    assert not (server.here / "a.finished").exists()
    (server.here / "a.go").touch()


def test_a_graceful_stop_waits_for_what_was_promised(server: Server) -> None:
    with server.connect() as connection:
        ask(connection, "work", "a")
    wait_for(server.here / "a.started")
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(timeout=2)
    (server.here / "a.go").touch()
    server.process.communicate(timeout=30)
    assert (server.here / "a.finished").exists()


def test_large_headers_of_clients_are_no_431(server: Server) -> None:
    headers = {"X-Proxyhooks-Secret": "s3cret", "Cookie": "session=" + "x" * 30_000}
    with server.connect() as connection:
        connection.request("POST", "/centrifugo/rpc", b'{"method":"echo","data":1}', headers)
        assert connection.getresponse().read() == b'{"result":{"data":1}}'


def test_a_body_in_chunks_is_read_and_limited(server: Server) -> None:
    headers = {"X-Proxyhooks-Secret": "s3cret"}
    for size, expected in ((1000, 200), (1024 * 1024, 413)):
        with server.connect() as connection:
            chunks = iter([b'{"method":"echo","data":"', b"x" * size, b'"}'])
            connection.request("POST", "/centrifugo/rpc", chunks, headers, encode_chunked=True)
            assert connection.getresponse().status == expected


def test_a_stop_is_clean(server: Server) -> None:
    with server.connect() as connection:
        assert ask(connection, "echo", {"a": [1, "ü"]}) == {"a": [1, "ü"]}
        log = server.stop()
    assert "Traceback" not in log
    assert server.process.returncode == 0


def start(here: Path, *options: str, **environ: str) -> subprocess.Popen[str]:
    (here / "app.py").write_text(APP)
    command = [str(Path(sys.executable).with_name("gunicorn")), *options, "-b", "127.0.0.1:0", "app:app"]
    given = {**os.environ, "HERE": str(here), **environ}
    return subprocess.Popen(command, cwd=here, env=given, stderr=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} is not in the log:\n{read}")


def test_a_hook_of_ones_own_that_takes_the_place_of_ours_is_named(tmp_path: Path) -> None:
    lines = ["from proxyhooks.gunicorn import *", "def post_fork(server, worker):", "    pass"]
    (tmp_path / "own.py").write_text("\n".join(lines))
    process = start(tmp_path, "-c", "own.py")
    log = read_until(process, "Booting worker")
    process.kill()
    process.communicate()
    assert "post_fork is overridden: it has to call proxyhooks.gunicorn.post_fork, or calls may be lost" in log
    assert log.count("is overridden") == 1


def test_a_start_from_nothing_ends_with_what_is_wrong(tmp_path: Path) -> None:
    process = start(tmp_path, "-c", "python:proxyhooks.gunicorn", PROXYHOOKS_KEEPALIVE_TIME="30s")
    log = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    assert "PROXYHOOKS_KEEPALIVE_TIME is a number of seconds such as 30, or 0 for no limit, not '30s'" in log


def test_a_reload_runs_the_new_code_of_the_package(tmp_path: Path) -> None:
    """As after an upgrade: what the master itself has imported of it is not handed down."""
    installed = tmp_path / "lib" / "proxyhooks"
    shutil.copytree(Path(proxyhooks.__file__).parent, installed)
    process = start(tmp_path, "-c", "python:proxyhooks.gunicorn", "--workers", "1", PYTHONPATH=str(tmp_path / "lib"))
    try:
        port = int(re.findall(r"127\.0\.0\.1:(\d+)", read_until(process, "Listening at"))[0])
        read_until(process, "Booting worker")

        def refused() -> str:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                connection.request("POST", "/centrifugo/rpc")
                return connection.getresponse().read().decode()

        assert refused() == "forbidden\n"
        for name, old, new in (
            ("_flask/ingress.py", '"forbidden"', "ERRORS_OF_TOMORROW"),
            ("_wire/codes.py", "ERRORS: Final", 'ERRORS_OF_TOMORROW = "upgraded"\nERRORS: Final'),
            (
                "_flask/ingress.py",
                "from .. import errors",
                "from .. import errors\nfrom .._wire.codes import ERRORS_OF_TOMORROW",
            ),
        ):
            text = (installed / name).read_text()
            assert old in text
            (installed / name).write_text(text.replace(old, new, 1))
        process.send_signal(signal.SIGHUP)
        read_until(process, "Worker exiting")
        assert refused() == "upgraded\n"
    finally:
        process.kill()
        process.communicate()
