"""Calls that come too late, and hooks that take too long."""

from __future__ import annotations

import logging
import re
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from proxyhooks import ConnectResult, Error, ProxyHooks, RPCRequest, RPCResult, SetupError
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._flask.load_shedding import LoadShedder, waiting_time
from proxyhooks._settings.settings import TIMEOUT
from proxyhooks.testing import ProxyClient
from tests.support.waiting import wait_until

RPC = EVENTS["rpc"]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A caller, and the connection as a server has it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        caller = socket.create_connection(listening.getsockname())
        served, _ = listening.accept()
    with caller, served:
        yield caller, served


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when data has come")


@linux
@pytest.mark.parametrize("name", ["gunicorn.socket", "werkzeug.socket"])
def test_the_kernel_knows_how_long_a_request_has_waited(name: str, pair: tuple[socket.socket, socket.socket]) -> None:
    caller, served = pair
    caller.sendall(b"x")
    time.sleep(0.3)
    assert known(waiting_time({name: served})) > 0.2
    assert served.recv(1) == b"x"  # reading does not change it
    assert known(waiting_time({name: served})) > 0.2
    last = time.monotonic()
    caller.sendall(b"y")
    waited = known(waiting_time({name: served}))
    assert waited < time.monotonic() - last + 0.2  # and not since the first byte


@linux
def test_the_kernel_knows_who_has_hung_up(pair: tuple[socket.socket, socket.socket]) -> None:
    caller, served = pair
    caller.sendall(b"x")
    caller.close()
    wait_until(lambda: waiting_time({"gunicorn.socket": served}) == float("inf"), "the end of the connection")


def known(seconds: float | None) -> float:
    assert seconds is not None
    return seconds


def test_without_a_tcp_socket_the_time_is_unknown_and_no_call_is_late() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert waiting_time({"gunicorn.socket": left}) is None
    assert waiting_time({"gunicorn.socket": left}) is None  # closed
    assert waiting_time({"gunicorn.socket": object()}) is None
    assert waiting_time({}) is None
    assert not LoadShedder(2.0).should_shed({}, RPC)


def test_the_time_of_the_last_byte_counts_more_than_the_kernel() -> None:
    left, right = socket.socketpair()
    received = time.monotonic() - 100
    with left, right:
        for connection in (left, object(), Fake(5), Fake(0, state=8)):
            environ = {"gunicorn.socket": connection, "proxyhooks.received": received}
            assert 100 <= known(waiting_time(environ)) < 150
    assert 100 <= known(waiting_time({"proxyhooks.received": received})) < 150


@pytest.mark.parametrize("platform", ["freebsd14", "netbsd10", "darwin"])
def test_other_systems_have_other_numbers_for_the_states_of_a_connection(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(socket, "TCP_INFO", 32, raising=False)
    established = Fake(0, state=4)  # TCPS_ESTABLISHED of BSD
    assert waiting_time({"gunicorn.socket": established}) is None
    load_shedder = LoadShedder(2.0)
    assert not load_shedder.should_shed({"gunicorn.socket": established}, RPC)
    assert load_shedder.should_shed(
        {"gunicorn.socket": established, "proxyhooks.received": time.monotonic() - 100}, RPC
    )


class Fake:
    """A socket whose request came so long ago."""

    def __init__(self, seconds: float, state: int = 1) -> None:
        self._info = bytes([state, *bytes(51)]) + int(seconds * 1000).to_bytes(4, "little")

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return self._info[:size]


@linux
def test_patience_lasts_for_half_of_the_timeout() -> None:
    load_shedder = LoadShedder(2.0)
    assert not load_shedder.should_shed({"gunicorn.socket": Fake(1.0)}, RPC)
    assert load_shedder.should_shed({"gunicorn.socket": Fake(1.1)}, RPC)
    assert load_shedder.should_shed({"gunicorn.socket": Fake(0, state=8)}, RPC)


def test_patience_is_the_same_where_the_worker_knows_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    load_shedder = LoadShedder(2.0)
    # Each call is measured: that costs nothing here, while the kernel is asked at most every 5 ms.
    shed = [load_shedder.should_shed({"proxyhooks.received": now - waited}, RPC) for waited in (0, 1.1, 1.0, 1.1, 0)]
    assert shed == [False, True, False, True, False]


@linux
def test_patience_is_shorter_where_a_queue_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the timeout is: 20 s here."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    load_shedder = LoadShedder(20.0)

    def should_shed(waited: float, later: float) -> bool:
        nonlocal now
        now += later
        return load_shedder.should_shed({"gunicorn.socket": Fake(waited)}, RPC)

    assert not should_shed(0.9, 0)  # after some calls at once, or a hiccup
    assert [should_shed(0.9, 0.19) for _ in range(5)] == [False] * 5
    assert [should_shed(0.9, 0.2) for _ in range(3)] == [True] * 3
    assert not should_shed(0.15, 0.2)
    assert not should_shed(0.0, 0.2)  # it is gone
    assert [should_shed(0.9, 0.19) for _ in range(5)] == [False] * 5
    # Two calls that had to wait, with nothing in between, are no queue.
    assert not should_shed(0.9, 50)
    assert not should_shed(0.9, 50)


@linux
def test_the_log_says_why_a_call_is_shed(caplog: pytest.LogCaptureFixture) -> None:
    load_shedder = LoadShedder(2.0)
    load_shedder.should_shed({"gunicorn.socket": Fake(1.5)}, RPC)
    load_shedder.should_shed({"gunicorn.socket": Fake(0, state=8)}, RPC)
    assert caplog.messages == [
        "overload: more calls than the threads can serve. Refused with 503: a call that had waited for 1.5 s, "
        "which is more than 1 s [event=rpc]",
        "overload: refused with 503: a call whose caller had hung up [event=rpc]",
    ]


def app_with(**config: Any) -> tuple[Flask, list[object]]:
    app, seen = Flask("app"), list[object]()
    app.config.update({"PROXYHOOKS_SECRETS": ["s3cret"], **config})
    hooks = ProxyHooks(app)

    hooks.connect(lambda req: ConnectResult(user="42"))

    @hooks.rpc("work")
    def work(req: RPCRequest) -> RPCResult:
        seen.append(req.data)
        time.sleep(0.02)
        if req.data == "refuse":
            raise Error(1001, "no")
        return RPCResult()

    return app, seen


def connected(app: Flask) -> ProxyClient:
    client = ProxyClient(app)
    client.connect()
    return client


def ask(app: Flask, seconds: float, secret: str = "s3cret", state: int = 1) -> int:
    environ = {"gunicorn.socket": Fake(seconds, state)}
    headers = {"X-Proxyhooks-Secret": secret}
    body = b'{"method":"work","data":1}'
    return app.test_client().post("/centrifugo/rpc", data=body, headers=headers, environ_overrides=environ).status_code


@linux
def test_a_call_that_comes_too_late_costs_no_hook() -> None:
    app, seen = app_with(PROXYHOOKS_TIMEOUT=2)
    before = list[object]()
    app.before_request(lambda: before.append(1))
    assert (ask(app, 1.5), seen, before) == (503, [], [])
    assert (ask(app, 0, state=8), seen, before) == (503, [], [])
    assert ask(app, 1.5, secret="wrong") == 403
    assert (ask(app, 0.5), seen, before) == (200, [1], [1])


def test_a_call_that_the_worker_received_too_long_ago_costs_no_hook() -> None:
    app, seen = app_with(PROXYHOOKS_TIMEOUT=200)
    for age, status in ((1000, 503), (0, 200)):
        environ = {"proxyhooks.received": time.monotonic() - age}
        client = app.test_client()
        body, headers = b'{"method":"work","data":1}', {"X-Proxyhooks-Secret": "s3cret"}
        reply = client.post("/centrifugo/rpc", data=body, headers=headers, environ_overrides=environ)
        assert reply.status_code == status
    assert seen == [1]


@linux
def test_without_a_setting_the_timeout_is_what_config_writes() -> None:
    app, _ = app_with()
    assert (ask(app, 1.4), ask(app, 1.6)) == (200, 503)


@pytest.mark.usefixtures("log_without_rate_limit")
def test_a_hook_that_takes_longer_than_centrifugo_waits_is_named(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = app_with(PROXYHOOKS_TIMEOUT=0.01)
    client = connected(app)
    client.rpc("work")
    assert "test_load_shedding.py:" in caplog.text
    assert re.search(r"for rpc took \d+(\.\d+)? s", caplog.text)
    assert "Centrifugo has given up after 0.01 s (PROXYHOOKS_TIMEOUT)" in caplog.text
    caplog.clear()
    client.rpc("work", "refuse")
    assert re.search(r"for rpc took \d+(\.\d+)? s", caplog.text)


def test_one_that_is_quick_enough_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        connected(app_with(PROXYHOOKS_TIMEOUT=200)[0]).rpc("work")
    assert "took" not in caplog.text


@pytest.mark.parametrize("value", ["3s", "3", True, 0, -1, float("inf"), float("nan"), None, [3]])
def test_a_timeout_is_a_number_of_seconds(value: object) -> None:
    with pytest.raises(SetupError, match="PROXYHOOKS_TIMEOUT must be a number of seconds above 0, such as 3"):
        app_with(PROXYHOOKS_TIMEOUT=value)


def test_a_timeout_may_have_a_fraction() -> None:
    assert TIMEOUT.read({"PROXYHOOKS_TIMEOUT": 0.25}) == 0.25
    assert TIMEOUT.read({"PROXYHOOKS_TIMEOUT": 2}) == 2.0
    assert TIMEOUT.read({}) == 3.0
