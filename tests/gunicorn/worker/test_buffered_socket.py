"""Replies are collected, and a client that does not read holds no thread for long."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from proxyhooks.gunicorn.worker import buffered_socket
from proxyhooks.gunicorn.worker.buffered_socket import BufferedSocket
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

LARGE = 4 * 1024 * 1024
"""Bytes; more than the kernel takes for a client that does not read."""


class CountedSocket(socket.socket):
    """Counts the calls of send."""

    sends = 0

    def send(self, *args: Any) -> int:
        self.sends += 1
        return super().send(*args)


class Pair:
    """A reply's socket and its client.

    :param permits: how many threads may wait for clients.
    """

    def __init__(self, permits: int, send_timeout: float) -> None:
        raw, self.client = socket.socketpair()
        self.raw = CountedSocket(fileno=raw.detach())
        self.raw.setblocking(False)
        self.client.settimeout(DEFAULT_TIMEOUT)
        self.permits = [None] * permits
        self.sock = BufferedSocket(self.raw, send_timeout, self.permits)
        self.sock.begin()

    def close(self) -> None:
        self.raw.close()
        self.client.close()

    def receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size and (data := self.client.recv(1024 * 1024)):
            parts += data
        return bytes(parts)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(permits=1, send_timeout=20)
    yield pair
    pair.close()


@pytest.fixture
def impatient() -> Iterator[Pair]:
    pair = Pair(permits=1, send_timeout=0.05)
    yield pair
    pair.close()


def send_rest(pair: Pair, size: int) -> bytes:
    """Send what is left, as the event loop does, and return the whole reply."""
    received = bytearray()
    while pair.sock.unsent:
        received += pair.client.recv(1024 * 1024)
        pair.sock.send_unsent()
    return bytes(received) + pair.receive(size - len(received))


def test_a_reply_is_sent_with_one_call(pair: Pair) -> None:
    pair.sock.streams = False
    for part in (b"head ", b"a ", b"b"):
        pair.sock.sendall(part)
    assert pair.raw.sends == 0
    pair.sock.flush()
    assert (pair.raw.sends, pair.receive(8)) == (1, b"head a b")
    pair.sock.flush()
    assert pair.raw.sends == 1


def test_a_large_reply_is_not_collected_as_a_whole(pair: Pair) -> None:
    pair.sock.streams = False
    for _ in range(3):
        pair.sock.sendall(b"x" * 40_000)
    assert pair.raw.sends == 1
    assert pair.receive(80_000) == b"x" * 80_000


def test_the_head_of_a_stream_goes_out_with_its_first_block_and_the_others_at_once(pair: Pair) -> None:
    pair.sock.sendall(b"head ")
    assert pair.raw.sends == 0
    pair.sock.sendall(b"one ")
    assert (pair.raw.sends, pair.receive(9)) == (1, b"head one ")
    pair.sock.sendall(b"two")
    assert (pair.raw.sends, pair.receive(3)) == (2, b"two")


def test_send_does_not_wait_for_more(pair: Pair) -> None:
    assert pair.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n") == 25
    assert pair.receive(25) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_what_the_client_does_not_take_is_kept(pair: Pair) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    pair.sock.streams = False
    pair.sock.sendall(data)
    assert 0 < len(pair.sock.unsent) < LARGE
    pair.sock.sendall(b"end")
    pair.sock.flush()
    assert send_rest(pair, LARGE + 3) == data + b"end"


def test_a_client_that_takes_nothing_makes_no_progress(pair: Pair) -> None:
    pair.sock.streams = False
    pair.sock.sendall(b"x" * LARGE)
    while pair.sock.send_unsent():
        pass
    unsent = len(pair.sock.unsent)
    assert not pair.sock.send_unsent()
    assert len(pair.sock.unsent) == unsent


def test_a_stream_waits_for_its_client(pair: Pair) -> None:
    blocks = [bytes([number]) * 65_536 for number in range(64)]

    def write() -> None:
        for block in blocks:
            pair.sock.sendall(block)
        pair.sock.flush()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    wait_until(lambda: not pair.permits, "the stream to wait")
    expected = b"".join(blocks)
    received = bytearray()
    pair.client.settimeout(0.05)  # the thread may have sent all that it sends, and still be alive
    while thread.is_alive():
        with contextlib.suppress(TimeoutError):
            received += pair.client.recv(65_536)
    pair.client.settimeout(DEFAULT_TIMEOUT)
    pair.sock.send_unsent()
    received += send_rest(pair, len(expected) - len(received))
    assert received == expected
    assert len(pair.permits) == 1


def test_a_stream_ends_if_its_client_does_not_read(impatient: Pair) -> None:
    def write() -> None:
        while True:
            impatient.sock.sendall(b"x" * 65_536)

    with pytest.raises(BrokenPipeError):
        write()
    assert impatient.sock.shut_down
    assert not impatient.sock.unsent
    assert len(impatient.permits) == 1


def test_a_stream_that_may_not_wait_is_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    monkeypatch.setattr(buffered_socket, "_MAX_UNSENT", 1_000)
    monkeypatch.setattr(buffered_socket, "_MAX_UNSENT_WITHOUT_WAITING", LARGE)
    pair.permits.clear()
    written = 0

    def write() -> None:
        nonlocal written
        while True:
            pair.sock.sendall(b"x" * 100)
            written += 100

    with pytest.raises(BrokenPipeError):
        write()
    assert written >= LARGE
    assert pair.sock.shut_down
    assert not pair.permits


@pytest.mark.parametrize(
    ("offset", "count", "expected"), [(0, None, b"0123456789"), (3, None, b"3456789"), (2, 4, b"2345")]
)
def test_a_file_is_sent_from_its_offset(pair: Pair, offset: int, count: int | None, expected: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        assert pair.sock.sendfile(file, offset, count) == len(expected)
        pair.sock.flush()
        assert file.tell() == 10
    assert pair.receive(len(expected)) == expected


def test_a_broken_connection_raises_an_error_and_keeps_nothing(pair: Pair) -> None:
    pair.client.close()
    pair.sock.sendall(b"head")
    with pytest.raises(OSError, match="Broken pipe"):
        pair.sock.flush()
    pair.sock.flush()
    assert not pair.sock.unsent


def test_gunicorn_ends_a_connection_only_after_the_reply(pair: Pair) -> None:
    pair.sock.sendall(b"sorry")
    pair.sock.shutdown(socket.SHUT_RDWR)
    pair.sock.close()
    assert pair.sock.shut_down
    pair.sock.flush()
    assert pair.receive(5) == b"sorry"


def test_everything_else_is_the_socket_itself(pair: Pair) -> None:
    assert pair.sock.fileno() == pair.raw.fileno()
    assert pair.sock.getsockname() == pair.raw.getsockname()
