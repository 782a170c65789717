"""The contestants in one process: WSGI or ASGI in and out, no server, no network."""

from __future__ import annotations

import asyncio
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import contestants
from .contestants import BODY, CONTESTANTS, DATA, LEVELS, PATH, SECRET

HEADERS = {
    "host": "127.0.0.1:8000",
    "user-agent": "Go-http-client/1.1",
    "content-length": str(len(BODY)),
    "content-type": "application/json",
    "x-proxyhooks-secret": SECRET,
    "accept-encoding": "gzip",
}
Run = Callable[[int], bytes]
"""Makes this number of calls, and returns the body of the last reply."""


def environ(body: bytes = BODY, path: str = PATH) -> dict[str, Any]:
    """The environ of a WSGI server for one call."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "Go-http-client/1.1",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_X_PROXYHOOKS_SECRET": SECRET,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
    assert status == "200 OK", status
    return lambda chunk: None


def call(app: Any, body: bytes = BODY, path: str = PATH) -> bytes:
    """One call of a WSGI application, as a server makes it."""
    chunks = app(environ(body, path), start_response)
    try:
        return b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def wsgi_run(app: Any) -> Run:
    def run(calls: int) -> bytes:
        reply = b""
        for _ in range(calls):
            reply = call(app)
        return reply

    return run


def asgi_run(app: Any) -> Run:
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def one() -> bytes:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)
        assert sent[0]["status"] == 200
        return b"".join(message.get("body", b"") for message in sent)

    async def several(calls: int) -> bytes:
        reply = b""
        for _ in range(calls):
            reply = await one()
        return reply

    return lambda calls: asyncio.run(several(calls))


def runs(names: Iterable[str]) -> dict[str, Run]:
    """The contestants, after a check that each answers two calls correctly."""
    runs = {}
    for name in names:
        app = getattr(contestants, name)()
        runs[name] = run = asgi_run(app) if name == "fastapi" else wsgi_run(app)
        for _ in range(2):  # the first call of a hook goes through Flask
            reply = json.loads(run(1))
            assert reply == {"result": {"data": DATA}}, reply
    return runs


def measure(rounds: int = 60, calls: int = 300) -> dict[str, float]:
    """Microseconds of a call: medians of rounds in which all contestants and levels take turns."""
    times: dict[str, list[float]] = {}
    for name, run in (contestants_runs := runs([*CONTESTANTS, *LEVELS])).items():
        run(calls)
        times[name] = []
    for _ in range(rounds):
        for name, run in contestants_runs.items():
            start = time.perf_counter()
            run(calls)
            times[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}
