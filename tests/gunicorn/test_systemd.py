"""What a whole server tells systemd: a socket stands in for systemd's."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxyhooks.gunicorn.systemd import ServiceNotifier
from proxyhooks.gunicorn.worker_table import SharedState, WorkerRecord
from tests.support import http_client
from tests.support.loading_app import LOADING_APP
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

pytestmark = pytest.mark.server

APP = f"""{LOADING_APP}

@app.get("/notify_socket")
def notify_socket():
    return os.environ["NOTIFY_SOCKET"]
"""


class Service:
    """A server, and the socket to which it sends what systemd would get."""

    def __init__(self, here: Path, address: str) -> None:
        self.here = here
        self.address = address
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.received: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.socket.setblocking(False)
        (here / "app.py").write_text(APP)
        (here / "home").mkdir()

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn", "-w", "1"]
        command += [*options, "-b", f"127.0.0.1:{self.port}", "app:app"]
        environ = {"HERE": str(self.here), "NOTIFY_SOCKET": self.address, "HOME": str(self.here / "home")}
        self.process = start_process(command, self.here / "log", cwd=self.here, env=server_environment(**environ))
        return self.process

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            kill_process(self.process)

    def allow(self, name: str) -> None:
        (self.here / name).write_text("")

    def forbid(self, name: str) -> None:
        (self.here / name).unlink(missing_ok=True)

    def messages(self) -> list[str]:
        """What has arrived so far."""
        while True:
            try:
                self.received.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.received

    def wait_for(self, start: str, seen: int = 0) -> str:
        """Wait for a message that starts like this, after the first ones that were *seen*."""
        wait_until(lambda: any(text.startswith(start) for text in self.messages()[seen:]), start)
        return next(text for text in self.received[seen:] if text.startswith(start))

    def wait_until_a_worker_loads_the_application(self) -> None:
        wait_until((self.here / "loads").exists, "a worker that loads the application")
        self.forbid("loads")
        time.sleep(0.3)  # for a message that must not come

    def is_ready(self, seen: int = 0) -> bool:
        return any("READY=1" in text.splitlines() for text in self.messages()[seen:])


@pytest.fixture(params=["file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the socket is: a file, or a name outside of the file system, which starts with @."""
    return str(tmp_path / "notify") if request.param == "file" else f"@proxyhooks-{os.getpid()}"


@pytest.fixture
def service(address: str, tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, address)
    with ExitStack() as stack:
        stack.callback(service.socket.close)
        stack.callback(service.kill)
        yield service


def test_the_server_is_ready_when_a_worker_serves_and_not_before(service: Service) -> None:
    process = service.start()
    service.wait_until_a_worker_loads_the_application()
    assert not accepts_connections(service.port)
    assert service.messages() == ["STATUS=Loading the application"]
    service.allow("go")
    assert service.wait_for("READY=1") == "READY=1\nSTATUS=Serving"
    assert http_client.request(service.port, "GET", "/readyz").status == 200
    assert http_client.request(service.port, "GET", "/notify_socket").text == service.address
    for worker in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(worker), signal.SIGALRM)  # the master's timer is none of a worker's, which tells nothing
    assert http_client.request(service.port, "GET", "/readyz").status == 200
    assert stop_process(process) == 0
    assert service.wait_for("STOPPING=1") == "STOPPING=1\nSTATUS=Finishing the open calls"
    assert len(service.messages()) == 3
    assert list((service.here / "home").iterdir()) == []  # no control socket


def test_a_reload_is_over_when_new_workers_serve_or_cannot_load_the_application(service: Service) -> None:
    service.allow("go")
    process = service.start()
    service.wait_for("READY=1")
    for is_broken in (False, True):
        service.forbid("go")
        service.forbid("loads")
        seen, asked = len(service.messages()), time.monotonic_ns() // 1000
        process.send_signal(signal.SIGHUP)
        service.wait_until_a_worker_loads_the_application()
        reloading = re.fullmatch(
            r"RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=Reloading the application",
            service.wait_for("RELOADING=1", seen),
        )
        assert reloading is not None
        assert asked <= int(reloading[1]) <= time.monotonic_ns() // 1000
        assert not service.is_ready(seen)
        if is_broken:
            service.allow("broken")
        service.allow("go")
        status = "Serving as before: the application could not be reloaded" if is_broken else "Serving"
        assert service.wait_for("READY=1", seen) == f"READY=1\nSTATUS={status}"
        # The old worker may have accepted the connection of a first probe.
        wait_until(lambda: http_client.request(service.port, "GET", "/readyz").status == 200, "a worker that is ready")


@pytest.mark.parametrize("address", ["abstract"], indirect=True)
def test_a_server_that_cannot_load_the_application_never_becomes_ready(service: Service) -> None:
    service.allow("go")
    service.allow("broken")
    assert service.start().wait(STOP_TIMEOUT) != 0
    assert service.messages() == ["STATUS=Loading the application"]


NO_TABLE = """
from proxyhooks.gunicorn import *
from proxyhooks.gunicorn.worker_table import SharedState


def when_ready(server):
    "As many configuration files have it, without a call of the one of the package."


def table(self):
    raise OSError("no locks available")


SharedState.table = table
"""


@pytest.mark.parametrize("address", ["abstract"], indirect=True)
def test_without_the_table_of_workers_the_server_is_ready_as_soon_as_gunicorn_says_so(service: Service) -> None:
    (service.here / "own.py").write_text(NO_TABLE)
    service.start("-c", "own.py")
    assert service.wait_for("READY=1") == "READY=1\nSTATUS=Nothing tells whether workers serve: see the log"
    assert not (service.here / "go").exists()
    assert "The table of workers cannot be used" in (service.here / "log").read_text()


@pytest.mark.parametrize(
    ("master_pid", "reexec_pid", "expected"),
    [
        (0, 0, ["STATUS=Loading the application", "STOPPING=1\nSTATUS=Finishing the open calls"]),
        (0, 4711, ["STATUS=Loading the application", "MAINPID=4711"]),
        (4710, 0, []),
    ],
    ids=["alone", "after USR2, the old master", "after USR2, the new master, which systemd does not listen to yet"],
)
def test_an_old_master_that_stops_names_the_new_one_as_the_main_process(
    master_pid: int, reexec_pid: int, expected: list[str], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SimpleNamespace(master_pid=master_pid, reexec_pid=reexec_pid, log=logging.getLogger("test"))
    monkeypatch.setenv("NOTIFY_SOCKET", service.address)
    handler, notifier = signal.getsignal(signal.SIGALRM), ServiceNotifier()
    try:
        notifier.silence_gunicorn()
        assert "NOTIFY_SOCKET" not in os.environ
        notifier.start(server, SharedState())
        assert os.environ["NOTIFY_SOCKET"] == service.address
        notifier.stop_begins()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert service.messages() == expected


def test_a_reload_is_over_when_all_new_workers_serve(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    state = SharedState()
    with state.table() as table:
        table.workers[1] = WorkerRecord(0, "serving")
    server = SimpleNamespace(master_pid=0, reexec_pid=0, log=logging.getLogger("test"))
    monkeypatch.setenv("NOTIFY_SOCKET", service.address)
    handler, notifier = signal.getsignal(signal.SIGALRM), ServiceNotifier()
    try:
        notifier.silence_gunicorn()
        notifier.start(server, state)
        service.wait_for("READY=1")
        seen = len(service.messages())
        with state.table() as table:
            table.generation = 1
            table.workers |= {2: WorkerRecord(1, "serving"), 3: WorkerRecord(1, "starting")}
        notifier.reload_begins()
        time.sleep(0.3)  # for a message that must not come
        assert not service.is_ready(seen)
        with state.table() as table:
            table.workers[3].state = "serving"
        assert service.wait_for("READY=1", seen) == "READY=1\nSTATUS=Serving"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_without_systemd_nothing_is_sent_and_no_timer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    handler, notifier = signal.getsignal(signal.SIGALRM), ServiceNotifier()
    notifier.silence_gunicorn()
    notifier.start(object(), SharedState())
    notifier.reload_begins()
    notifier.reload_failed()
    notifier.stop_begins()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is handler
