"""The contestants behind servers: gunicorn with the settings of the package, uvicorn and granian, with one worker each.

The servers share one core; wrk has another, and keeps its connections. All servers run all the time, but are measured
in turn.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import http_client
from tests.support.servers import accepts_connections, free_port, running_server

from .contestants import BODY, DATA, PATH
from .in_process import HEADERS

_GUNICORN = [
    "gunicorn",
    "-c",
    "python:proxyhooks.gunicorn",
    "-w",
    "1",
    "--log-level",
    "warning",
    "-b",
    "127.0.0.1:{port}",
]
_WORKER = [*_GUNICORN, "--threads", "16", "-k", "proxyhooks.gunicorn.worker.Worker"]
_GTHREAD = [*_GUNICORN, "--threads", "16", "-k", "gthread"]
COMMANDS = {
    "gthread": [*_GTHREAD, "--http-parser", "fast"],
    "gthread without gunicorn_h1c": [*_GTHREAD, "--http-parser", "python"],
    "the worker of proxyhooks": [*_WORKER, "--http-parser", "fast"],
    "the worker without gunicorn_h1c": [*_WORKER, "--http-parser", "python"],
    "uvicorn": ["uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{port}"],
    "granian": ["granian", "--interface", "wsgi", "--blocking-threads", "1", "--no-ws", "--no-log", "--port", "{port}"],
}
"""A module to run and its arguments, by the name of the server in the tables. The application comes last."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    server: str
    app: str
    """The contestant in the server."""
    connections: int = 8


@dataclass(frozen=True)
class Result:
    """What wrk measured."""

    rate: float
    """Calls a second."""
    p50: float
    """Median of the latency, in milliseconds."""
    p99: float
    """99th percentile of the latency, in milliseconds."""


HOOK = Row("the worker of proxyhooks", "hook")
SLEEPING_HOOK = Row("the worker of proxyhooks", "sleeping", connections=64)
SATURATED = (
    Row("gthread without gunicorn_h1c", "empty"),
    Row("gthread", "empty"),
    Row("gthread", "hook"),
    Row("the worker of proxyhooks", "empty"),
    Row("the worker of proxyhooks", "wsgi"),
    Row("the worker of proxyhooks", "bare"),
    HOOK,
    Row("the worker without gunicorn_h1c", "hook"),
    Row("uvicorn", "fastapi"),
    Row("granian", "empty"),
    Row("granian", "hook"),
)
SLEEPING = (Row("gthread", "sleeping", connections=64), SLEEPING_HOOK)
ROWS = (*SATURATED, *SLEEPING)


def available() -> bool:
    return shutil.which("wrk") is not None and len(os.sched_getaffinity(0)) > 1


def measure(rows: Sequence[Row] = ROWS, rounds: int = 9, seconds: int = 3) -> dict[Row, Result]:
    """Medians of the rounds, in which all rows take turns."""
    results: dict[Row, list[Result]] = {row: [] for row in rows}
    with ExitStack() as stack:
        script = stack.enter_context(_script())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        ports = {row: stack.enter_context(running(row, directory / f"{n}.log")) for n, row in enumerate(rows)}
        for row, port in ports.items():
            check_reply(row, port)
            _wrk(row, port, script, 1)
        for _ in range(rounds):
            for row, port in ports.items():
                results[row].append(_wrk(row, port, script, seconds))
    return {row: _median(measured) for row, measured in results.items()}


@contextmanager
def running(row: Row, log: Path) -> Iterator[int]:
    """Start the server of the row on the first core, and yield its port."""
    port = free_port()
    arguments = [argument.format(port=port) for argument in COMMANDS[row.server]]
    command = [sys.executable, "-m", *arguments, f"tests.benchmarks.contestants:{row.app}_app"]
    first, *_ = sorted(os.sched_getaffinity(0))
    with running_server(command, log, is_ready=lambda: accepts_connections(port), cpu=first):
        yield port


def check_reply(row: Row, port: int) -> None:
    """Make two calls over one connection: the first call of a hook goes through Flask. The empty function gets one.

    :raises AssertionError: if a reply is wrong.
    """
    with http_client.connect(port) as connection:
        # Granian may close the connection after a reply that came before it had read the body.
        for _ in range(1 if row.app == "empty" else 2):
            connection.request("POST", PATH, BODY, headers())
            response = connection.getresponse()
            reply = response.status, json.loads(response.read())
            assert reply == (200, {} if row.app == "empty" else {"result": {"data": DATA}}), reply
            assert connection.sock is not None, "the server closed the connection"


def headers() -> dict[str, str]:
    """The headers of a call without those that every client adds itself."""
    return {name: value for name, value in HEADERS.items() if name not in ("host", "content-length")}


@contextmanager
def _script() -> Iterator[str]:
    lines = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers().items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(f'wrk.method = "POST"\nwrk.body = [[{BODY.decode()}]]\n{lines}')
        file.flush()
        yield file.name


def _wrk(row: Row, port: int, script: str, seconds: int) -> Result:
    _, second, *_ = sorted(os.sched_getaffinity(0))
    options = ["-t1", f"-c{row.connections}", f"-d{seconds}s", "--latency", "-s", script]
    run = subprocess.run(
        ["wrk", *options, f"http://127.0.0.1:{port}{PATH}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {second}),
    )
    return parse_output(run.stdout)


def parse_output(output: str) -> Result:
    """Read what wrk prints.

    :raises RuntimeError: if a call failed, or if there is no result.
    """
    rate = re.search(r"^Requests/sec: +([\d.]+)$", output, re.MULTILINE)
    latencies = {p: float(value) * _MILLISECONDS[unit] for p, value, unit in _LATENCY.findall(output)}
    if "Non-2xx" in output or "Socket errors" in output or rate is None or not {"50", "99"} <= latencies.keys():
        raise RuntimeError(f"wrk was not answered as it should be: {output}")
    return Result(float(rate[1]), latencies["50"], latencies["99"])


_LATENCY = re.compile(r"^ +(50|99)% +([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def _median(results: Sequence[Result]) -> Result:
    rates, p50s, p99s = ([getattr(result, name) for result in results] for name in ("rate", "p50", "p99"))
    return Result(statistics.median(rates), statistics.median(p50s), statistics.median(p99s))
