"""The same calls behind each server: gunicorn's sync, gthread and gevent workers, and Flask's own."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.reload import reload, under_load
from tests.reliability.server import app_environment, gunicorn
from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

WORKERS = ("sync", "gthread", "gevent")
HEADER = "X-Proxyhooks-Secret"
HEADERS = {HEADER: SECRET}

pytestmark = pytest.mark.usefixtures("patient_callers")


@pytest.fixture
def patient_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine that answers late breaks no promise."""
    monkeypatch.setenv("CALLERS_TIMEOUT", "60")


@contextmanager
def served(here: Path, server: str, **environ: str) -> Iterator[int]:
    """The application behind a server; yields the port."""
    if server in WORKERS:
        options = ("-k", server, "--threads", "1" if server == "sync" else "4")
        with gunicorn(here, *options, port=None, **environ) as running:
            asyncio.run(running.ready(int(environ.get("WEB_CONCURRENCY", 2))))
            yield running.port
            assert running.stop() == 0
        return
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "tests.reliability.app", "run", "--port", str(port)]
    env = app_environment(here, **environ)
    with running_server(command, here / "flask.log", is_ready=lambda: answers(port), env=env):
        yield port


def post(port: int, event: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    response = http_client.request(port, "POST", f"/centrifugo/{event}", body, HEADERS if headers is None else headers)
    return response.status, response.text


def rpc(port: int, method: str, data: Any) -> tuple[int, Any]:
    status, text = post(port, "rpc", {"method": method, "data": data})
    return status, json.loads(text) if status == 200 else text


def hooks_begun(here: Path) -> int:
    return sum(path.stat().st_size for path in here.glob("begun.*"))


def wait_for_hooks(here: Path, count: int) -> None:
    wait_until(lambda: hooks_begun(here) == count, f"{count} hooks that have begun")


@pytest.mark.parametrize("server", [*WORKERS, "flask"])
def test_every_row_of_the_table(server: str, tmp_path: Path) -> None:
    """Of "What each input gets" in deploy/README.md."""
    with served(tmp_path, server) as port:
        assert rpc(port, "echo", {"a": [1, "ü", None]}) == (200, {"result": {"data": {"a": [1, "ü", None]}}})
        assert post(port, "connect", {}) == (200, '{"result":{"user":"42","data":{"you":null}}}')
        assert rpc(port, "no such", 1)[1]["error"]["code"] == 104
        assert rpc(port, "refuse", "error") == (200, {"error": {"code": 1001, "message": "room is full"}})
        assert rpc(port, "refuse", "disconnect") == (200, {"disconnect": {"code": 4501, "reason": "go away"}})
        assert rpc(port, "refuse", "abort")[1]["error"]["code"] == 103
        status, text = rpc(port, "refuse", "raise")
        assert (status, "boom" in text) == (500, False)
        assert post(port, "rpc", {"method": "echo"}, {})[0] == 403
        assert post(port, "rpc", {"method": "echo"}, {HEADER: "wrong"})[0] == 403
        assert post(port, "rpc", b"nonsense")[0] == 400
        assert post(port, "rpc", b'{"method":"echo","data":' + b"[" * 300 + b"]" * 300 + b"}")[1].startswith('{"error"')
        assert post(port, "map_publish", {"channel": "x"})[0] == 404
        assert post(port, "rpc", b"", {**HEADERS, "Content-Length": str(1024 * 1024 + 1)})[0] == 413
        assert http_client.request(port, "GET", "/centrifugo/rpc", headers=HEADERS).status == 405
        large = {**HEADERS, "Cookie": "x" * 16_000}
        assert post(port, "rpc", {"method": "echo", "data": 1}, large)[0] == 200


# How many calls a worker with these settings works on at a time. The next ones wait.
AT_A_TIME = {"sync": 1, "gthread": 4}


@pytest.mark.parametrize("server", AT_A_TIME)
def test_a_caller_that_has_hung_up_costs_no_hook(server: str, tmp_path: Path) -> None:
    """Its request waits behind slow ones. When its turn comes, nobody waits for the answer."""
    busy = AT_A_TIME[server]
    with served(tmp_path, server, WEB_CONCURRENCY="1", WORK_SECONDS="1") as port, ThreadPoolExecutor(busy) as pool:
        slow = [pool.submit(rpc, port, "work", 0) for _ in range(busy)]
        wait_for_hooks(tmp_path, busy)
        body = json.dumps({"method": "work", "data": 1})
        head = f"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=DEFAULT_TIMEOUT) as gone:
            gone.sendall((head + body).encode())
        assert {call.result()[0] for call in slow} == {200}
        assert rpc(port, "echo", 1)[0] == 200
        assert hooks_begun(tmp_path) == busy


@pytest.mark.parametrize("server", AT_A_TIME)
def test_what_has_waited_for_too_long_is_refused(server: str, tmp_path: Path) -> None:
    """Too long is half of PROXYHOOKS_TIMEOUT, which is 1 s here. The caller still waits, and gets 503."""
    busy = AT_A_TIME[server]
    environ = {"WEB_CONCURRENCY": "1", "WORK_SECONDS": "1.5", "FLASK_PROXYHOOKS_TIMEOUT": "1"}
    with served(tmp_path, server, **environ) as port, ThreadPoolExecutor(busy) as pool:
        slow = [pool.submit(rpc, port, "work", 0) for _ in range(busy)]
        wait_for_hooks(tmp_path, busy)
        assert rpc(port, "work", 1) == (503, "too late\n")
        assert {call.result()[0] for call in slow} == {200}
        assert hooks_begun(tmp_path) == busy
        assert rpc(port, "echo", 1)[0] == 200
    log = (tmp_path / "gunicorn.log").read_text()
    assert re.search(r"Refused with 503: a call that had waited for [\d.]+ s, which is more than 0.5 s", log)
    assert "app.py:" in log
    took = re.search(r"for rpc took ([\d.]+) s: Centrifugo has given up after 1 s \(PROXYHOOKS_TIMEOUT\)", log)
    assert took is not None
    assert float(took[1]) >= 1.5


@pytest.mark.parametrize("server", [*WORKERS, "flask"])
def test_calls_at_the_same_time_are_kept_apart(server: str, tmp_path: Path) -> None:
    with served(tmp_path, server, WORK_SECONDS="0.01") as port, ThreadPoolExecutor(8) as pool:
        numbers = list(range(64))
        replies = list(pool.map(lambda number: rpc(port, "work", number), numbers))
        assert [reply for status, reply in replies] == [{"result": {"data": number}} for number in numbers]


@pytest.mark.parametrize("server", [*WORKERS, "flask"])
def test_work_after_the_reply_is_done(server: str, tmp_path: Path) -> None:
    with served(tmp_path, server) as port:
        assert rpc(port, "later", "note") == (200, {"result": {"data": "promised"}})
        wait_until((tmp_path / "note").exists, "the work after the reply")


@pytest.mark.parametrize("server", WORKERS)
def test_a_reload_under_load(server: str, tmp_path: Path) -> None:
    async def main() -> None:
        # gevent's worker waits for that long for connections that are idle.
        options = ("-k", server, "--threads", "1" if server == "sync" else "4", "--graceful-timeout", "5")
        with gunicorn(tmp_path, *options) as running:
            await running.ready()
            # These workers serve few calls a second on a busy machine, and refuse those that wait behind many others.
            client = await under_load(running.port, lambda _: reload(running), 300, repeat=False, callers=8)
            # The sync worker closes every connection after one call, and may do so in its client's face.
            assert client.outcomes.failed == 0, client.outcomes
            assert running.stop() == 0

    asyncio.run(main())
