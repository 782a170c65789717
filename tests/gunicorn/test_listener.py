"""The listening socket that hands out connections with data to read."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.gunicorn.listener import Listener
from tests.support.waiting import DEFAULT_TIMEOUT

MOMENT = 0.5
"""Seconds, for events that must not come."""


def listen(sock: Any, max_silent: int = 100) -> Listener:
    return Listener(sock, max_silent, receive_timeout=30.25, send_timeout=0.5)


@contextmanager
def create_listener(max_silent: int) -> Iterator[Listener]:
    with closing(listen(socket.create_server(("127.0.0.1", 0)), max_silent)) as listener:
        yield listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    with create_listener(max_silent=100) as listener:
        yield listener


def connect(listener: Listener, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=DEFAULT_TIMEOUT, source_address=(host, 0))


def is_readable(listener: Listener, seconds: float = DEFAULT_TIMEOUT) -> bool:
    """Whether gunicorn gets an event within this time."""
    return bool(select.select([listener], [], [], seconds)[0])


def accept(listener: Listener) -> socket.socket | None:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return None
    return connection


def test_a_connection_is_handed_out_once_it_has_data(listener: Listener) -> None:
    with connect(listener) as client:
        assert is_readable(listener)
        assert accept(listener) is None
        assert not is_readable(listener, MOMENT)
        client.sendall(b"x")
        assert is_readable(listener)
        connection, address = listener.accept()
        with connection:
            assert (connection.recv(1), address) == (b"x", client.getsockname())
        assert accept(listener) is None


def test_a_connection_that_sends_at_once_is_handed_out_at_once(listener: Listener) -> None:
    with connect(listener) as client:
        client.sendall(b"x")
        assert is_readable(listener)
        connection = accept(listener)
        assert connection is not None
        connection.close()


def test_a_closed_connection_is_handed_out_for_gunicorn_to_see(listener: Listener) -> None:
    connect(listener).close()
    assert is_readable(listener)
    connection = accept(listener) or accept(listener)
    assert connection is not None
    assert connection.recv(1) == b""
    connection.close()


def settle(listener: Listener) -> None:
    """Let the listener accept everything, while no connection has data."""
    for _ in range(50):
        if not is_readable(listener, MOMENT):
            return
        assert accept(listener) is None
    raise AssertionError("the listener stays readable")


def serves(listener: Listener, client: socket.socket) -> bool:
    """Whether the connection is handed out after it has sent a byte; if not, it was closed."""
    if select.select([client], [], [], 0)[0]:
        assert client.recv(1) == b""
        return False
    client.sendall(b"x")
    assert is_readable(listener)
    connection, _ = listener.accept()
    connection.close()
    return True


def test_the_number_of_silent_connections_is_limited() -> None:
    with create_listener(max_silent=3) as listener:
        clients = [connect(listener) for _ in range(5)]
        settle(listener)
        # The oldest were closed.
        assert [serves(listener, client) for client in clients] == [False, False, True, True, True]
        for client in clients:
            client.close()


def test_a_host_displaces_its_own_silent_connections_first() -> None:
    with create_listener(max_silent=4) as listener:
        fresh = connect(listener, "127.0.0.2")
        flood = [connect(listener, "127.0.0.3") for _ in range(20)]
        late = connect(listener, "127.0.0.4")
        settle(listener)
        assert [serves(listener, client) for client in (fresh, late, *flood)] == [True, True, *[False] * 18, True, True]
        for client in (fresh, late, *flood):
            client.close()


def test_connections_of_a_unix_socket_are_of_one_host(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.listen()
        with closing(listen(sock, max_silent=1)) as listener:
            clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
            for client in clients:
                client.settimeout(DEFAULT_TIMEOUT)
                client.connect(str(tmp_path / "socket"))
            settle(listener)
            assert [serves(listener, client) for client in clients] == [False, False, True]
            for client in clients:
                client.close()


class SocketWithoutResources:
    """A listening socket that accepts only as many connections as there are resources for."""

    def __init__(self, resources: int, error: int = errno.EMFILE) -> None:
        self.socket, self.resources, self.error = socket.create_server(("127.0.0.1", 0)), resources, error

    def accept(self) -> tuple[socket.socket, Any]:
        if self.resources <= 0 and select.select([self.socket], [], [], 0)[0]:
            raise OSError(self.error, os.strerror(self.error))
        connection, address = self.socket.accept()
        self.resources -= 1
        return connection, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_resources_accepting_pauses_and_goes_on(error: int) -> None:
    sock = SocketWithoutResources(0, error)
    with closing(listen(sock)) as listener:
        clients = [connect(listener) for _ in range(3)]
        assert is_readable(listener)
        assert accept(listener) is None
        assert not select.select([listener], [], [], 0)[0]  # otherwise gunicorn would try again without end
        sock.resources = 3
        settle(listener)
        assert [serves(listener, client) for client in clients] == [True] * 3
        for client in clients:
            client.close()


def test_without_resources_silent_connections_make_room() -> None:
    class Releasing(SocketWithoutResources):
        def accept(self) -> tuple[socket.socket, Any]:
            try:
                return super().accept()
            except OSError:
                self.resources = 1  # of the connection that the listener closes now
                raise

    with closing(listen(Releasing(2))) as listener:
        clients = [connect(listener) for _ in range(4)]
        settle(listener)
        assert [serves(listener, client) for client in clients] == [False, False, True, True]
        for client in clients:
            client.close()


def test_without_resources_a_stop_ends() -> None:
    with closing(listen(SocketWithoutResources(0))) as listener, connect(listener):
        listener.stop_accepting(drain_backlog=True)
        assert accept(listener) is None
    with closing(listen(SocketWithoutResources(0))) as listener, connect(listener):
        assert accept(listener) is None  # accepting has paused
        listener.stop_accepting(drain_backlog=True)
        settle(listener)


def test_another_error_of_the_socket_is_raised() -> None:
    listener = listen(SocketWithoutResources(0, errno.EINVAL))
    with closing(listener), connect(listener), pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        listener.accept()


def test_a_connection_that_is_handed_out_does_not_wait_without_end(listener: Listener) -> None:
    with connect(listener) as client:
        client.sendall(b"x")
        assert is_readable(listener)
        with listener.accept()[0] as connection:
            timeouts = [
                struct.unpack("ll", connection.getsockopt(socket.SOL_SOCKET, option, 16))
                for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)
            ]
            # The kernel counts in ticks of a few milliseconds.
            assert [seconds + microseconds / 1e6 for seconds, microseconds in timeouts] == pytest.approx(
                [30.25, 0.5], abs=0.02
            )
            connection.setblocking(True)
            with pytest.raises(BlockingIOError):
                connection.sendall(b"x" * 10_000_000)


def test_a_stop_serves_the_backlog_and_refuses_later_connections(listener: Listener) -> None:
    clients = [connect(listener) for _ in range(50)]
    clients[0].sendall(b"x")
    listener.stop_accepting(drain_backlog=True)
    listener.stop_accepting(drain_backlog=True)  # a second time has no effect
    with pytest.raises(ConnectionRefusedError):
        connect(listener)
    for client in clients[1:]:
        client.sendall(b"x")
    connections = []
    for _ in range(50):
        assert is_readable(listener)
        connection = accept(listener)
        assert connection is not None
        connections.append(connection)
    assert not is_readable(listener, MOMENT)
    assert len(connections) == 50
    for connection in (*connections, *clients):
        connection.close()


def test_one_of_several_workers_leaves_new_connections_to_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        other = sock.dup()
        other.settimeout(DEFAULT_TIMEOUT)
        with socket.socket(fileno=sock.dup().detach()) as own:
            listener = listen(own)
            listener.stop_accepting(drain_backlog=False)
            with socket.create_connection(sock.getsockname(), timeout=DEFAULT_TIMEOUT) as client:
                client.sendall(b"x")
                assert not is_readable(listener, MOMENT)
                assert accept(listener) is None
                other.accept()[0].close()
            listener.close()
        other.close()


def test_silent_connections_are_closed_in_the_end(listener: Listener) -> None:
    with connect(listener) as client:
        assert is_readable(listener)
        assert accept(listener) is None
        listener.close_silent()
        assert client.recv(1) == b""


def test_other_attributes_are_those_of_the_socket(listener: Listener) -> None:
    assert listener.family == socket.AF_INET
    listener.setblocking(True)
    assert accept(listener) is None
