"""The gunicorn to which these tests send signals, with the settings of ``proxyhooks.gunicorn``."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import http_client
from tests.support.paths import ROOT, SECRET
from tests.support.servers import free_port, kill_process, server_environment, start_process, stop_process
from tests.support.waiting import wait_until_async

WAIT_LIMIT = 300.0
"""Seconds: the long forms of the scenarios keep a machine busy."""


def callers_timeout() -> float:
    """Seconds that callers wait for a reply; the application has the same number as PROXYHOOKS_TIMEOUT."""
    return float(os.environ.get("CALLERS_TIMEOUT", "1"))


async def until(condition: Callable[[], bool], what: str) -> None:
    await wait_until_async(condition, what, WAIT_LIMIT)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def app_environment(here: Path, **more: str) -> dict[str, str]:
    """What :mod:`tests.reliability.app` needs.

    :param here: the directory in which it leaves its traces.
    """
    settings = {
        "HERE": str(here),
        "FLASK_PROXYHOOKS_SECRETS": f'["{SECRET}"]',
        "FLASK_PROXYHOOKS_TIMEOUT": f"{callers_timeout():g}",
        "WEB_CONCURRENCY": "2",
    }
    return server_environment(**settings | more)


class Gunicorn:
    """gunicorn with :mod:`tests.reliability.app`, or another application.

    :param here: the directory of the log, and in which the application leaves its traces.
    :param options: of gunicorn's command line.
    :param environ: further environment variables; OPEN_FILES limits how many files a process may open.
    """

    def __init__(
        self, here: Path, *options: str, port: int | None = None, app: str = "tests.reliability.app", **environ: str
    ) -> None:
        self.here = here
        self.port = port or free_port()
        self.log = here / "gunicorn.log"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        # Not python -m gunicorn: after USR2 the directory of gunicorn would be the first to be imported from.
        command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:proxyhooks.gunicorn"]
        command += ["--no-control-socket", "--pythonpath", str(ROOT)]
        command += ["-b", f"127.0.0.1:{self.port}", *options, f"{app}:app"]
        if "OPEN_FILES" in environ:
            command = ["sh", "-c", 'ulimit -n "$OPEN_FILES" && exec "$@"', "sh", *command]
        self.process = start_process(command, self.log, env=app_environment(here, **environ))

    @property
    def pid(self) -> int:
        return self.process.pid

    def logged(self, text: str) -> int:
        """How often the text is in the log of this process."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode().count(text)

    def workers(self) -> list[int]:
        return self.workers_of(self.pid)

    def workers_of(self, master: int) -> list[int]:
        metrics = re.findall(r"Booting metrics process with pid: (\d+)", self.log.read_text())
        return [child for child in children(master) if str(child) not in metrics]

    def kill(self, signum: int, pid: int | None = None) -> None:
        """Send a signal, to the master if no process is named."""
        os.kill(pid or self.pid, signum)

    def loaded(self) -> list[int]:
        """The workers that have loaded the application."""
        return [pid for pid in self.workers() if (self.here / f"loaded.{pid}").exists()]

    async def ready(self, workers: int = 2) -> None:
        """Wait until exactly so many workers have loaded the application, and one of them answers."""
        await until(lambda: self.process.poll() is not None or len(self.loaded()) == workers, f"{workers} workers")
        await until(lambda: self.process.poll() is not None or self.answers(), "an answer")
        assert self.process.poll() is None, self.log.read_text()

    def answers(self) -> bool:
        """Whether a worker answers as the application does."""
        try:
            return http_client.request(self.port, "GET", "/centrifugo/rpc", timeout=5).status == 405
        except (OSError, http.client.HTTPException):
            return False

    def stop(self) -> int:
        """Stop gracefully, and return the exit code."""
        return stop_process(self.process)


@contextmanager
def gunicorn(
    here: Path, *options: str, port: int | None = None, app: str = "tests.reliability.app", **environ: str
) -> Iterator[Gunicorn]:
    """A gunicorn that is started and not yet ready; it is killed at the end of the block if it still runs."""
    here.mkdir(exist_ok=True)
    server = Gunicorn(here, *options, port=port, app=app, **environ)
    try:
        yield server
    finally:
        for worker in server.workers() if server.process.poll() is None else []:
            server.kill(signal.SIGCONT, worker)
        kill_process(server.process)
