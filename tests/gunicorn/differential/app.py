"""The application: it records what it sees, and reads and answers as the query asks for.

The query, or the end of the path if there is no query, is ``read=READ&answer=ANSWER``, with a key of ``READS`` and one
of ``ANSWERS``. What mutations have damaged gets the defaults.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.gunicorn.differential.recording import describe_environ, record

BIG = 300_000  # bytes
TEXT = ("Content-Type", "text/plain")

Environ = dict[str, Any]
Start = Callable[..., Any]
Reply = Any  # also what no server accepts


def read_in_pieces(body: Any) -> bytes:
    pieces = [body.read(0), body.read(1), body.readline(3), body.read(7)]
    while piece := body.read(1000):
        pieces.append(piece)
    return b"".join(pieces)


READS: dict[str, Callable[[Any], bytes]] = {
    "all": lambda body: body.read(),
    "none": lambda body: b"",
    "part": lambda body: body.read(5),
    "line": lambda body: body.readline(),
    "lines": lambda body: b"|".join(body.readlines()),
    "iterate": lambda body: b"|".join(body),
    "pieces": read_in_pieces,
    "twice": lambda body: body.read() + b"|" + body.read(),
    "limited": lambda body: body.read(1 << 20),
}


class Closable:
    """An iterable that records its close()."""

    def __init__(self, client: str, parts: Iterable[bytes], *, fail: bool = False) -> None:
        self.client = client
        self.parts = parts
        self.fail = fail

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        record(self.client, "close")
        if self.fail:
            raise RuntimeError("close fails")


def with_status(status: Any, *headers: tuple[Any, Any], parts: Iterable[Any] = (b"hello",)) -> Callable[..., Reply]:
    def answer(environ: Environ, start: Start) -> Reply:
        start(status, list(headers))
        return list(parts)

    return answer


def big_parts() -> Iterator[bytes]:
    for number in range(30):
        yield b"%d" % (number % 10) * (BIG // 30)


def generator(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    yield b"first, "
    yield b""
    yield b"second"


def late_read(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    yield b"read: "
    body = environ["wsgi.input"].read()
    record(environ.get("REMOTE_ADDR"), "late read", body)
    yield body


def write_callable(environ: Environ, start: Start) -> Reply:
    write = start("200 OK", [TEXT, ("Content-Length", "14")])
    write(b"written ")
    write(b"")
    return [b"parts", b"!"]


def closable(environ: Environ, start: Start) -> Reply:
    start("200 OK", [TEXT, ("Content-Length", "2")])
    return Closable(environ["REMOTE_ADDR"], [b"o", b"k"])


def close_fails(environ: Environ, start: Start) -> Reply:
    start("200 OK", [TEXT, ("Content-Length", "2")])
    return Closable(environ["REMOTE_ADDR"], [b"ok"], fail=True)


def file_on_disk(environ: Environ, start: Start) -> Reply:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the server closes it
    file.write(b"header" + b"content" * 1000)
    file.seek(6)
    start("200 OK", [TEXT])
    return environ["wsgi.file_wrapper"](file)


def part_of_file(environ: Environ, start: Start) -> Reply:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the server closes it
    file.write(b"content" * 1000)
    file.seek(0)
    start("200 OK", [("Content-Length", "700")])
    return environ["wsgi.file_wrapper"](file, 100)


def file_in_memory(environ: Environ, start: Start) -> Reply:
    start("200 OK", [("Content-Length", "20000")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 20_000))


def fails_at_once(environ: Environ, start: Start) -> Reply:
    raise RuntimeError("the application fails")


def fails_after_start(environ: Environ, start: Start) -> Reply:
    start("200 OK", [TEXT])
    raise RuntimeError("fails after start_response")


def fails_midway(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "10")])
    yield b"first"
    raise RuntimeError("fails midway")


def fails_midway_chunked(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    yield b"first"
    raise RuntimeError("fails midway")


def fails_before_first(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    if environ:
        raise RuntimeError("fails before the first part")
    yield b""


def fails_with_os_error(environ: Environ, start: Start) -> Reply:
    raise OSError(28, "no space left on device")


def starts_twice(environ: Environ, start: Start) -> Reply:
    start("200 OK", [TEXT])
    start("201 Created", [TEXT])
    return [b"unreachable"]


def restarts(environ: Environ, start: Start) -> Reply:
    start("200 OK", [TEXT, ("X-First", "1")])
    try:
        raise RuntimeError("replaced")
    except RuntimeError:
        start("503 Service Unavailable", [("X-Second", "2"), ("Content-Length", "5")], sys.exc_info())
    return [b"sorry"]


def restarts_too_late(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    yield b"sent"
    try:
        raise RuntimeError("too late")
    except RuntimeError:
        start("500 Too Late", [], sys.exc_info())


def never_starts(environ: Environ, start: Start) -> Reply:
    return [b"no status"]


def returns_none(environ: Environ, start: Start) -> None:
    start("200 OK", [TEXT])


def early_hints(environ: Environ, start: Start) -> Reply:
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload"), (b"X-Bytes", b"1")])
    environ["wsgi.early_hints"]([])
    start("200 OK", [TEXT, ("Content-Length", "4")])
    return [b"body"]


def bad_early_hints(environ: Environ, start: Start) -> Reply:
    environ["wsgi.early_hints"]([("Link", "a\r\nX-Injected: 1")])
    start("200 OK", [TEXT])
    return [b"body"]


def writes_errors(environ: Environ, start: Start) -> Reply:
    environ["wsgi.errors"].write("a line of the application\n")
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


ANSWERS: dict[str, Callable[[Environ, Start], Any]] = {
    "list": with_status("200 OK", TEXT, ("Content-Length", "5")),
    "json": with_status(
        "200 OK", ("Content-Type", "application/json"), ("Content-Length", "13"), parts=[b'{"result":{}}']
    ),
    "without_length": with_status("200 OK", TEXT),
    "parts": with_status("200 OK", TEXT, ("Content-Length", "6"), parts=[b"a", b"", b"bcd", b"ef"]),
    "parts_without_length": with_status("200 OK", TEXT, parts=[b"a", b"", b"bcd", b"ef"]),
    "tuple": lambda environ, start: start("200 OK", [TEXT]) and (b"1", b"2"),
    "string": lambda environ, start: start("200 OK", [TEXT]) and b"abc",
    "generator": generator,
    "late_read": late_read,
    "write": write_callable,
    "closable": closable,
    "close_fails": close_fails,
    "too_long": with_status("200 OK", ("Content-Length", "3")),
    "too_long_parts": with_status("200 OK", ("Content-Length", "3"), parts=[b"ab", b"cd", b"ef"]),
    "too_short": with_status("200 OK", ("Content-Length", "9")),
    "empty": with_status("200 OK", ("Content-Length", "0"), parts=[]),
    "empty_part": with_status("200 OK", ("Content-Length", "0"), parts=[b""]),
    "empty_without_length": with_status("200 OK", parts=[]),
    "no_content": with_status("204 No Content", parts=[]),
    "no_content_with_body": with_status("204 No Content", ("Content-Length", "5")),
    "not_modified": with_status("304 Not Modified", ("ETag", '"x"'), ("Content-Length", "5"), parts=[]),
    "reset_content": with_status("205 Reset Content", ("Content-Length", "0"), parts=[]),
    "not_found": with_status("404 Not Found", ("Content-Length", "5")),
    "server_error": with_status("500 Oops", ("Content-Length", "5")),
    "informational": with_status("150 Strange", parts=[]),
    "without_reason": with_status("200", ("Content-Length", "5")),
    "obs_text_reason": with_status("200 \xe4\xf6", ("Content-Length", "5")),
    "bad_status": with_status("2000 OK"),
    "bad_status_line": with_status("200 OK\r\nX: y"),
    "status_of_int": with_status(200),
    "bad_value": with_status("200 OK", ("X-Bad", "a\r\nb")),
    "bad_name": with_status("200 OK", ("X Bad", "a")),
    "bytes_name": with_status("200 OK", (b"X-Bad", "a")),
    "bytes_value": with_status("200 OK", ("X-Bad", b"a")),
    "bad_length": with_status("200 OK", ("Content-Length", "five")),
    "negative_length": with_status("200 OK", ("Content-Length", "-5")),
    "two_lengths": with_status("200 OK", ("Content-Length", "5"), ("content-length", "4")),
    "spaces": with_status("200 OK", ("X-Spaces", " \t a b \t"), ("Content-Length", " 5 ")),
    "obs_text": with_status("200 OK", ("X-Text", "\xe4\xff"), ("Content-Length", "5")),
    "wide_text": with_status("200 OK", ("X-Text", "\u20ac"), ("Content-Length", "5")),
    "own_headers": with_status("200 OK", ("Server", "mine"), ("Date", "now"), ("Content-Length", "5")),
    "cookies": with_status("200 OK", ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "5")),
    "connection_close": with_status("200 OK", ("Connection", "close"), ("Content-Length", "5")),
    "hop_by_hop": with_status(
        "200 OK", ("Keep-Alive", "timeout=5"), ("Transfer-Encoding", "chunked"), ("TE", "x"), ("Content-Length", "5")
    ),
    "upgrade": with_status("101 Switching", ("Upgrade", "websocket"), ("Connection", "Upgrade"), parts=[b"raw"]),
    "big": with_status("200 OK", ("Content-Length", str(BIG)), parts=[b"x" * BIG]),
    "big_without_length": with_status("200 OK", parts=[b"y" * BIG]),
    "big_parts": lambda environ, start: start("200 OK", [TEXT]) and big_parts(),
    "str_part": with_status("200 OK", ("Content-Length", "4"), parts=["text"]),
    "str_part_later": with_status("200 OK", parts=[b"bytes", "text"]),
    "bytearray_part": with_status("200 OK", ("Content-Length", "4"), parts=[bytearray(b"text")]),
    "none_part": with_status("200 OK", parts=[None]),
    "file_on_disk": file_on_disk,
    "part_of_file": part_of_file,
    "file_in_memory": file_in_memory,
    "fails_at_once": fails_at_once,
    "fails_after_start": fails_after_start,
    "fails_midway": fails_midway,
    "fails_midway_chunked": fails_midway_chunked,
    "fails_before_first": fails_before_first,
    "fails_with_os_error": fails_with_os_error,
    "starts_twice": starts_twice,
    "restarts": restarts,
    "restarts_too_late": restarts_too_late,
    "never_starts": never_starts,
    "returns_none": returns_none,
    "early_hints": early_hints,
    "bad_early_hints": bad_early_hints,
    "writes_errors": writes_errors,
}


def app(environ: Environ, start_response: Start) -> Reply:
    """Record the environ, read, record what was read, and answer."""
    client = environ.get("REMOTE_ADDR")
    record(client, "environ", describe_environ(environ))
    asked = environ["QUERY_STRING"] or environ["PATH_INFO"].rpartition("/")[2]
    options = dict(pair.partition("=")[::2] for pair in asked.split("&"))
    read = READS.get(options.get("read", ""), READS["all"])
    try:
        record(client, "body", read(environ["wsgi.input"]))
    except Exception as error:
        record(client, "no body", type(error).__name__, str(error))
        raise
    return ANSWERS.get(options.get("answer", ""), ANSWERS["list"])(environ, start_response)
