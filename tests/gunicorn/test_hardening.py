"""gunicorn's own workers, against callers that have no secret."""

from __future__ import annotations

import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import Response

from proxyhooks.gunicorn import descriptors, settings
from proxyhooks.gunicorn.hardening import close_at_once, closing_on_request, harden
from tests.support.waiting import DEFAULT_TIMEOUT


@pytest.fixture
def cfg() -> Any:
    cfg = Config()
    for name in settings.__all__:
        cfg.set(name, getattr(settings, name))
    return cfg


@pytest.fixture
def hardened(cfg: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker after harden(), which changes gunicorn's classes for this test only."""
    monkeypatch.setattr(RequestParser, "mesg_class", RequestParser.mesg_class)
    monkeypatch.setattr(util, "close_graceful", util.close_graceful)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (20_000, 20_000))
    worker = SimpleNamespace(cfg=cfg, wsgi=lambda environ, start_response: (), worker_connections=1000)
    worker.max_keepalived = 1000 - cfg.threads
    harden(worker)
    return worker


HEAD = b"POST /centrifugo/rpc HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("parser", ["python", "auto"])
@pytest.mark.parametrize(
    ("fields", "size", "accepted"), [(1, 65_000, True), (2, 60_000, True), (3, 65_000, False), (199, 65_000, False)]
)
def test_a_head_has_a_bound(hardened: Any, cfg: Any, parser: str, fields: int, size: int, accepted: bool) -> None:
    cfg.set("http_parser", parser)
    packets = [HEAD, *(b"X-%d: %s\r\n" % (number, b"x" * size) for number in range(fields)), b"\r\n"]
    read = []

    def received() -> Iterator[bytes]:
        for packet in packets:
            for start in range(0, len(packet), 8192):
                read.append(packet[start : start + 8192])
                yield read[-1]

    requests = RequestParser(cfg, received(), ("127.0.0.1", 1))
    if accepted:
        assert len(next(requests).headers) == fields + 1
    else:
        with pytest.raises(LimitRequestHeaders):
            next(requests)
        assert sum(map(len, read)) < 160 * 1024


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A peer, and the connection as the server has it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname(), timeout=DEFAULT_TIMEOUT)
        served, _ = listening.accept()
    with peer, served:
        yield peer, served


def test_closing_a_connection_does_not_wait_for_the_peer(pair: tuple[socket.socket, socket.socket]) -> None:
    peer, served = pair
    served.sendall(b"the reply")
    closed = threading.Event()
    threading.Thread(target=lambda: (close_at_once(served, timeout=300), closed.set()), daemon=True).start()
    assert closed.wait(DEFAULT_TIMEOUT)
    assert served.fileno() == -1
    assert peer.makefile("rb").read() == b"the reply"


def test_a_peer_that_has_sent_more_than_was_read_gets_the_reply(pair: tuple[socket.socket, socket.socket]) -> None:
    peer, served = pair
    peer.sendall(b"x" * 50_000)
    while len(served.recv(65_536, socket.MSG_PEEK)) < 50_000:
        time.sleep(0.01)
    served.sendall(b"the reply")
    close_at_once(served)
    assert peer.makefile("rb").read() == b"the reply"


def test_closing_a_connection_that_is_gone_does_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    _, served = pair
    close_at_once(served)
    close_at_once(served)


@pytest.mark.parametrize("asks", [True, False])
def test_an_application_can_ask_for_the_close_of_its_connection(asks: bool, cfg: Any) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if asks:
            environ["proxyhooks.close_connection"] = True
        start_response("403 Forbidden", [("Content-Length", "2")])
        return [b"no"]

    request = next(RequestParser(cfg, iter([HEAD + b"\r\n"]), ("127.0.0.1", 1)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response = Response(request, ours, cfg)
        for chunk in closing_on_request(application)({}, response.start_response):
            response.write(chunk)
        assert (b"Connection: close" in theirs.recv(1000)) == asks
        assert response.should_close() == asks


@pytest.mark.parametrize(
    ("limit", "connections", "silent"),
    [(256, 128, 96), (1024, 512, 384), (20_000, 10_000, 4096), (resource.RLIM_INFINITY, sys.maxsize // 2, 4096)],
)
def test_connections_leave_descriptors_to_the_application(
    limit: int, connections: int, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert descriptors.max_silent_connections() == silent
    assert descriptors.max_connections() == connections


def test_gthread_keeps_no_more_connections_than_there_are_descriptors(
    cfg: Any, monkeypatch: pytest.MonkeyPatch, hardened: Any
) -> None:
    assert (hardened.worker_connections, hardened.max_keepalived) == (1000, 984)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    harden(hardened)
    assert (hardened.worker_connections, hardened.max_keepalived) == (128, 112)
