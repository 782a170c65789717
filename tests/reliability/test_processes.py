"""Signals to gunicorn's master and workers, with each kind of worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.client import Client
from tests.reliability.reload import reload, under_load
from tests.reliability.server import Gunicorn, children, gunicorn, until
from tests.support import http_client
from tests.support.paths import ROOT, SECRET
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

OUR_WORKER = "proxyhooks.gunicorn.worker.Worker"
LONG_TIMEOUT = "10"
"""Seconds that callers wait: on a busy machine no call is to fail because it is late."""

JUMPING_CLOCK = """
import os
import time
from pathlib import Path

seconds, real = Path(os.environ["HERE"]) / "jump", time.time
time.time = lambda: real() + (float(seconds.read_text()) if seconds.exists() else 0)
"""
"""A sitecustomize module: the clock of the system can be set to another time."""


NO_PLACE = """
import errno
import os
import tempfile

del os.memfd_create
real = tempfile.mkstemp


def mkstemp(suffix=None, prefix=None, dir=None, text=False):
    if prefix == "proxyhooks-":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return real(suffix, prefix, dir, text)


tempfile.mkstemp = mkstemp
"""
"""A sitecustomize module: the disk is full, and there are no files in memory."""

SLOW_FORK = """
import os
import time
from pathlib import Path

from proxyhooks.gunicorn import *
from proxyhooks.gunicorn import post_fork as original


def post_fork(server, worker):
    original(server, worker)
    (Path(os.environ["HERE"]) / "forked").touch()
    time.sleep(1)
"""
"""A configuration file with which a worker takes long until it has signal handlers."""


@pytest.fixture(params=["gthread", OUR_WORKER], ids=["gthread", "Worker"])
def worker_class(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# gthread behaves in the same way: the server hooks do what is tested, and another test reloads each class of worker.
with_our_worker = pytest.mark.parametrize("worker_class", [OUR_WORKER])


@pytest.fixture(autouse=True)
def patient_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLERS_TIMEOUT", LONG_TIMEOUT)


def rpc(port: int, method: str, data: Any) -> tuple[int, str]:
    body = json.dumps({"method": method, "data": data}).encode()
    response = http_client.request(port, "POST", "/centrifugo/rpc", body, {"X-Proxyhooks-Secret": SECRET})
    return response.status, response.text


def none_is_lost(server: Gunicorn, events: Callable[[Client], Awaitable[None]], calls: int = 300) -> None:
    """Let the events happen while calls are running. Not one call fails, and the server stops without an error."""
    client = asyncio.run(under_load(server.port, events, calls, repeat=False))
    assert client.outcomes.failed == 0, client.outcomes
    stop_cleanly(server)


def stop_cleanly(server: Gunicorn) -> None:
    assert server.stop() == 0
    assert not server.logged("Traceback"), server.log.read_text()


def wait_until_logged(server: Gunicorn, text: str, times: int = 1) -> None:
    wait_until(lambda: server.logged(text) >= times, f"{text!r} in the log, {times} times")


def wait_until_gone(server: Gunicorn, worker: int) -> None:
    wait_until(lambda: worker not in server.workers(), "the end of the worker")


async def all_have_loaded(server: Gunicorn, number: int) -> None:
    """Wait until there are so many workers, and all have loaded the application."""
    await until(lambda: len(server.loaded()) == len(server.workers()) == number, f"{number} workers")


def wait_for_two_turns(server: Gunicorn) -> None:
    """Wait until the master has been through its main loop, where it starts and stops workers."""
    for turn in (1, 2):
        server.kill(signal.SIGUSR1)
        wait_until_logged(server, "Handling signal: usr1", turn)


def test_a_worker_that_is_killed_after_its_replacement_was_started_leaves_none_too_many(
    worker_class: str, tmp_path: Path
) -> None:
    options = ("-k", worker_class, "--max-requests", "5")
    with gunicorn(tmp_path, *options, START_SECONDS="1.5", WEB_CONCURRENCY="1") as server:
        asyncio.run(server.ready(1))
        (old,) = server.workers()
        for number in range(6):
            assert rpc(server.port, "echo", number)[0] == 200
        wait_until(lambda: len(server.workers()) == 2, "the replacement")
        server.kill(signal.SIGKILL, old)
        wait_until(lambda: old not in server.workers(), "the end of the worker")
        wait_for_two_turns(server)
        (new,) = server.workers()
        wait_until(lambda: server.loaded() == [new], "the replacement")
        assert rpc(server.port, "echo", 1)[0] == 200
        assert server.stop() == 0


def test_sigterm_overtakes_reloads_that_wait(worker_class: str, tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", worker_class, START_SECONDS="1.5") as server:
        asyncio.run(server.ready())
        server.kill(signal.SIGHUP)
        wait_until(lambda: server.logged("Handling signal: hup"), "the first reload")
        for _ in range(4):
            server.kill(signal.SIGHUP)
            time.sleep(0.05)  # Python merges a signal with an equal one that it has not handled yet
        stop_cleanly(server)
        assert not server.logged("SIGKILL")
        # The reload under way, and the one at which gunicorn stops. It started no workers.
        assert server.logged("Handling signal: hup") <= 2
        assert server.logged("Booting worker") <= 4
        assert not server.logged("Handling signal: term")  # it was not its turn


@with_our_worker
def test_sigterm_during_a_boot(worker_class: str, tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", worker_class, START_SECONDS="1.5") as server:
        wait_until(lambda: server.logged("Booting worker"), "a worker that loads the application")
        stop_cleanly(server)
        assert server.logged("Booting worker") <= 2


def test_sigterm_right_after_the_fork(worker_class: str, tmp_path: Path) -> None:
    """Before the worker has gunicorn's signal handlers. gunicorn would kill it after graceful_timeout."""
    (tmp_path / "own.py").write_text(SLOW_FORK)
    with gunicorn(tmp_path, "-c", str(tmp_path / "own.py"), "-k", worker_class) as server:
        wait_until((tmp_path / "forked").exists, "a worker that was just forked")
        stop_cleanly(server)
        assert not server.logged("SIGKILL")


@with_our_worker
def test_a_reload_during_a_reload(worker_class: str, tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", worker_class, START_SECONDS="0.5") as server:
        asyncio.run(server.ready())

        async def events(_: Client) -> None:
            before = server.workers()
            server.kill(signal.SIGHUP)
            await until(lambda: server.logged("Handling signal: hup") == 1, "the first reload")
            first = set(server.workers()) - set(before)
            server.kill(signal.SIGHUP)
            await until(lambda: server.logged("Handling signal: hup") == 2, "the second reload")
            await until(lambda: len(server.loaded()) == len(server.workers()) == 2, "two workers")
            assert not {*before, *first} & set(server.workers())

        none_is_lost(server, events)


@with_our_worker
def test_more_workers_and_fewer(worker_class: str, tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", worker_class) as server:
        asyncio.run(server.ready())

        async def events(_: Client) -> None:
            for signum, number in ((signal.SIGTTIN, 3), (signal.SIGTTIN, 4), (signal.SIGTTOU, 3), (signal.SIGTTOU, 2)):
                server.kill(signum)
                await all_have_loaded(server, number)

        none_is_lost(server, events)


@with_our_worker
def test_a_new_master(worker_class: str, tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    with gunicorn(tmp_path, "-k", worker_class, "--pid", str(pids)) as server:
        asyncio.run(server.ready())
        new = 0

        async def events(_: Client) -> None:
            nonlocal new
            server.kill(signal.SIGUSR2)
            successor = tmp_path / "pid.2"
            await until(lambda: successor.exists() and successor.read_text() != "", "a new master")
            new = int(successor.read_text())
            await until(lambda: sum((tmp_path / f"loaded.{pid}").exists() for pid in children(new)) == 2, "its workers")
            server.kill(signal.SIGTERM)
            await until(lambda: server.process.poll() is not None, "the end of the old master")

        try:
            client = asyncio.run(under_load(server.port, events, 300, repeat=False))
        finally:
            if new:
                os.kill(new, signal.SIGTERM)
                wait_until(lambda: not Path(f"/proc/{new}").exists(), "the end of the new master")
        assert client.outcomes.failed == 0, client.outcomes


@with_our_worker
def test_workers_of_one_request_each(worker_class: str, tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", worker_class, "--max-requests", "1") as server:
        asyncio.run(server.ready())

        async def events(_: Client) -> None:
            await until(lambda: server.logged("Worker exiting") >= 3, "three workers that have stopped")

        client = asyncio.run(under_load(server.port, events, 100, repeat=False))
        assert client.outcomes.failed == 0, client.outcomes
        assert server.stop() == 0


@with_our_worker
def test_random_bytes_in_the_memory_of_the_workers_end_neither_master_nor_workers(
    worker_class: str, tmp_path: Path
) -> None:
    with gunicorn(tmp_path, "-k", worker_class) as server:
        asyncio.run(server.ready())
        for signum, whom in ((signal.SIGHUP, "master"), (signal.SIGTERM, "worker"), (signal.SIGKILL, "worker")):
            before = server.workers()
            assert rpc(server.port, "damage", None)[0] == 200
            server.kill(signum, None if whom == "master" else before[0])
            wait_until_gone(server, before[0])
            asyncio.run(server.ready())
        assert rpc(server.port, "damage", None)[0] == 200
        stop_cleanly(server)
        assert server.logged("The table of workers is damaged") >= 3


@with_our_worker
def test_without_any_place_for_the_lock_the_server_serves(worker_class: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_PLACE)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with gunicorn(tmp_path, "-k", worker_class, PYTHONPATH=path) as server:
        asyncio.run(server.ready())
        for signum, whom in ((signal.SIGHUP, "master"), (signal.SIGTERM, "worker"), (signal.SIGKILL, "worker")):
            before = server.workers()
            server.kill(signum, None if whom == "master" else before[0])
            wait_until_gone(server, before[0])
            asyncio.run(server.ready())
        assert rpc(server.port, "echo", 1)[0] == 200
        assert server.stop() == 0
        assert server.logged("No file can be made for the lock of the table of workers: [Errno 28]") == 1
        assert server.logged("The table of workers cannot be used: workers may stop before others serve")


@with_our_worker
def test_a_clock_that_jumps(worker_class: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(JUMPING_CLOCK)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with gunicorn(tmp_path, "-k", worker_class, PYTHONPATH=path) as server:
        asyncio.run(server.ready())

        async def events(_: Client) -> None:
            for seconds in (86_400, -86_400):
                (tmp_path / "jump.new").write_text(str(seconds))
                (tmp_path / "jump.new").rename(tmp_path / "jump")
                await reload(server)
                await until(lambda: len(server.loaded()) == len(server.workers()) == 2, "two workers")

        none_is_lost(server, events)
        assert not server.logged("WORKER TIMEOUT")
        assert not server.logged("overload")


def call_by_unix_socket(path: Path, body: bytes) -> bytes:
    """Return the status line of the reply."""
    headers = ("Host: x", "Connection: close", f"X-Proxyhooks-Secret: {SECRET}", f"Content-Length: {len(body)}")
    head = "\r\n".join(["POST /centrifugo/rpc HTTP/1.1", *headers, "", ""])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEFAULT_TIMEOUT)
        connection.connect(str(path))
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as reply:
            return reply.readline()


def test_a_late_call_is_refused_on_a_unix_socket(tmp_path: Path) -> None:
    """No kernel knows how long it has waited, but the worker does."""
    path = tmp_path / "socket"
    environ = {"WEB_CONCURRENCY": "1", "WORK_SECONDS": "1.5", "FLASK_PROXYHOOKS_TIMEOUT": "1"}
    options = ("-k", OUR_WORKER, "--threads", "2", "-b", f"unix:{path}")
    with gunicorn(tmp_path, *options, port=None, **environ) as server, ThreadPoolExecutor(2) as pool:
        asyncio.run(server.ready(1))
        assert call_by_unix_socket(path, b'{"method":"echo","data":1}').startswith(b"HTTP/1.1 200")
        slow = [pool.submit(rpc, server.port, "work", 0) for _ in range(2)]
        wait_until(lambda: sum(path.stat().st_size for path in tmp_path.glob("begun.*")) == 2, "two slow calls")
        assert call_by_unix_socket(path, b'{"method":"echo","data":1}').startswith(b"HTTP/1.1 503")
        assert {call.result()[0] for call in slow} == {200}
        assert call_by_unix_socket(path, b'{"method":"echo","data":1}').startswith(b"HTTP/1.1 200")
        stop_cleanly(server)
        assert server.logged("Refused with 503: a call that had waited for ") == 1
        assert server.logged("which is more than 0.5 s") == 1


@pytest.mark.parametrize("server_name", ["gthread", OUR_WORKER, "gevent"])
def test_a_hook_cannot_end_its_worker(server_name: str, tmp_path: Path) -> None:
    """It raises what is no Exception, while another call is under way."""
    with (
        gunicorn(tmp_path, "-k", server_name, WEB_CONCURRENCY="1", WORK_SECONDS="2") as server,
        ThreadPoolExecutor(1) as pool,
    ):
        asyncio.run(server.ready(1))
        before = server.workers()
        slow = pool.submit(rpc, server.port, "work", 7)
        wait_until(lambda: list(tmp_path.glob("begun.*")), "the slow call")
        for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "Timeout"):
            assert rpc(server.port, "raise", name)[0] == 500
            wait_until_logged(server, f"raised {name}(")
        assert slow.result() == (200, '{"result":{"data":7}}')
        assert rpc(server.port, "echo", 1)[0] == 200
        assert server.workers() == before
        assert server.stop() == 0
