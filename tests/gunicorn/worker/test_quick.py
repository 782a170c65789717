"""The quick parser and response do what gunicorn's own do, or leave the request to them."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from hypothesis import strategies as st

from proxyhooks.gunicorn.worker.connection import Connection
from proxyhooks.gunicorn.worker.quick import MAX_BODY, QuickParser, QuickResponse
from proxyhooks.gunicorn.worker.request_handler import RequestHandler
from proxyhooks.gunicorn.worker.request_reader import RequestReader

pytestmark = pytest.mark.skipif(not QuickParser.supports(Config()), reason="needs gunicorn_h1c")

ADDRESSES = [(("192.0.2.1", 40_000), ("192.0.2.2", 80)), (("::1", 40_000, 0, 0), ("::1", 80, 0, 0))]
EXAMPLES = 150

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Served:
    """What became of a request."""

    environ: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""
    reply: bytes = b""
    keep: bool = False
    left: bytes = b""


def configuration(**settings: Any) -> Config:
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    return cfg


USUAL = configuration()
LOGGER = Logger(USUAL)
CONFIGURATIONS = [
    USUAL,
    configuration(limit_request_line=40, limit_request_fields=3, limit_request_field_size=40),
    configuration(forwarded_allow_ips="192.0.2.1", forwarder_headers="X_A"),
]


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    raw, client = socket.socketpair()
    raw.setblocking(False)
    client.setblocking(False)
    with raw, client:
        yield raw, client


def serve(data: bytes, application: Application, cfg: Any, addresses: Any, *, quick: bool) -> Served | None:
    """Serve a request that is complete; None if it is not, or if the quick parser leaves it to gunicorn."""
    served = Served()

    def observed_application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        served.environ = dict(environ)
        served.body = environ["wsgi.input"].read()
        return application(environ, start_response)

    worker: Any = object.__new__(ThreadWorker)
    worker.cfg, worker.log, worker.alive = cfg, LOGGER, True
    worker.nr, worker.max_requests, worker.max_keepalived, worker.keepalived_conns = 0, sys.maxsize, 1, ()
    handler = RequestHandler(
        worker,
        observed_application,
        lambda connection, keep: None,
        permits=[None],
        max_age=float("inf"),
        body_timeout=1.0,
        probe_paths=frozenset(),
        run_probe=lambda connection: None,
    )
    worker.wsgi = handler.call_application
    client, server = addresses
    with pair() as (raw, peer):
        reader = RequestReader(cfg, observed=not quick)
        connection = Connection(raw, client, server, 0.0, 1.0, [None])
        connection.parser = reader.new_parser(client)
        if not reader.feed(connection, data) or connection.needs_thread or (quick and connection.environ is None):
            return None
        served.keep = handler.serve(connection)
        connection.sock.flush()
        assert not connection.sock.unsent
        served.reply = re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: now", peer.recv(1_000_000))
        served.left = bytes(connection.buffer) or connection.parser.unreader.take_buffered()
    return served


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "get", "CONNECT", "FOO", "G T", ""]
TARGETS = [
    "/",
    "/a",
    "/centrifugo/rpc",
    "/a/../b",
    "//a",
    "/a?b=c",
    "/a?",
    "/%41",
    "/a#b",
    "*",
    "http://a/b",
    "/é",
    "",
    "/;",
]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", ""]
NAMES = [
    *("Host", "Content-Type", "Content-Length", "Connection", "Transfer-Encoding", "Expect", "Upgrade", "TE", "Proxy"),
    *("X-A", "X-B", "x-a", "X_A", "Content_Length", "SCRIPT_NAME", "SCRIPT-NAME", "PATH-INFO", "X-Forwarded-Proto"),
    *("X-Forwarded-SSL", "Trailer", "Authorization", "Cookie", "1", "A b", "Server-Name", "Remote-Addr", "HTTP-X-A"),
]
VALUES = [
    *("a", "", " a ", "a,b", "a:80", "0", "3", "+3", "03", "3,3", "1_0", "close", "keep-alive", "chunked", "identity"),
    *("https", "on", "100-continue", "websocket", "h2c", "application/json", "é\xff", "a\tb", "\t", "a;b", "x" * 50),
]
ENDS = [*["\r\n"] * 15, "\n"]
odd_fields = st.tuples(st.sampled_from(NAMES), st.sampled_from([":", ": ", " :"]), st.sampled_from(VALUES)).map("".join)
usual_fields = st.sampled_from(
    ["Host: a", "Content-Type: a/b", "Content-Length: 3", "X-A: b", "x-a: c", "Cookie: a=b_c"]
)
fields = st.tuples(st.lists(usual_fields, max_size=3), st.lists(odd_fields, max_size=1)).map(
    lambda both: [*both[0], *both[1]]
)
usual_lines = st.tuples(st.sampled_from(METHODS[:7]), st.sampled_from(TARGETS[:4])).map(
    lambda parts: f"{parts[0]} {parts[1]} HTTP/1.1"
)
lines = st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS)).map(" ".join)
heads = st.tuples(st.one_of(*[usual_lines] * 4, lines), fields, st.sampled_from(ENDS)).map(
    lambda parts: (parts[2].join([parts[0], *parts[1], "", ""])).encode("latin-1")
)
bodies = st.sampled_from([b"", b"abc", b"abcdef", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])


def assert_same(data: bytes, application: Application, cfg: Any, addresses: Any) -> bool:
    """Check that both ways do the same; return whether the quick way was taken."""
    quick = serve(data, application, cfg, addresses, quick=True)
    if quick is None:
        return False
    usual = serve(data, application, cfg, addresses, quick=False)
    assert usual is not None
    assert quick.environ.keys() == usual.environ.keys()
    for key, value in usual.environ.items():
        if key in ("wsgi.input", "wsgi.early_hints", "wsgi.errors", "gunicorn.socket"):
            assert callable(value) == callable(quick.environ[key]), key
        else:
            assert (key, quick.environ[key]) == (key, value)
    quick.environ = usual.environ
    assert quick == usual
    return True


@hypothesis.settings(max_examples=EXAMPLES)
@hypothesis.given(heads, bodies, st.sampled_from(CONFIGURATIONS), st.sampled_from(ADDRESSES))
def test_a_request_is_parsed_as_gunicorn_does_or_left_to_it(head: bytes, body: bytes, cfg: Any, addresses: Any) -> None:
    hypothesis.event(f"quick: {assert_same(head + body, hello, cfg, addresses)}")


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_any_name_is_treated_as_gunicorn_does(name: str) -> None:
    for value in VALUES:
        for before in ("", "Host: a\r\n", f"{name}: b\r\n"):
            head = f"POST /a HTTP/1.1\r\n{before}{name}: {value}\r\n\r\n"
            for cfg in (USUAL, CONFIGURATIONS[-1]):
                assert_same(head.encode("latin-1") + b"abc", hello, cfg, ADDRESSES[0])


@pytest.mark.parametrize("addresses", ADDRESSES)
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n\r\n",
        b"POST /centrifugo/rpc HTTP/1.1\r\nHost: a\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 2\r\n"
        b"Content-Type: application/json\r\nX-Centrifugo-Client: 1\r\nAccept-Encoding: gzip\r\n\r\n{}",
        b"POST /a HTTP/1.1\r\nHost: a\r\nCookie: a=b_c\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\nGET /",
    ],
)
def test_usual_requests_take_the_quick_way(data: bytes, addresses: Any) -> None:
    assert assert_same(data, hello, USUAL, addresses)


@pytest.mark.parametrize(
    "settings",
    [
        {"http_parser": "python"},
        {"proxy_protocol": "auto"},
        {"header_map": "refuse"},
        {"permit_obsolete_folding": True},
        {"strip_header_spaces": True},
        {"casefold_http_method": True},
        {"permit_unconventional_http_method": True},
        {"permit_unconventional_http_version": True},
        {"limit_request_line": 0},
        {"limit_request_fields": 0},
        {"limit_request_field_size": 0},
    ],
)
def test_unusual_settings_leave_all_requests_to_gunicorn(settings: dict[str, Any]) -> None:
    assert not QuickParser.supports(configuration(**settings))


def test_a_script_name_leaves_all_requests_to_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/a")
    assert not QuickParser.supports(configuration())


@pytest.mark.parametrize(
    ("client", "server"), [("", "/run/app.sock"), ("", "")], ids=["Unix socket", "Unix socket without a name"]
)
def test_connections_without_ports_are_left_to_gunicorn(client: Any, server: Any) -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert serve(data, hello, USUAL, (client, server), quick=True) is None


def test_a_body_that_is_too_large_is_left_to_gunicorn() -> None:
    data = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1)
    assert serve(data, hello, USUAL, ADDRESSES[0], quick=True) is None


STATUSES = [
    "200 OK",
    "204 No Content",
    "304 Not Modified",
    "404 Not Found",
    "101 Switching",
    "500",
    "2OO Bad",
    "200 \xe9",
]
HEADERS = [
    *(("Content-Length", "5"), ("Content-Length", "2"), ("Content-Length", "0"), ("content-length", "9")),
    *(("X-A", "b"), ("X-A", "c"), ("Set-Cookie", "a=b"), ("Connection", "close"), ("Connection", "upgrade")),
    *(("Upgrade", "websocket"), ("Transfer-Encoding", "chunked"), ("Date", "today"), ("X-B", " a\t"), ("X-B", "\xff")),
    *(("X-B", "a\r\nb"), ("X B", "a"), ("", "a"), ("Content-Length", "x")),
]
REPLY_BODIES = [(), (b"",), (b"hello",), (b"he", b"", b"llo"), (b"a" * 70_000,)]
replies = st.tuples(
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.sampled_from(REPLY_BODIES),
    st.sampled_from([list, tuple, iter]),
    st.sampled_from(["once", "twice", "with exc_info", "early hints", "write"]),
)


@hypothesis.settings(max_examples=EXAMPLES)
@hypothesis.given(replies, st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_reply_is_written_as_gunicorn_does(reply: Any, method: str) -> None:
    status, headers, blocks, make, way = reply

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if way == "early hints":
            environ["wsgi.early_hints"]([("Link", "</a>; rel=preload")])
        if way == "with exc_info":
            start_response("200 OK", [("Content-Length", "5")])
            try:
                raise ValueError
            except ValueError:
                start_response(status, list(headers), sys.exc_info())
        else:
            write = start_response(status, list(headers))
            if way == "twice":
                start_response(status, list(headers))
            if way == "write":
                write(b"wr")
        body: Iterable[bytes] = make(blocks)
        return body

    assert assert_same(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n", application, USUAL, ADDRESSES[0])


def test_the_error_reply_of_one_caller_has_no_header_of_another() -> None:
    QuickResponse._heads.clear()
    replies = []
    for cookie in ("a=1", "b=2"):

        def application(
            environ: dict[str, Any], start_response: Callable[..., Any], cookie: str = cookie
        ) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Length", "0")])
            try:
                raise ValueError
            except ValueError:
                start_response("500 Error", [("Set-Cookie", cookie)], sys.exc_info())
            return []

        served = serve(b"GET / HTTP/1.1\r\n\r\n", application, USUAL, ADDRESSES[0], quick=True)
        assert served is not None
        replies.append(served.reply)
    assert b"a=1" in replies[0]
    assert b"a=1" not in replies[1]
    assert b"b=2" in replies[1]


def test_the_heads_that_are_kept_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyhooks.gunicorn.worker.quick._MAX_REPLY_HEADS", 3)
    QuickResponse._heads.clear()
    for number in range(10):

        def application(
            environ: dict[str, Any], start_response: Callable[..., Any], number: int = number
        ) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Length", "0"), ("X-A", str(number))])
            return []

        assert assert_same(b"GET / HTTP/1.1\r\n\r\n", application, USUAL, ADDRESSES[0])
        assert 0 < len(QuickResponse._heads) <= 3
