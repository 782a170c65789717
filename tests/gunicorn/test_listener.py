"""The listening socket that hands out connections with data to read."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from proxyhooks.gunicorn.listener import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener(socket.create_server(("127.0.0.1", 0)))
    yield listener
    listener.close()


def connect(listener: Listener) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=5)


def is_readable(listener: Listener) -> bool:
    """Whether gunicorn gets an event, within half a second."""
    return bool(select.select([listener], [], [], 0.5)[0])


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
        assert not is_readable(listener)
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


def test_the_number_of_silent_connections_is_limited(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyhooks.gunicorn.listener._MAX_SILENT", 3)
    clients = [connect(listener) for _ in range(5)]
    for _ in range(20):
        if not is_readable(listener):
            break
        assert accept(listener) is None
    assert not is_readable(listener)
    # The oldest were closed.
    assert [client.recv(1) for client in clients[:2]] == [b"", b""]
    for client in clients[2:]:
        client.sendall(b"x")
        assert is_readable(listener)
        connection = accept(listener)
        assert connection is not None
        connection.close()
        client.close()
    for client in clients[:2]:
        client.close()


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
    assert not is_readable(listener)
    assert len(connections) == 50
    for connection in (*connections, *clients):
        connection.close()


def test_one_of_several_workers_leaves_new_connections_to_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        other = sock.dup()
        other.settimeout(5)
        with socket.socket(fileno=sock.dup().detach()) as own:
            listener = Listener(own)
            listener.stop_accepting(drain_backlog=False)
            with socket.create_connection(sock.getsockname(), timeout=5) as client:
                client.sendall(b"x")
                assert not is_readable(listener)
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
