"""Starts a server, waits until it answers, and stops it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


class Failed(Exception):
    """Ends the program with this message and status 1."""


def clean_environment(*prefixes: str) -> dict[str, str]:
    """The environment without variables with these prefixes: they would configure the servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


@contextlib.contextmanager
def running(command: list[str], directory: Path, environment: dict[str, str], log: Path, port: int) -> Iterator[None]:
    """A server from when it is ready until the end of the block."""
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this program only, which stops the servers one after another.
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until_it_answers(process, log, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def wait_until_it_answers(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise Failed(f"{log.stem} did not start. The end of its log:\n\n{tail(log)}")


def tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
