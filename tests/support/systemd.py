"""Runs a service as systemd does, as far as it can be done without systemd: environment, socket, notifications."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.replacing import read_with
from tests.support.servers import kill_process, server_environment, wait_until_ready

FILES = ROOT / "deploy" / "systemd"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def copy_unit(name: str, here: Path, replacements: Mapping[str, str]) -> Path:
    """Copy a unit, with other paths or addresses."""
    path = here / name
    path.write_text(read_with(FILES / name, replacements))
    return path


class Service:
    """A service of a unit file.

    :param listener: the socket of its socket unit.
    """

    def __init__(self, unit: Path, listener: socket.socket | None = None) -> None:
        self._here = unit.parent
        self._name = unit.stem
        self._options = [
            (key, value)
            for key, equals, value in (
                line.partition("=") for line in unit.read_text().replace("\\\n", " ").splitlines()
            )
            if equals and not key.startswith("#")
        ]
        self._listener = listener
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.bind(str(self._here / "notify"))
        self._notifications.setblocking(False)
        self._notified = ""
        self.log = self._here / f"{self._name}.log"
        for directory in (self._runtime, self._credentials):
            directory.mkdir(exist_ok=True, parents=True)

    @property
    def _runtime(self) -> Path:
        return self._here / "run" / self._name

    @property
    def _credentials(self) -> Path:
        return self._here / "credentials"

    def option(self, key: str) -> str:
        """The value of an option that the unit has once."""
        (value,) = self._values(key)
        return value

    def _values(self, key: str) -> list[str]:
        specifiers = {"%d": str(self._credentials), "%t": str(self._here / "run"), "%%": "%"}
        return [re.sub("%.", lambda found: specifiers[found[0]], value) for name, value in self._options if name == key]

    def _directory(self) -> str:
        return next(iter(self._values("WorkingDirectory")), "/")

    def _words(self, command: str, pid: int) -> list[str]:
        variables = {"$$": "$", "$MAINPID": str(pid)}
        return [re.sub(r"\$\$|\$MAINPID", lambda found: variables[found[0]], word) for word in shlex.split(command)]

    def environment(self) -> dict[str, str]:
        """What the unit sets, for a process of the service."""
        lines = self._values("Environment")
        for file in self._values("EnvironmentFile"):
            lines += filter(None, Path(file).read_text().splitlines())
        variables = {name: value for name, _, value in (line.partition("=") for line in lines)}
        return server_environment(**variables)

    def command_with_environment(self) -> list[str]:
        """The main process for a program that sets the environment itself."""
        environment = self.environment() | {"NOTIFY_SOCKET": str(self._here / "notify")}
        settings = [f"{name}={value}" for name, value in environment.items()]
        return ["/usr/bin/env", *settings, *self._words(self.option("ExecStart"), 0)]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The main process, not necessarily ready; it is stopped at the end of the block."""
        for credential in self._values("LoadCredential"):
            name, _, source = credential.partition(":")
            shutil.copy(source, self._credentials / name)
        environment = self.environment()
        for command in self._values("ExecStartPre"):
            subprocess.run(self._words(command, 0), env=environment, check=True, timeout=300)
        words = self._words(self.option("ExecStart"), 0)
        environment["NOTIFY_SOCKET"] = str(self._here / "notify")
        if self._listener is not None:
            environment["LISTEN_FDS"] = "1"
            # systemd gives the process its own id, and the socket as descriptor 3.
            words = ["/bin/bash", "-c", f'LISTEN_PID=$$ exec "$@" 3<&{self._listener.fileno()}', "bash", *words]
        inherited = [] if self._listener is None else [self._listener.fileno()]
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                words, stdout=output, stderr=output, cwd=self._directory(), env=environment, pass_fds=inherited
            )
        try:
            yield process
            self.stop(process)
        finally:
            kill_process(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Send TERM to the main process, and wait as long as the unit says."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(float(self.option("TimeoutStopSec"))) in (0, -signal.SIGTERM)

    def is_ready(self) -> bool:
        """Whether the service has told systemd so."""
        while True:
            try:
                self._notified += self._notifications.recv(4096).decode() + "\n"
            except BlockingIOError:
                return "READY=1" in self._notified.splitlines()

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        wait_until_ready(process, self.log, self.is_ready)

    def reload(self, process: subprocess.Popen[bytes]) -> str | None:
        """Run the commands of a reload up to the first that fails; return what it says, or None if none does."""
        for command in self._values("ExecReload"):
            ran = subprocess.run(
                self._words(command, process.pid),
                cwd=self._directory(),
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=300,
            )
            if ran.returncode:
                return ran.stdout + ran.stderr
        return None

    def close(self) -> None:
        self._notifications.close()
