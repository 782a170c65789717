"""The contestants behind servers: gunicorn with the settings of the package, uvicorn for ASGI; each has one worker.

The servers have one core and wrk has another, with connections that are kept. All servers run all the time, one is
asked at a time, and they take turns.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.paths import ROOT

from .contestants import BODY, CONTESTANTS, PATH
from .in_process import HEADERS

CONNECTIONS = 8
_PER_SECOND = re.compile(r"Requests/sec:\s+([\d.]+)")


def available() -> bool:
    return shutil.which("wrk") is not None and len(os.sched_getaffinity(0)) > 1


def measure(rounds: int = 9, seconds: int = 3) -> dict[str, float]:
    """Calls a second, medians of the rounds."""
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    with ExitStack() as stack:
        script = stack.enter_context(_script())
        servers = {name: stack.enter_context(_server(name)) for name in CONTESTANTS}
        for server in servers.values():
            _wrk(server, script, 1)
        for _ in range(rounds):
            for name, server in servers.items():
                rates[name].append(_wrk(server, script, seconds))
    return {name: statistics.median(values) for name, values in rates.items()}


@contextmanager
def _server(name: str) -> Iterator[int]:
    """The port of a contestant's server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = f"tests.benchmarks.contestants:{name}_app"
    if name == "fastapi":
        command = ["uvicorn", "--no-access-log", "--log-level", "warning", "--port", str(port), app]
    else:
        command = ["gunicorn", "-c", "python:proxyhooks.gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", app]
        command += ["--log-level", "warning"]
    first, *_ = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, preexec_fn=lambda: os.sched_setaffinity(0, {first})
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


@contextmanager
def _script() -> Iterator[str]:
    given = {name: value for name, value in HEADERS.items() if name not in ("host", "content-length")}  # wrk's own
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in given.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(f'wrk.method = "POST"\nwrk.body = [[{BODY.decode()}]]\n{headers}')
        file.flush()
        yield file.name


def _wrk(port: int, script: str, seconds: int) -> float:
    _, second, *_ = sorted(os.sched_getaffinity(0))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}{PATH}"]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {second})
    )
    found = _PER_SECOND.search(run.stdout)
    if found is None or "Non-2xx" in run.stdout:
        raise RuntimeError(f"wrk was not answered as it should be: {run.stdout}")
    return float(found[1])
