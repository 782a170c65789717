"""Requests are collected until they are complete, however their bytes arrive."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders

from proxyhooks.gunicorn.worker.connection import Connection
from proxyhooks.gunicorn.worker.quick import MAX_BODY, QuickParser
from proxyhooks.gunicorn.worker.request_reader import BufferedParser, RequestReader

CLIENT, SERVER = ("192.0.2.1", 40_000), ("192.0.2.2", 80)

REQUESTS = {
    "get": b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "post": b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "post without a body": b"POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "query": b"POST /%20?c HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "1.0": b"POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\n\r\n\r",
    "empty line before it": b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "two": b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "the body looks like a head": b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n\r\n\r\nA\r\n\r\n",
    "bad line": b"GET\r\nHost: a\r\n\r\n",
    "bad field": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    "chunked": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n\r\n",
    "expect": b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab",
}

Outcome = tuple[object, ...]


@pytest.fixture(params=[False, True], ids=["quick", "gunicorn"])
def observed(request: pytest.FixtureRequest) -> bool:
    """Whether gunicorn's Request parses all requests."""
    if not request.param and not QuickParser.supports(Config()):
        pytest.skip("needs gunicorn_h1c")
    return bool(request.param)


@pytest.fixture
def raw() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def new_reader(observed: bool, **settings: Any) -> RequestReader:
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    return RequestReader(cfg, observed=observed)


def new_connection(reader: RequestReader, raw: socket.socket) -> Connection:
    connection = Connection(raw, CLIENT, SERVER, 0.0, 1.0, [])
    connection.parser = reader.new_parser(CLIENT)
    return connection


def new(raw: socket.socket, observed: bool, **settings: Any) -> tuple[RequestReader, Connection]:
    reader = new_reader(observed, **settings)
    return reader, new_connection(reader, raw)


def outcome(reader: RequestReader, connection: Connection) -> Outcome:
    """What was made of the bytes of the first request, and which bytes are left for the next one."""
    parser = connection.parser
    if parser.failure is not None:
        return ("bad",)  # in which way depends on how much of it has come
    if connection.needs_thread:
        return ("thread", bytes(connection.buffer))
    request = next(parser)
    body = request.body.read()
    left = bytes(connection.buffer) or parser.unreader.take_buffered()
    return (request.method, request.path, body, left, connection.environ, connection.size)


def read(pieces: list[bytes], raw: socket.socket, reader: RequestReader) -> Outcome | None:
    """The outcome as soon as the request is complete, or None. What comes later belongs to the next request."""
    connection = new_connection(reader, raw)
    for number, piece in enumerate(pieces):
        if reader.feed(connection, piece):
            later = b"".join(pieces[number + 1 :])
            match outcome(reader, connection):
                case ("thread", bytes(left)):
                    return ("thread", left + later)
                case (method, path, body, bytes(left), environ, size):
                    return (method, path, body, left + later, environ, size)
                case bad:
                    return bad
    return None


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_every_split_in_two_or_three_gives_the_same_as_the_whole(
    data: bytes, raw: socket.socket, observed: bool
) -> None:
    reader = new_reader(observed)
    whole = read([data], raw, reader)
    assert whole is not None
    for first, second in itertools.combinations_with_replacement(range(1, len(data)), 2):
        pieces = [piece for piece in (data[:first], data[first:second], data[second:]) if piece]
        assert read(pieces, raw, reader) == whole, pieces


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_byte_by_byte_gives_the_same_as_the_whole(data: bytes, raw: socket.socket, observed: bool) -> None:
    pieces = [data[number : number + 1] for number in range(len(data))]
    reader = new_reader(observed)
    assert read(pieces, raw, reader) == read([data], raw, reader)


@pytest.mark.parametrize("name", ["get", "post", "query", "empty line before it"])
def test_a_request_is_complete_with_its_last_byte(name: str, raw: socket.socket, observed: bool) -> None:
    data = REQUESTS[name]
    reader = new_reader(observed)
    for end in range(len(data)):
        assert read([data[:end]], raw, reader) is None, data[:end]


def test_both_parsers_give_the_same(raw: socket.socket) -> None:
    if not QuickParser.supports(Config()):
        pytest.skip("needs gunicorn_h1c")
    for data in REQUESTS.values():
        quick, gunicorn = read([data], raw, new_reader(False)), read([data], raw, new_reader(True))
        assert quick is not None
        assert gunicorn is not None
        assert quick[:4] + quick[5:] == gunicorn[:4] + gunicorn[5:]  # the fifth is the environ: see test_quick.py


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/9.9\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"hello\n", b"G@T / HTTP/1.1\r\n", b"SSH-2.0-x\r\n"],
)
def test_what_can_never_be_valid_is_refused_before_its_end(start: bytes, raw: socket.socket, observed: bool) -> None:
    reader, connection = new(raw, observed)
    assert reader.feed(connection, start) or reader.feed(connection, b"a" * len(start))
    assert connection.parser.failure is not None


def test_a_head_has_a_bound(raw: socket.socket, observed: bool) -> None:
    reader, connection = new(raw, observed, limit_request_field_size=65_536, limit_request_fields=200)
    sent = 0
    assert not reader.feed(connection, b"GET / HTTP/1.1\r\n")
    while not reader.feed(connection, b"A: " + b"a" * 4_000 + b"\r\n"):
        sent += 4_005
        assert sent < 200_000
    assert isinstance(connection.parser.failure, LimitRequestHeaders)
    assert sent > 100_000


def test_a_field_of_the_allowed_size_fits(raw: socket.socket, observed: bool) -> None:
    reader, connection = new(raw, observed, limit_request_field_size=1_000_000)
    data = b"GET / HTTP/1.1\r\nA: " + b"a" * 999_000 + b"\r\n\r\n"
    assert reader.feed(connection, data)
    assert connection.parser.failure is None


@pytest.mark.parametrize(("size", "needs_thread"), [(MAX_BODY, False), (MAX_BODY + 1, True)])
def test_a_body_that_is_too_large_to_collect_is_left_to_a_thread(
    size: int, needs_thread: bool, raw: socket.socket, observed: bool
) -> None:
    reader, connection = new(raw, observed)
    complete = reader.feed(connection, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\nabc" % size)
    assert (complete, connection.needs_thread) == (needs_thread, needs_thread)


def test_work_for_a_head_that_drips_in_grows_with_its_logarithm(
    raw: socket.socket, observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    parse = BufferedParser.parse

    def counted(self: BufferedParser, data: bytes) -> None:
        parsed.append(len(data))
        parse(self, data)

    monkeypatch.setattr(BufferedParser, "parse", counted)
    reader, connection = new(raw, observed, limit_request_field_size=65_536)
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: %s\r\n" % (number, b"a" * 1_000) for number in range(60))
    for number in range(len(head)):
        assert not reader.feed(connection, head[number : number + 1])
    assert len(parsed) <= len(head).bit_length()
    assert sum(parsed) <= 2 * len(head)


def test_a_body_that_drips_in_is_not_parsed(
    raw: socket.socket, observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, connection = new(raw, observed)
    assert not reader.feed(connection, b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
    monkeypatch.setattr(BufferedParser, "parse", None)
    monkeypatch.setattr(QuickParser, "parse", None)
    for _ in range(99):
        assert not reader.feed(connection, b"a")
    assert reader.feed(connection, b"a")
    assert next(connection.parser).body.read() == b"a" * 100


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (b"GET / HTT", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", True),
        (b"GET / HTTP/1.1\r\nHost : a\r\nA", True),
    ],
)
def test_a_client_that_ends_early_gets_an_answer_only_if_there_is_one(
    data: bytes, answered: bool, raw: socket.socket, observed: bool
) -> None:
    reader, connection = new(raw, observed)
    # All but the first byte at once: the head is looked at again only when it has doubled.
    complete = reader.feed(connection, data[:1]) or reader.feed(connection, data[1:])
    assert (complete or reader.end(connection)) is answered


def test_a_body_that_ends_early_is_read_as_far_as_it_goes(raw: socket.socket, observed: bool) -> None:
    reader, connection = new(raw, observed)
    assert not reader.feed(connection, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel")
    assert reader.end(connection)
    assert next(connection.parser).body.read() == b"hel"
