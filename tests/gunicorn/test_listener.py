"""The listening socket that hands out connections that have something to say."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from proxyhooks.gunicorn.listener import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = socket.create_server(("127.0.0.1", 0))
    found = Listener(listening)
    yield found
    found.close()


def wait(listener: Listener) -> bool:
    """Whether gunicorn would be told of something."""
    return bool(select.select([listener], [], [], 0.5)[0])


def accept(listener: Listener) -> socket.socket | None:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return None
    return connection


def test_a_connection_is_handed_out_when_it_can_be_read(listener: Listener) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        assert wait(listener)
        assert accept(listener) is None
        assert not wait(listener)
        client.sendall(b"x")
        assert wait(listener)
        connection, address = listener.accept()
        with connection:
            assert (connection.recv(1), address) == (b"x", client.getsockname())
        assert accept(listener) is None


def test_one_that_speaks_at_once_is_handed_out_at_once(listener: Listener) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"x")
        assert wait(listener)
        found = accept(listener)
        assert found is not None
        found.close()


def test_one_that_is_closed_is_handed_out_for_gunicorn_to_see(listener: Listener) -> None:
    socket.create_connection(listener.getsockname()).close()
    assert wait(listener)
    found = accept(listener) or accept(listener)
    assert found is not None
    assert found.recv(1) == b""
    found.close()


def test_many_that_are_silent_do_not_grow_in_number(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyhooks.gunicorn.listener._MAX_SILENT", 3)
    clients = [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(5)]
    while wait(listener):
        assert accept(listener) is None
    # Those that have been silent for longest made room.
    assert [client.recv(1) for client in clients[:2]] == [b"", b""]
    for client in clients[2:]:
        client.sendall(b"x")
        assert wait(listener)
        found = accept(listener)
        assert found is not None
        found.close()
        client.close()
    for client in clients[:2]:
        client.close()


def test_who_comes_last_is_served_and_later_ones_are_refused(listener: Listener) -> None:
    early = [socket.create_connection(listener.getsockname()) for _ in range(50)]
    early[0].sendall(b"x")
    listener.stop_accepting(last=True)
    listener.stop_accepting(last=True)  # once more is nothing
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname())
    for client in early[1:]:
        client.sendall(b"x")
    found = []
    while wait(listener):
        connection = accept(listener)
        assert connection is not None
        found.append(connection)
    assert len(found) == 50
    for connection in (*found, *early):
        connection.close()


def test_one_of_several_leaves_new_connections_to_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        other = listening.dup()
        other.setblocking(False)
        with socket.socket(fileno=listening.dup().detach()) as own:
            listener = Listener(own)
            listener.stop_accepting(last=False)
            with socket.create_connection(listening.getsockname()) as client:
                client.sendall(b"x")
                assert not wait(listener)
                assert accept(listener) is None
                other.accept()[0].close()
            listener.close()
        other.close()


def test_silent_ones_are_closed_in_the_end(listener: Listener) -> None:
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert wait(listener)
        assert accept(listener) is None
        listener.close_silent()
        assert client.recv(1) == b""


def test_it_is_otherwise_the_socket_it_stands_for(listener: Listener) -> None:
    assert listener.family == socket.AF_INET
    listener.setblocking(True)
    assert accept(listener) is None
