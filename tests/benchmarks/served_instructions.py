"""Instructions of a call through a whole server as valgrind counts them, with a WSGI function that does nothing.

gunicorn starts a worker, which serves a few calls, and then another one, which serves many. What both do besides, such
as starting and stopping, is not in the difference.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from pathlib import Path

from tests.support import http_client
from tests.support.servers import answers, free_port, server_environment, start_process, stop_process
from tests.support.waiting import wait_until

from .contestants import BODY, PATH
from .served import COMMANDS, headers

FEW, MANY = 100, 400
_TIMEOUT = 120.0
"""Seconds that each step may take. Programs in valgrind are slow."""
_COLLECTED = re.compile(r"^==(\d+)== Collected : (\d+)$", re.MULTILINE)


def instructions(server: str, few: int = FEW, many: int = MANY) -> float:
    """Instructions of one call.

    :param server: one of the names in :data:`~tests.benchmarks.served.COMMANDS` that are gunicorn's.
    """
    port = free_port()
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m"]
    gunicorn = [argument.format(port=port) for argument in COMMANDS[server]]
    # valgrind does not know an instruction that gunicorn_h1c uses. The master loads the application for both workers.
    gunicorn += ["--http-parser", "python", "--preload", "tests.benchmarks.empty:app"]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        log = Path(directory, "log")

        def counts() -> dict[int, int]:
            """Instructions by process, of processes that have ended."""
            return {int(pid): int(count) for pid, count in _COLLECTED.findall(log.read_text())}

        master = start_process([*valgrind, *gunicorn], log, env=server_environment(PYTHONHASHSEED="0"))
        try:
            wait_until(lambda: answers(port), f"the start of {server}", _TIMEOUT)
            (first,) = _children(master.pid)
            _call(port, few)
            os.kill(first, signal.SIGTERM)  # gunicorn starts the other one, and the first one stops
            wait_until(lambda: first not in _children(master.pid), f"the end of a worker of {server}", _TIMEOUT)
            (second,) = _children(master.pid)
            _call(port, many)
        finally:
            stop_process(master, _TIMEOUT)
        return (counts()[second] - counts()[first]) / (many - few)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _call(port: int, times: int) -> None:
    with http_client.connect(port, _TIMEOUT) as connection:
        for _ in range(times):
            connection.request("POST", PATH, BODY, headers())
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"{}")
