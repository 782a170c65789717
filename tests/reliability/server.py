"""gunicorn with the settings of ``proxyhooks.gunicorn``, to be sent signals."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real_centrifugo.servers import environment
from tests.support.paths import ROOT

PATIENCE = 300.0
"""Seconds after which something that does not come has failed to come."""


def timeout() -> float:
    """Seconds that callers wait, as the application is told."""
    return float(os.environ.get("CALLERS_TIMEOUT", "1"))


def free_port() -> int:
    """Not one that the system may give to one of the many connections of these tests."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        await asyncio.sleep(0.02)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


class Gunicorn:
    def __init__(self, here: Path, *options: str, port: int | None = None, **environ: str) -> None:
        self.here = here
        self.port = port or free_port()
        self.log = here / "gunicorn.log"
        self._before = self.log.stat().st_size if self.log.exists() else 0
        # Not python -m gunicorn: after USR2 the directory of gunicorn would be the first to be imported from.
        command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn"]
        command += ["--no-control-socket", "--pythonpath", str(ROOT)]
        command += ["-b", f"127.0.0.1:{self.port}", *options, "tests.reliability.app:app"]
        given = {
            "HERE": str(here),
            "FLASK_PROXYHOOKS_SECRETS": '["s3cret"]',
            "FLASK_PROXYHOOKS_TIMEOUT": f"{timeout():g}",
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, env=environment(**given, **environ), stdout=output, stderr=output)

    @property
    def pid(self) -> int:
        return self.process.pid

    def logged(self, text: str) -> int:
        """How often."""
        with self.log.open("rb") as log:
            log.seek(self._before)
            return log.read().decode().count(text)

    def workers(self) -> list[int]:
        return children(self.pid)

    def kill(self, number: int, pid: int | None = None) -> None:
        os.kill(pid or self.pid, number)

    def loaded(self) -> list[int]:
        """The workers that have loaded the application."""
        return [pid for pid in self.workers() if (self.here / f"loaded.{pid}").exists()]

    async def ready(self, workers: int = 2) -> None:
        """Until so many workers serve."""
        await until(lambda: self.process.poll() is not None or len(self.loaded()) == workers, "workers that serve")
        await until(lambda: self.process.poll() is not None or self.answers(), "an answer")
        assert self.process.poll() is None, self.log.read_text()

    def answers(self) -> bool:
        """Whether somebody serves."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/centrifugo/rpc")
            return connection.getresponse().status == 405
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> int:
        """With its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def gunicorn(here: Path, *options: str, port: int | None = None, **environ: str) -> Iterator[Gunicorn]:
    here.mkdir(exist_ok=True)
    server = Gunicorn(here, *options, port=port, **environ)
    try:
        yield server
    finally:
        for worker in server.workers() if server.process.poll() is None else []:
            server.kill(signal.SIGCONT, worker)
        server.process.kill()
        server.process.wait()
