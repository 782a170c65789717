"""The contestants behind servers: gunicorn with the settings of the package, uvicorn for ASGI, with one worker each.

The servers share one core; wrk has another, and keeps its connections. All servers run all the time, but are measured
in turn.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.servers import accepts_connections, free_port, running_server

from .contestants import BODY, CONTESTANTS, PATH
from .in_process import HEADERS

CONNECTIONS = 8
_PER_SECOND = re.compile(r"Requests/sec:\s+([\d.]+)")


def available() -> bool:
    return shutil.which("wrk") is not None and len(os.sched_getaffinity(0)) > 1


def measure(rounds: int = 9, seconds: int = 3) -> dict[str, float]:
    """Calls a second by contestant: medians of the rounds."""
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    with ExitStack() as stack:
        script = stack.enter_context(_script())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        servers = {name: stack.enter_context(_server(name, directory)) for name in CONTESTANTS}
        for server in servers.values():
            _wrk(server, script, 1)
        for _ in range(rounds):
            for name, server in servers.items():
                rates[name].append(_wrk(server, script, seconds))
    return {name: statistics.median(values) for name, values in rates.items()}


@contextmanager
def _server(name: str, directory: Path) -> Iterator[int]:
    """The port of a contestant's server."""
    port = free_port()
    app = f"tests.benchmarks.contestants:{name}_app"
    if name == "fastapi":
        command = ["uvicorn", "--no-access-log", "--log-level", "warning", "--port", str(port), app]
    else:
        command = ["gunicorn", "-c", "python:proxyhooks.gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", app]
        command += ["--log-level", "warning"]
    first, *_ = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", *command]
    log = directory / f"{name}.log"
    with running_server(command, log, is_ready=lambda: accepts_connections(port), cpu=first):
        yield port


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
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {second}),
    )
    found = _PER_SECOND.search(run.stdout)
    if found is None or "Non-2xx" in run.stdout:
        raise RuntimeError(f"wrk was not answered as it should be: {run.stdout}")
    return float(found[1])
