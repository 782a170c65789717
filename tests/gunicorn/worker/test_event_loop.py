"""Connections of a worker, without gunicorn: the test leads, and serves requests when it wants to."""

from __future__ import annotations

import errno
import functools
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from proxyhooks.gunicorn.worker import connections as connections_module
from proxyhooks.gunicorn.worker import event_loop as event_loop_module
from proxyhooks.gunicorn.worker import limits as limits_module
from proxyhooks.gunicorn.worker.connection import CLOSED, Connection
from proxyhooks.gunicorn.worker.event_loop import EventLoop
from proxyhooks.gunicorn.worker.limits import TimeLimits
from proxyhooks.gunicorn.worker.request_reader import RequestReader
from tests.support.waiting import DEFAULT_TIMEOUT

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = TimeLimits(header=10, body=20, send=30, keepalive=60)
LARGE = 8 * 1024 * 1024
"""Bytes; more than the kernel takes for a client that does not read."""


class Clock:
    """Replaces the time of the event loop."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class FailingListener:
    """A listener whose ``accept`` raises an error, as long as there is one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.error: OSError | None = None

    def accept(self) -> Any:
        if self.error is not None:
            raise self.error
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Loop:
    """An event loop whose time is a fake clock, with its clients."""

    def __init__(self, clock: Clock, capacity: int = 100) -> None:
        self.clock = clock
        self.ready: list[Connection] = []
        self.clients: list[socket.socket] = []
        self.listener = FailingListener(socket.create_server(("127.0.0.1", 0), backlog=128))
        self.loop = EventLoop(
            [self.listener],
            RequestReader(Config(), observed=True),
            LIMITS,
            capacity=capacity,
            permits=[None],
            on_request=self.ready.append,
            is_foreign=lambda client: False,
        )

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname(), timeout=DEFAULT_TIMEOUT)
        self.clients.append(client)
        self.turn()
        return client

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and act on all events that there are."""
        self.clock.now += seconds
        for _ in range(20):
            self.loop.wait(block=False)

    def until(self, condition: Callable[[], object]) -> None:
        """Act on events until the condition is true; what a client sends may take a moment."""
        for _ in range(2_000):
            self.loop.wait(block=False)
            if condition():
                return
            time.sleep(0.005)
        raise AssertionError("waited in vain")

    def request(self, client: socket.socket, data: bytes = GET % 0) -> Connection:
        """Send a request, and return its connection, which is now busy."""
        client.sendall(data)
        self.until(lambda: self.ready)
        return self.ready.pop()

    def reply(self, connection: Connection, body: bytes = b"reply", *, keep: bool = True) -> None:
        connection.sock.begin()
        connection.sock.streams = False
        connection.sock.sendall(body)
        self.loop.connections.release(connection, keep)

    def close(self) -> None:
        self.loop.close()
        for client in self.clients:
            client.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (event_loop_module, connections_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def loop(clock: Clock) -> Iterator[Loop]:
    loop = Loop(clock)
    yield loop
    loop.close()


@pytest.fixture
def small(clock: Clock) -> Iterator[Loop]:
    """A loop with room for four connections."""
    loop = Loop(clock, capacity=4)
    yield loop
    loop.close()


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.settimeout(DEFAULT_TIMEOUT)


def paths(connections: list[Connection]) -> list[str]:
    return [connection.parser.mesg.path for connection in connections]


def test_a_request_is_handed_over_and_its_reply_is_sent(loop: Loop) -> None:
    client = loop.connect()
    for number in range(3):
        connection = loop.request(client, GET % number)
        assert paths([connection]) == [f"/{number}"]
        loop.reply(connection)
        assert client.recv(100) == b"reply"


def test_pipelined_requests_are_served_one_after_the_other(loop: Loop) -> None:
    client = loop.connect()
    connection = loop.request(client, GET % 0 + GET % 1 + GET % 2)
    for number in range(3):
        assert paths([connection]) == [f"/{number}"]
        assert loop.ready == []
        loop.reply(connection)
        loop.turn()
        if number < 2:
            connection = loop.ready.pop()
    assert loop.ready == []


@pytest.mark.parametrize("when", ["busy", "sending"])
def test_a_request_that_comes_before_the_reply_is_read_is_not_lost(loop: Loop, when: str) -> None:
    client = loop.connect()
    connection = loop.request(client)
    if when == "busy":
        client.sendall(GET % 1)
        loop.turn()
    loop.reply(connection, b"x" * LARGE)
    if when == "sending":
        client.sendall(GET % 1)
        loop.turn()
    assert loop.ready == []
    received = 0
    while received < LARGE:
        received += len(client.recv(LARGE))
        loop.turn()
    loop.until(lambda: loop.ready)
    assert paths(loop.ready) == ["/1"]


def test_what_comes_while_a_request_is_served_is_read_after_the_reply(loop: Loop) -> None:
    client, closing = loop.connect(), loop.connect()
    connection, other = loop.request(client), loop.request(closing)
    client.sendall(GET % 1)
    closing.close()
    loop.until(lambda: connection.missed_events and other.missed_events)
    loop.reply(other)
    loop.reply(connection)
    assert paths(loop.ready) == ["/1"]
    assert len(loop.loop.connections) == 1


def test_a_client_that_closes_its_side_gets_its_reply(loop: Loop) -> None:
    client = loop.connect()
    client.sendall(GET % 0)
    client.shutdown(socket.SHUT_WR)
    loop.until(lambda: loop.ready)
    loop.reply(loop.ready.pop())
    assert client.recv(100) == b"reply"
    assert client.recv(100) == b""
    assert len(loop.loop.connections) == 0


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"])
def test_a_connection_that_breaks_is_forgotten(loop: Loop, sent: bytes) -> None:
    client = loop.connect()
    client.sendall(sent)
    loop.turn()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # close() resets
    client.close()
    loop.until(lambda: not len(loop.loop.connections))
    assert loop.ready == []


@pytest.mark.parametrize(
    ("sent", "limit", "reply"),
    [
        (b"", LIMITS.keepalive, b""),
        (b"GET / HT", LIMITS.header, b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", LIMITS.body, b"HTTP/1.1 408 "),
    ],
    ids=["silent", "head", "body"],
)
def test_a_request_has_a_time_limit(loop: Loop, sent: bytes, limit: float, reply: bytes) -> None:
    client = loop.connect()
    client.sendall(sent)
    loop.until(lambda: not sent or next(iter(loop.loop.connections.by_fd.values())).buffer)
    loop.turn(limit - 1)
    assert is_open(client)
    loop.turn(2)
    assert client.recv(1_000).startswith(reply)
    assert not is_open(client)


def has_received(connection: Connection, size: int) -> bool:
    return len(connection.buffer) == size


def test_a_byte_now_and_then_does_not_extend_the_time_limit(loop: Loop) -> None:
    client = loop.connect()
    client.sendall(b"GET / HTTP/1.1\r\nX: ")
    connection = next(iter(loop.loop.connections.by_fd.values()))
    for sent in range(int(LIMITS.header)):
        loop.until(functools.partial(has_received, connection, len("GET / HTTP/1.1\r\nX: ") + sent))
        loop.turn(1)
        assert is_open(client)
        client.sendall(b"a")
    loop.turn(1.5)
    assert client.recv(1_000).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_kept_until_its_limit(loop: Loop) -> None:
    client = loop.connect()
    loop.reply(loop.request(client))
    assert client.recv(100) == b"reply"
    loop.turn(LIMITS.keepalive - 1)
    assert is_open(client)
    loop.turn(2)
    assert not is_open(client)


def test_a_busy_connection_has_no_time_limit(loop: Loop) -> None:
    client = loop.connect()
    connection = loop.request(client)
    loop.turn(10_000)
    assert is_open(client)
    loop.reply(connection)
    assert client.recv(100) == b"reply"


def test_a_reply_that_nobody_reads_has_a_time_limit(loop: Loop) -> None:
    client = loop.connect()
    loop.reply(loop.request(client), b"x" * LARGE)
    loop.turn(LIMITS.send - 1)
    assert len(loop.loop.connections) == 1
    loop.turn(2)
    assert len(loop.loop.connections) == 0


def test_a_client_that_ends_its_side_late_lingers_for_a_while(loop: Loop) -> None:
    client = loop.connect()
    loop.reply(loop.request(client), keep=False)
    assert client.recv(100) == b"reply"
    assert client.recv(100) == b""
    client.sendall(b"more")
    loop.turn()
    assert len(loop.loop.connections) == 1
    loop.turn(3)
    assert len(loop.loop.connections) == 0


def test_a_client_that_lingers_may_not_send_without_end(loop: Loop) -> None:
    client = loop.connect()
    loop.reply(loop.request(client), keep=False)
    for _ in range(4):
        try:
            client.sendall(b"x" * 32_768)
        except OSError:  # it has been closed
            break
        loop.turn()
    loop.until(lambda: not len(loop.loop.connections))


def test_a_worker_that_stops_keeps_idle_connections_for_a_moment(loop: Loop) -> None:
    client, other = loop.connect(), loop.connect()
    loop.reply(loop.request(client))
    loop.turn(30)
    loop.loop.stop_accepting(drain_backlog=False)
    loop.loop.draining_since = loop.clock.now
    loop.turn(1)
    assert is_open(other)
    connection = loop.request(client)
    loop.turn(2)
    assert not is_open(other)
    loop.reply(connection, keep=False)
    assert client.recv(100) == b"replyreply"


def test_the_backlog_is_served_before_the_listener_is_closed(loop: Loop) -> None:
    clients = [socket.create_connection(loop.listener.getsockname(), timeout=DEFAULT_TIMEOUT) for _ in range(30)]
    loop.clients += clients
    loop.loop.stop_accepting(drain_backlog=True)
    assert len(loop.loop.connections) == 30
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(clients[0].getpeername(), timeout=DEFAULT_TIMEOUT)
    for client in clients:
        loop.reply(loop.request(client))
        assert client.recv(100) == b"reply"


def test_silent_connections_can_be_closed_but_not_those_that_have_sent_a_request(loop: Loop) -> None:
    silent, used, speaking = loop.connect(), loop.connect(), loop.connect()
    loop.reply(loop.request(used))
    speaking.sendall(GET % 0)
    loop.loop.close_silent()
    assert [is_open(client) for client in (silent, used, speaking)] == [False, True, True]
    loop.until(lambda: loop.ready)


def test_the_oldest_stranger_makes_room(small: Loop) -> None:
    clients = [small.connect() for _ in range(4)]
    accepted = small.request(clients[0])
    accepted.accepted = True
    small.reply(accepted)
    newest = small.connect()
    assert [is_open(client) for client in clients] == [True, False, True, True]
    assert is_open(newest)


def test_those_who_are_accepted_make_no_room_unless_they_have_been_idle(small: Loop) -> None:
    clients = [small.connect() for _ in range(4)]
    for client in clients:
        connection = small.request(client)
        connection.accepted = True
        small.reply(connection)
        assert client.recv(100) == b"reply"
    late = small.connect()
    assert len(small.loop.connections) == 4
    assert all(map(is_open, clients))
    small.turn(11)
    small.until(lambda: not all(map(is_open, clients)))
    assert sum(map(is_open, clients)) == 3
    small.reply(small.request(late))
    assert late.recv(100) == b"reply"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_accepting_pauses_while_there_are_no_descriptors(loop: Loop, code: int) -> None:
    kept = loop.connect()
    connection = loop.request(kept)
    loop.listener.error = OSError(code, "no more")
    client = loop.connect()
    assert len(loop.loop.connections) == 1
    loop.reply(connection)
    assert kept.recv(100) == b"reply"
    loop.listener.error = None
    loop.turn()
    assert len(loop.loop.connections) == 1  # still a pause
    loop.turn(1)
    loop.reply(loop.request(client))
    assert client.recv(100) == b"reply"


def test_memory_of_unfinished_requests_has_a_bound(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (event_loop_module, limits_module):
        monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100_000)
    clients = []
    for _ in range(5):
        client = loop.connect()
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"x" * 30_000)
        loop.turn(1)
        clients.append(client)
    loop.until(lambda: sum(map(is_open, clients)) == 3)
    assert [is_open(client) for client in clients] == [False, False, True, True, True]


def test_an_error_in_one_connection_does_not_lose_the_events_of_others(
    loop: Loop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [loop.connect() for _ in range(3)]
    victim = next(iter(loop.loop.connections.by_fd.values()))
    feed = RequestReader.feed

    def fail(self: RequestReader, connection: Connection, data: bytes) -> bool:
        if connection is victim:
            raise RuntimeError("cannot read this")
        return feed(self, connection, data)

    monkeypatch.setattr(RequestReader, "feed", fail)
    for client in clients:
        client.sendall(GET % 0)
    loop.until(lambda: len(loop.ready) == 2)
    assert [is_open(client) for client in clients] == [False, True, True]
    assert "cannot read this" in caplog.text


def test_a_closed_connection_keeps_no_memory(loop: Loop) -> None:
    client = loop.connect()
    connection = loop.request(client, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
    loop.reply(connection)
    assert connection.parser.mesg is None
    client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nhello")
    loop.until(lambda: connection.buffer)
    client.close()
    loop.until(lambda: connection.state == CLOSED or loop.ready)
    for ready in loop.ready:
        loop.loop.connections.close(ready)
    assert not connection.buffer
    assert not connection.sock.unsent


def test_the_pipe_wakes_the_loop(loop: Loop) -> None:
    reader, writer = socket.socketpair()
    with reader, writer:
        woken = SimpleNamespace(count=0)

        def on_wake() -> None:
            woken.count += len(reader.recv(10))

        loop.loop.watch_pipe(reader.fileno(), on_wake)
        loop.turn()
        assert woken.count == 0
        writer.sendall(b"xx")
        loop.turn()
        assert woken.count == 2
