"""Whole gunicorn servers that serve metrics on an address of their own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

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
)
from tests.support.waiting import wait_until

APP = """
import os
import time
from pathlib import Path

from flask import Flask
from prometheus_client import Counter, Gauge

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, after_reply, errors

if Path("broken").exists():
    raise RuntimeError("a typo")
app = Flask("app")
app.config["PROXYHOOKS_TIMEOUT"] = 600  # on a busy machine, no call is to be refused because it has waited
hooks = ProxyHooks(app, secrets=["s3cret"])
orders = Counter("orders", "Orders of the application.")
open_orders = Gauge("open_orders", "Open orders.", multiprocess_mode="livesum")


def wait() -> None:
    deadline = time.monotonic() + 60
    while not Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


@hooks.rpc("order")
def order(req: RPCRequest) -> RPCResult:
    orders.inc()
    open_orders.inc()
    return RPCResult(data=os.getpid())


@hooks.rpc("refuse")
def refuse(req: RPCRequest) -> RPCResult:
    raise errors.PermissionDenied


@hooks.rpc("wait")
def wait_in_hook(req: RPCRequest) -> RPCResult:
    wait()
    return RPCResult(data=os.getpid())


@hooks.rpc("later")
def later(req: RPCRequest) -> RPCResult:
    after_reply(wait)
    return RPCResult(data=os.getpid())
"""

Samples = dict[tuple[str, ...], float]


class Server:
    """gunicorn with the application."""

    def __init__(self, here: Path, *options: str, **environ: str) -> None:
        self.here, self.port = here, free_port()
        bind = environ.setdefault("PROXYHOOKS_METRICS_BIND", f"127.0.0.1:{free_port()}")
        self.metrics_port = int(bind.rpartition(":")[2])
        self._log = here / "gunicorn.log"
        (here / "app.py").write_text(APP)
        command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn"]
        command += ["--no-control-socket", "--worker-tmp-dir", str(here), "-b", f"127.0.0.1:{self.port}", *options]
        self.process = start_process([*command, "app:app"], self._log, cwd=here, env=server_environment(**environ))

    def log(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log() or self.process.poll() is not None, f"{text!r} in the log")
        assert text in self.log(), self.log()

    def samples(self) -> Samples:
        """What is exported, by the name of the sample and the values of its labels, in the order of their names."""
        try:
            response = http_client.request(self.metrics_port, "GET", "/metrics")
        except (OSError, http.client.HTTPException):
            return {}
        assert response.status == 200
        families: Any = text_string_to_metric_families
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families(response.text)
            for sample in family.samples
        }

    def wait_for(self, value: float, *sample: str) -> None:
        wait_until(lambda: self.samples().get(sample) == value, f"{sample} {value}: {self.samples()} {self.log()}")

    def ask(self, method: str, secret: str = SECRET) -> Any:
        """Call a hook, and return the message that comes back, or the status if it is not 200."""
        body, headers = json.dumps({"method": method, "data": 1}), {"X-Proxyhooks-Secret": secret}
        response = http_client.request(self.port, "POST", "/centrifugo/rpc", body, headers)
        return json.loads(response.body) if response.status == 200 else response.status

    def metrics_process(self) -> int:
        return int(re.findall(r"\[(\d+)\] \[INFO\] Metrics at", self.log())[-1])

    def directories(self) -> list[Path]:
        return list(self.here.glob("proxyhooks-metrics-*"))


@contextmanager
def started(here: Path, *options: str, **environ: str) -> Iterator[Server]:
    server = Server(here, *options, **environ)
    try:
        yield server
    finally:
        kill_process(server.process)


@contextmanager
def serving(here: Path, *options: str, **environ: str) -> Iterator[Server]:
    """A server with one worker, which serves."""
    with started(here, "-w", "1", *options, **environ) as server:
        server.wait_for(1, "proxyhooks_workers", "serving")
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("shared")) as server:
        yield server


def test_calls_are_counted_and_the_metrics_have_no_other_url(shared: Server) -> None:
    before = shared.samples()
    assert before["proxyhooks_calls_total", "", "rpc", "app.order", "result"] == 0
    assert shared.ask("order")["result"]
    assert shared.ask("refuse")["error"]["code"] == 103
    assert shared.ask("order", secret="wrong") == 403
    after = shared.samples()
    new = {name[1:]: after[name] - before.get(name, 0) for name in after if name[0] == "proxyhooks_calls_total"}
    assert {labels: value for labels, value in new.items() if value} == {
        ("", "rpc", "app.order", "result"): 1,
        ("103", "rpc", "app.refuse", "error"): 1,
        ("403", "rpc", "", "failed"): 1,
    }
    assert after["proxyhooks_queue_duration_seconds_count",] == before["proxyhooks_queue_duration_seconds_count",] + 3
    assert http_client.request(shared.port, "GET", "/metrics").status == 404
    assert http_client.request(shared.metrics_port, "POST", "/centrifugo/rpc").status == 404


def test_metrics_of_the_application_are_served_too(shared: Server) -> None:
    before = shared.samples()
    shared.ask("order")
    after = shared.samples()
    assert after["orders_total",] == before.get(("orders_total",), 0) + 1
    assert after["open_orders",] == before.get(("open_orders",), 0) + 1


def test_calls_in_flight_and_functions_after_the_reply_are_gauges(shared: Server) -> None:
    for _ in range(3):
        shared.ask("later")
    with http_client.connect(shared.port) as connection:
        body = json.dumps({"method": "wait", "data": 1})
        connection.request("POST", "/centrifugo/rpc", body, {"X-Proxyhooks-Secret": SECRET})
        shared.wait_for(1, "proxyhooks_calls_in_flight")
        shared.wait_for(3, "proxyhooks_after_reply_pending")
        (shared.here / "go").touch()
        assert connection.getresponse().status == 200
    shared.wait_for(0, "proxyhooks_calls_in_flight")
    shared.wait_for(0, "proxyhooks_after_reply_pending")


def test_the_metrics_process_comes_back_and_has_no_socket_of_the_application(shared: Server) -> None:
    number = shared.metrics_process()
    listening = {line.split()[9] for line in Path(f"/proc/{number}/net/tcp").read_text().splitlines()
                 if line.split()[1].endswith(f":{shared.port:04X}")}  # fmt: skip
    sockets = {os.readlink(file) for file in Path(f"/proc/{number}/fd").iterdir() if file.exists()}
    assert listening
    assert not {f"socket:[{inode}]" for inode in listening} & sockets
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):  # the master decides
        os.kill(number, signum)
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: shared.log().count("Metrics at:") > 1, "another metrics process")
    assert shared.metrics_process() != number
    (directory,) = shared.directories()
    assert not list(directory.glob(f"*_{number}.db"))  # they would become more and more
    assert shared.ask("order")["result"]
    assert shared.samples()["proxyhooks_workers", "serving"] == 1


def test_a_taken_address_is_logged_and_the_server_serves_and_the_metrics_come_when_it_is_free(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(tmp_path, "-w", "1", PROXYHOOKS_METRICS_BIND=f"127.0.0.1:{port}") as server:
            server.wait_for_log(f"Metrics: cannot listen on 127.0.0.1:{port}")
            wait_until(lambda: accepts_connections(server.port), "the server")
            assert server.ask("order")["result"]
            time.sleep(1)
            assert server.log().count("cannot listen on") == 1
            taken.close()
            server.wait_for(1, "proxyhooks_calls_total", "", "rpc", "app.order", "result")
            number = server.metrics_process()
            kill_process(server.process)  # a master that is killed cannot end it
            wait_until(lambda: not Path(f"/proc/{number}").exists() or is_zombie(number), "the end of the process")


def test_a_failed_reload_and_the_generation_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.samples()["proxyhooks_reload_failures_total",] == 0
        (tmp_path / "broken").touch()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(1, "proxyhooks_reload_failures_total")
        (tmp_path / "broken").unlink()
        worker = server.ask("order")["result"]["data"]
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(2, "proxyhooks_worker_generation")
        wait_until(lambda: server.ask("order")["result"]["data"] != worker, "a new worker")
        server.wait_for(1, "proxyhooks_workers", "serving")
        assert server.samples()["proxyhooks_reload_failures_total",] == 1
        server.wait_for(0, "proxyhooks_workers", "stopping")
        os.kill(server.ask("order")["result"]["data"], signal.SIGKILL)  # its gauges end with it
        server.wait_for(0, "open_orders")


def test_damaged_files_cost_their_own_counts_only(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        worker = server.ask("order")["result"]["data"]
        (directory,) = server.directories()
        os.kill(worker, signal.SIGSTOP)
        for file in directory.glob(f"counter_{worker}*.db"):
            file.write_bytes(b"no counts")
        assert ("orders_total",) not in server.samples()
        os.kill(worker, signal.SIGKILL)
        assert server.ask("order")["result"]["data"] != worker
        server.wait_for(1, "orders_total")
        server.wait_for(1, "proxyhooks_calls_total", "", "rpc", "app.order", "result")
        server.wait_for(2, "proxyhooks_call_duration_seconds_count", "rpc", "app.order")
        assert server.log().count("was damaged, and its counts are lost") == 2


def test_a_stop_ends_the_metrics_process_and_removes_the_directory(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        number = server.metrics_process()
        (directory,) = server.directories()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert stop_process(server.process) == 0
        assert server.directories() == []
        assert not Path(f"/proc/{number}").exists()
        assert "Metrics:" not in server.log()


def is_zombie(number: int) -> bool:
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


WITH_PROMETHEUS_CLIENT = """
from prometheus_client import Counter
from proxyhooks.gunicorn import *
"""


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "imports_it.py", "--preload", "-k", "gthread"),
        ("-k", "gevent"),
    ],
    ids=" ".join,
)
def test_metrics_with_other_workers_and_imports(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "imports_it.py").write_text(WITH_PROMETHEUS_CLIENT)
    with serving(tmp_path, *options) as server:
        server.ask("order")
        samples = server.samples()
        assert samples["proxyhooks_calls_total", "", "rpc", "app.order", "result"] == 1
        assert samples["orders_total",] == 1
        assert "Warning" not in server.log()


MISSING = "import sys\nsys.modules['prometheus_client'] = None\n"


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        (
            {"PYTHONPATH": "."},
            "Error: PROXYHOOKS_METRICS_BIND is set, and prometheus-client is not installed: run "
            "pip install 'proxyhooks[metrics]', or unset the variable",
        ),
        (
            {"PROXYHOOKS_METRICS_BIND": "9070"},
            "Error: PROXYHOOKS_METRICS_BIND must be an address such as 127.0.0.1:9070 or [::]:9070, not '9070'",
        ),
    ],
    ids=["not installed", "wrong"],
)
def test_a_setup_error_is_one_line(environ: dict[str, str], text: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MISSING)
    with started(tmp_path, **environ) as server:
        assert server.process.wait(STOP_TIMEOUT) == 1
        assert server.log().strip() == text
