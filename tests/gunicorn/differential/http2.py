"""What an HTTP/2 client sends that does not wait for the server."""

from __future__ import annotations

import random
from collections.abc import Callable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
# Fields of the static table of HPACK, and a path and a host that are not in it.
_GET, _POST, _HTTP, _PATH, _AUTHORITY = b"\x82", b"\x83", b"\x86", b"\x04", b"\x41"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def connection(rng: random.Random, query: Callable[[random.Random], bytes]) -> bytes:
    """Return the bytes of a connection with some requests.

    :param query: makes what the requests ask the application for.
    """
    frames = [_PREFACE, _frame(_SETTINGS, 0, 0, b"")]
    for stream in range(1, 2 * rng.randint(1, 3), 2):
        path = (b"/?" + query(rng))[:120]
        body = b"b" * rng.choice((0, 1, 100, 5000))
        method = _POST if body else _GET
        head = method + _HTTP + _PATH + bytes((len(path),)) + path + _AUTHORITY + b"\x04host"
        frames.append(_frame(_HEADERS, _END_HEADERS if body else _END_HEADERS | _END_STREAM, stream, head))
        if body:
            frames.append(_frame(_DATA, _END_STREAM, stream, body))
    return b"".join(frames)
