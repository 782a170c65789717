"""gunicorn and Centrifugo for one example, which tests stop, start and reload."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import SECRET
from tests.support.servers import (
    accepts_connections,
    answers,
    free_port,
    kill_process,
    server_environment,
    start_process,
    stop_process,
    wait_until_ready,
)
from tests.support.waiting import wait_until

API_KEY = "key of the tests"
COMMAND_TIMEOUT = 120.0
"""Seconds."""
START_TIMEOUT = 120.0
"""Seconds: Chromium and the other server start at the same time."""


@dataclass(frozen=True)
class Program:
    """A Python program that an example needs besides its servers."""

    words: tuple[str, ...]
    """After ``python``."""
    port: int | None = None
    """On which it serves, if it does."""


@dataclass
class ExampleServers:
    """The two servers of an example. They have the same ports whenever they run."""

    folder: Path
    """The example, with its built page; its package has the folder's name."""
    directory: Path
    """Of the logs."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the application, besides those that connect the servers."""
    programs: tuple[Program, ...] = ()
    """What runs as long as the servers do."""
    config: str = ""
    """Centrifugo's configuration."""
    backend_port: int = field(default_factory=free_port)
    centrifugo_port: int = field(default_factory=free_port)
    backend: subprocess.Popen[bytes] | None = field(default=None, init=False)
    centrifugo: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _programs: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)
    _further_settings: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def package(self) -> str:
        return self.folder.name

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.backend_port}"

    @property
    def hosts(self) -> set[str]:
        """Of all that a page may ask for something, with their ports."""
        return {f"127.0.0.1:{self.backend_port}", f"127.0.0.1:{self.centrifugo_port}"}

    @property
    def backend_log(self) -> Path:
        return self.directory / "backend.log"

    @property
    def centrifugo_log(self) -> Path:
        return self.directory / "centrifugo.log"

    def variables(self) -> dict[str, str]:
        settings = {
            "SECRET_KEY": "for sessions",
            "SESSION_COOKIE_SECURE": False,
            "PROXYHOOKS_SECRETS": [SECRET],
            "CENTRIFUGO_API_URL": f"http://127.0.0.1:{self.centrifugo_port}/api",
            "CENTRIFUGO_API_KEY": API_KEY,
            "CENTRIFUGO_WEBSOCKET_URL": f"ws://127.0.0.1:{self.centrifugo_port}/connection/websocket",
            **self.settings,
            **self._further_settings,
        }
        as_json = {f"FLASK_{name}": json.dumps(value) for name, value in settings.items()}
        return server_environment(**as_json, WEB_CONCURRENCY="2")

    def flask(self, *words: str) -> str:
        """The output of one of the application's commands."""
        command = [sys.executable, "-m", "flask", "--app", self.package, *words]
        run = subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT,
        )
        assert run.returncode == 0, f"flask {' '.join(words)}\n{run.stdout}{run.stderr}"
        return run.stdout

    def make_config(self) -> None:
        """Make Centrifugo's configuration: that of the example, as the package merges it, on these ports."""
        merged = self.flask(
            *("centrifugo", "config", "--base-url", self.url, "--allowed-origin", self.url),
            *("--merge", str(self.folder / "centrifugo.json")),
        )
        config = json.loads(merged)
        config["http_server"] = {"address": "127.0.0.1", "port": self.centrifugo_port}
        # Centrifugo looks for expired subscriptions in this interval, and refreshes them after this delay. By default,
        # each of the two is about half a minute.
        config["client"] |= {"expired_sub_close_delay": "1ms", "presence_update_interval": "1s"}
        self.config = json.dumps(config)

    def start(self, **settings: Any) -> None:
        """Start what does not run. A backend that runs with other settings is stopped before.

        :param settings: further ones of the application.
        """
        if self._further_settings != settings:
            self.stop_backend()
            self._further_settings = settings
        if not self._programs:
            for program in self.programs:
                self._start_program(program)
        if self.backend is None:
            self._launch_backend()
        if self.centrifugo is None:
            self._launch_centrifugo()
        self._wait_for_backend()
        self._wait_for_centrifugo()

    def stop(self) -> None:
        """Stop what runs. Centrifugo first: then no call waits for a reply."""
        self.stop_centrifugo()
        self.stop_backend()
        while self._programs:  # the last one needs the others
            kill_process(self._programs.pop())

    def start_backend(self) -> None:
        self._launch_backend()
        self._wait_for_backend()

    def stop_backend(self) -> None:
        if self.backend is not None:
            stop_process(self.backend)
            self.backend = None

    @contextmanager
    def reloading_backend(self) -> Iterator[None]:
        """Send HUP to gunicorn; after the block, wait until new workers serve and the old ones have ended."""
        assert self.backend is not None
        before = self._workers()
        os.kill(self.backend.pid, signal.SIGHUP)
        yield
        replaced = "the reload of gunicorn"
        wait_until(lambda: not before & self._workers() and self._workers(), replaced, START_TIMEOUT)
        self._wait_for_backend()

    def start_centrifugo(self) -> None:
        self._launch_centrifugo()
        self._wait_for_centrifugo()

    def stop_centrifugo(self) -> None:
        if self.centrifugo is not None:
            stop_process(self.centrifugo)
            self.centrifugo = None

    def kill_centrifugo(self) -> None:
        """End it as a crash does; its memory, so the history of all channels, is lost."""
        assert self.centrifugo is not None
        kill_process(self.centrifugo)
        self.centrifugo = None

    def _start_program(self, program: Program) -> None:
        command, log = [sys.executable, *program.words], self.directory / "programs.log"
        process = start_process(command, log, cwd=self.folder, env=self.variables())
        self._programs.append(process)
        port = program.port
        if port is not None:
            wait_until_ready(process, log, lambda: accepts_connections(port), START_TIMEOUT)

    def _launch_backend(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn"]
        command += ["--bind", f"127.0.0.1:{self.backend_port}", "--access-logfile", "-", f"{self.package}:create_app()"]
        self.backend = start_process(command, self.backend_log, cwd=self.folder, env=self.variables())

    def _launch_centrifugo(self) -> None:
        config = self.directory / "centrifugo.json"
        config.write_text(self.config, encoding="utf-8")
        variables = server_environment(CENTRIFUGO_VAR_PROXYHOOKS_SECRET=SECRET, CENTRIFUGO_HTTP_API_KEY=API_KEY)
        command = [centrifugo_binary(), "-c", str(config)]
        self.centrifugo = start_process(command, self.centrifugo_log, cwd=self.directory, env=variables)

    def _wait_for_backend(self) -> None:
        assert self.backend is not None
        wait_until_ready(self.backend, self.backend_log, lambda: answers(self.backend_port), START_TIMEOUT)

    def _wait_for_centrifugo(self) -> None:
        assert self.centrifugo is not None
        wait_until_ready(self.centrifugo, self.centrifugo_log, lambda: answers(self.centrifugo_port, "/health"))

    def _workers(self) -> set[int]:
        assert self.backend is not None
        text = Path(f"/proc/{self.backend.pid}/task/{self.backend.pid}/children").read_text()
        return {int(pid) for pid in text.split()}
