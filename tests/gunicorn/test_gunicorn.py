"""Whole gunicorn servers with the package's settings: after_reply, keep-alive, stops, reloads and starts."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import proxyhooks
from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import (
    STOP_TIMEOUT,
    accepts_connections,
    free_port,
    kill_process,
    server_environment,
    start_process,
    stop_process,
    wait_until_ready,
)
from tests.support.waiting import wait_until

SETTINGS = ("-c", "python:proxyhooks.gunicorn")

APP = """
import os
import time
from pathlib import Path

from flask import Flask, current_app

from proxyhooks import ProxyHooks, RefreshRequest, RefreshResult, RPCRequest, RPCResult, after_reply
from refusals import GoAway, RoomIsFull

app = Flask("app")
# On a busy machine, no call is to be refused because it has waited.
app.config["PROXYHOOKS_TIMEOUT"] = 600
hooks = ProxyHooks(app, secrets=["s3cret"])
here = Path(os.environ["HERE"])


def write(name: str, text: str) -> None:
    '''Write aside and rename, so that a reader never sees a part of the text.'''
    (here / f"{name}.new").write_text(text)
    (here / f"{name}.new").rename(here / name)


def work(name: str) -> None:
    write(f"{name}.started", current_app.name)
    deadline = time.monotonic() + 60
    while not (here / f"{name}.go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}.go was not written")
        time.sleep(0.01)
    write(f"{name}.finished", "")


@hooks.rpc("work")
def start(req: RPCRequest) -> RPCResult:
    after_reply(work, req.data)
    return RPCResult(data="started")


@hooks.rpc("echo")
def echo(req: RPCRequest) -> RPCResult:
    return RPCResult(data=req.data)


@hooks.rpc("refuse")
def refuse(req: RPCRequest) -> RPCResult:
    raise RoomIsFull


@hooks.refresh
def refresh(req: RefreshRequest) -> RefreshResult:
    raise GoAway
"""

REFUSALS = """
from proxyhooks import Disconnect, Error


class RoomIsFull(Error):
    code, message = 1001, "room is full"


class GoAway(Disconnect):
    code, reason = 4501, "go away"
"""
"""A module of the application; a configuration file may import it."""


class Server:
    """gunicorn with the application, on a free port.

    :param here: the directory of the application and of the log.
    """

    def __init__(self, here: Path, *options: str, **environ: str) -> None:
        self.here = here
        self.port = free_port()
        self._log = here / "gunicorn.log"
        (here / "app.py").write_text(APP)
        (here / "refusals.py").write_text(REFUSALS)
        command = self.command(*options)
        self.process = start_process(command, self._log, cwd=here, env=server_environment(HERE=str(here), **environ))

    def command(self, *options: str) -> list[str]:
        gunicorn = str(Path(sys.executable).with_name("gunicorn"))
        return [gunicorn, *options, "-b", f"127.0.0.1:{self.port}", "app:app"]

    def log(self) -> str:
        return self._log.read_text()

    def wait_until_it_listens(self) -> None:
        wait_until_ready(self.process, self._log, lambda: accepts_connections(self.port))

    def wait_for_log(self, text: str) -> str:
        """Wait until the text is in the log, and return the whole log."""
        wait_until(lambda: text in self.log() or self.process.poll() is not None, repr(text))
        log = self.log()
        assert text in log, log
        return log

    def connect(self) -> closing[http.client.HTTPConnection]:
        return http_client.connect(self.port)

    def refusal(self) -> tuple[int, str]:
        """Return the status and the text for a call without a secret."""
        response = http_client.request(self.port, "POST", "/centrifugo/rpc")
        return response.status, response.text

    def ask(self, method: str, data: Any) -> Any:
        """Return the data of the result."""
        with self.connect() as connection:
            return ask(connection, method, data)

    def reply(self, event: str, body: dict[str, Any]) -> tuple[int, str]:
        """Return the status and the body of the reply to an event."""
        headers = {"X-Proxyhooks-Secret": SECRET}
        response = http_client.request(self.port, "POST", f"/centrifugo/{event}", json.dumps(body).encode(), headers)
        return response.status, response.text

    def wait(self) -> int:
        """Wait until the server has ended, and return the exit code."""
        return self.process.wait(STOP_TIMEOUT)

    def stop(self) -> str:
        """Stop gracefully, and return the log."""
        stop_process(self.process)
        return self.log()


class DevelopmentServer(Server):
    def command(self, *options: str) -> list[str]:
        # A shell starts programs in the background with SIGINT ignored, and Python then leaves it so.
        listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        flask = [sys.executable, "-c", f"{listen}; from flask.cli import main; main()"]
        return [*flask, "--app", "app", "run", "--port", str(self.port)]


@contextmanager
def started(here: Path, *options: str, **environ: str) -> Iterator[Server]:
    """A server that is started and perhaps not yet ready; it is killed at the end of the block if it still runs."""
    server = Server(here, *options, **environ)
    try:
        yield server
    finally:
        kill_process(server.process)  # the workers notice that the master is gone, and exit


@contextmanager
def serving(here: Path, *options: str, **environ: str) -> Iterator[Server]:
    """A server that accepts connections."""
    with started(here, *options, **environ) as server:
        server.wait_until_it_listens()
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, *SETTINGS) as server:
        yield server


def ask(connection: http.client.HTTPConnection, method: str, data: Any) -> Any:
    body = json.dumps({"method": method, "data": data})
    connection.request("POST", "/centrifugo/rpc", body, {"X-Proxyhooks-Secret": SECRET})
    return json.loads(connection.getresponse().read())["result"]["data"]


def test_the_reply_is_sent_while_the_function_still_works(server: Server) -> None:
    assert server.ask("work", "a") == "started"
    assert not (server.here / "a.finished").exists()
    wait_until((server.here / "a.started").exists, "a.started")
    assert (server.here / "a.started").read_text() == "app"
    (server.here / "a.go").touch()
    wait_until((server.here / "a.finished").exists, "a.finished")


def test_the_connection_is_free_for_the_next_request_meanwhile(server: Server) -> None:
    with server.connect() as connection:
        ask(connection, "work", "a")
        sock = connection.sock
        assert ask(connection, "echo", 1) == 1
        assert connection.sock is sock  # kept alive
    assert not (server.here / "a.finished").exists()
    (server.here / "a.go").touch()


def test_a_graceful_stop_finishes_functions_after_the_reply_also_those_that_wait_for_a_thread(tmp_path: Path) -> None:
    names = [f"function{number}" for number in range(12)]  # more than there are threads
    with serving(tmp_path, *SETTINGS, "-w", "1") as server:
        for name in names:
            server.ask("work", name)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=2)
        assert sum((tmp_path / f"{name}.started").exists() for name in names) == 8
        for name in names:
            (tmp_path / f"{name}.go").touch()
        assert server.wait() == 0
        assert all((tmp_path / f"{name}.finished").exists() for name in names)
        assert "lost" not in server.log()


def test_functions_that_a_stop_loses_are_logged_by_name_and_number(tmp_path: Path) -> None:
    with serving(tmp_path, *SETTINGS, "-w", "1", "--graceful-timeout", "2") as server:
        for number in range(12):
            server.ask("work", f"function{number}")
        log = server.stop()
    location = f"work ({tmp_path / 'app.py'}:"
    assert f"after_reply: the process ends, and 4 calls are lost: 4 of {location}" in log
    assert f"after_reply: the process ends, and 8 calls are interrupted: 8 of {location}" in log


def test_the_development_server_finishes_functions_after_ctrl_c(tmp_path: Path) -> None:
    server = DevelopmentServer(tmp_path)
    try:
        server.wait_until_it_listens()
        server.ask("work", "a")
        wait_until((tmp_path / "a.started").exists, "a.started")
        server.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.5)
        (tmp_path / "a.go").touch()
        server.wait()
        assert (tmp_path / "a.finished").exists()
    finally:
        kill_process(server.process)


def test_large_headers_of_clients_are_no_431(server: Server) -> None:
    headers = {"X-Proxyhooks-Secret": SECRET, "Cookie": "session=" + "x" * 30_000}
    response = http_client.request(server.port, "POST", "/centrifugo/rpc", b'{"method":"echo","data":1}', headers)
    assert response.body == b'{"result":{"data":1}}'


@pytest.mark.parametrize("worker", ["proxyhooks.gunicorn.worker.Worker", "gthread"])
@pytest.mark.parametrize(("trusted", "status"), [([], 404), (["--forwarder-headers", "SCRIPT_NAME"], 200)])
def test_a_caller_on_this_machine_opens_no_second_way_to_the_hooks(
    tmp_path: Path, worker: str, trusted: list[str], status: int
) -> None:
    with serving(tmp_path, *SETTINGS, "-k", worker, "-w", "1", *trusted) as server:
        headers = {
            "X-Proxyhooks-Secret": SECRET,
            "SCRIPT_NAME": "/x",
            "SCRIPT-NAME": "/x",
            "PATH_INFO": "/centrifugo/rpc",
        }
        body = b'{"method":"echo","data":1}'
        assert http_client.request(server.port, "POST", "/x/centrifugo/rpc", body, headers).status == status
        del headers["SCRIPT_NAME"]
        assert http_client.request(server.port, "POST", "/x/centrifugo/rpc", body, headers).status == 404


def test_a_chunked_body_is_read_and_limited(server: Server) -> None:
    headers = {"X-Proxyhooks-Secret": SECRET}
    for size, expected in ((1000, 200), (1024 * 1024, 413)):
        chunks = iter([b'{"method":"echo","data":"', b"x" * size, b'"}'])
        assert http_client.request(server.port, "POST", "/centrifugo/rpc", chunks, headers).status == expected


def test_after_a_body_that_cannot_be_read_the_connection_ends(server: Server) -> None:
    head = f"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\nX-Proxyhooks-Secret: {SECRET}\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=http_client.TIMEOUT) as connection:
        connection.sendall(f"{head}no length\r\n{head}0\r\n\r\n".encode())
        reply = connection.makefile("rb").read()
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert "/centrifugo/rpc: the body cannot be read: InvalidChunkSize(" in server.log()


def test_a_stop_is_clean(server: Server) -> None:
    with server.connect() as connection:
        assert ask(connection, "echo", {"a": [1, "ü"]}) == {"a": [1, "ü"]}
        log = server.stop()
    assert "Traceback" not in log
    assert server.process.returncode == 0


MISTAKES = {
    "no secret": ("hooks = ProxyHooks(app)", "PROXYHOOKS_SECRETS"),
    "a wrong hook": ("hooks = ProxyHooks(app, secrets=['x'])\nhooks.rpc('a')(lambda: None)", "hook "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_set_up_is_logged_as_a_sentence(mistake: str, tmp_path: Path) -> None:
    source, text = MISTAKES[mistake]
    program = f"from flask import Flask\nfrom proxyhooks import *\napp = Flask('app')\n{source}\n"
    log, returncode = failed_start(tmp_path, program)
    assert returncode == 3
    line = next(line for line in log.splitlines() if "[ERROR] The application does not start: " in line)
    assert text in line
    assert line.count("/app.py:") == 1  # the text may have it already
    assert "Traceback" not in log
    assert log.count("\n") < 15


def test_another_error_at_the_start_keeps_its_traceback(tmp_path: Path) -> None:
    program = "from proxyhooks import *\ntry:\n    raise SetupError('a')\nexcept SetupError:\n    1 / 0\n"
    log, returncode = failed_start(tmp_path, program)
    assert returncode == 3
    assert "[ERROR] Exception in worker process\nTraceback" in log
    assert "ZeroDivisionError" in log


def failed_start(here: Path, program: str) -> tuple[str, int]:
    """What gunicorn prints when no worker can load the application, and its exit code."""
    (here / "app.py").write_text(program)
    command = [str(Path(sys.executable).with_name("gunicorn")), *SETTINGS, "-w", "1", "-b", f"127.0.0.1:{free_port()}"]
    run = subprocess.run(
        [*command, "app:app"],
        cwd=here,
        env=server_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return run.stdout + run.stderr, run.returncode


def test_an_overridden_server_hook_is_logged(tmp_path: Path) -> None:
    lines = ["from proxyhooks.gunicorn import *", "def post_fork(server, worker):", "    pass"]
    (tmp_path / "own.py").write_text("\n".join(lines))
    with started(tmp_path, "-c", "own.py") as server:
        log = server.wait_for_log("Booting worker")
    assert "post_fork is overridden: it has to call proxyhooks.gunicorn.post_fork, or calls may be lost" in log
    assert log.count("is overridden") == 1


@pytest.mark.parametrize(
    "configuration",
    ["import refusals\nfrom proxyhooks.gunicorn import *", "from proxyhooks.gunicorn import *\nimport refusals", None],
)
def test_a_refusal_of_a_module_that_the_configuration_imports_is_a_refusal(
    configuration: str | None, tmp_path: Path
) -> None:
    """Not a failure: there is one copy of the package in each process."""
    (tmp_path / "own.py").write_text(configuration or "from proxyhooks.gunicorn import *")
    with serving(tmp_path, "-c", "own.py", "--pythonpath", str(tmp_path), "-w", "1") as server:
        for _ in range(2):
            assert server.reply("rpc", {"method": "refuse"}) == (
                200,
                '{"error":{"code":1001,"message":"room is full"}}',
            )
            assert server.reply("refresh", {"user": "42"}) == (200, '{"result":{"expired":true}}')
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("Worker exiting")
        log = server.stop()
    text = "refusals has imported proxyhooks before the workers start: after an upgrade of proxyhooks, restart gunicorn"
    assert log.count(text) == (configuration is not None)
    assert "Traceback" not in log


def test_a_start_with_a_wrong_setting_ends_with_its_error(tmp_path: Path) -> None:
    with started(tmp_path, *SETTINGS, PROXYHOOKS_KEEPALIVE_TIME="30s") as server:
        assert server.wait() != 0
        log = server.log()
    assert "PROXYHOOKS_KEEPALIVE_TIME must be a number of seconds such as 30, or 0 for no limit, not '30s'" in log


def test_a_reload_runs_the_new_code_of_the_package(tmp_path: Path) -> None:
    """As after an upgrade: workers do not inherit the modules of the package that the master has imported."""
    installed = tmp_path / "lib" / "proxyhooks"
    shutil.copytree(Path(proxyhooks.__file__).parent, installed)
    with serving(tmp_path, *SETTINGS, "--workers", "1", PYTHONPATH=str(tmp_path / "lib")) as server:
        assert server.refusal() == (403, "forbidden\n")
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
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("Worker exiting")
        assert server.refusal() == (403, "upgraded\n")
