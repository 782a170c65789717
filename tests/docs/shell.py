"""A shell in a scratch directory that runs the commands of a document, one after another."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.support.servers import accepts_connections, free_port, server_environment
from tests.support.waiting import wait_until

_LIMIT: Final = 60.0
"""Seconds for one command."""
_MARK: Final = "@@ done"
_PRINTED_PORTS: Final = ("8070", "8000", "6379")
"""What documents call the ports of the backend, of Centrifugo and of Redis."""


class Shell:
    """Bash. Variables, and servers started with ``&``, live until the end of the ``with`` block."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports = {printed: str(free_port()) for printed in _PRINTED_PORTS}
        self._log = directory / ".servers.log"

    def __enter__(self) -> Shell:
        variables = {name: value for name, value in server_environment().items() if not name.startswith("PYTEST")}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=self.directory,
            env=variables
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "TMPDIR": str(self.directory),
                "GUNICORN_CMD_ARGS": "--no-control-socket",
                "CENTRIFUGO_HTTP_SERVER_PORT": self._ports["8000"],
                "CENTRIFUGO_USAGE_STATS_DISABLED": "true",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._group_lives():
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=10)

    def _group_lives(self) -> bool:
        self._process.poll()
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def add_program(self, name: str, path: str) -> None:
        """Let the commands find the program under this name."""
        directory = self.directory / "bin"
        directory.mkdir(exist_ok=True)
        (directory / name).symlink_to(path)
        self.run(f'export PATH="{directory}:$PATH"')

    def translate(self, text: str) -> str:
        """The text with the ports of this run."""
        return re.sub(rf"\b({'|'.join(_PRINTED_PORTS)})\b", lambda match: self._ports[match[0]], text)

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and output. A command that ends with ``&`` is a server.

        If it names its port, or is Centrifugo, return when it accepts connections.

        :raises TimeoutError: if it takes longer than a minute, or a server longer than half a minute.
        """
        command = self.translate(command).strip()
        if command.endswith("&"):
            self._send(f"{command[:-1]} >>{self._log} 2>&1 &\ntrue")
            named = [port for port in self._ports.values() if port in command]
            for port in [self._ports["8000"]] if "centrifugo -c" in command else named:
                self._wait_for_server(int(port))
            return 0, ""
        return self._send(command)

    def _send(self, command: str) -> tuple[int, str]:
        pipe: Any = self._process.stdin
        pipe.write(f"{{ {command}\n}} 2>&1 </dev/null\nprintf '\\n%s %d\\n' '{_MARK}' $?\n")
        pipe.flush()
        timer = threading.Timer(_LIMIT, os.killpg, (self._process.pid, signal.SIGKILL))
        timer.start()
        try:
            lines = list(self._lines())
        finally:
            timer.cancel()
        if not lines or not lines[-1].startswith(_MARK):
            raise TimeoutError(f"{command!r} did not end within {_LIMIT:g} s:\n{''.join(lines)}")
        status = int(lines.pop().split()[-1])
        return status, "".join(lines).removesuffix("\n")

    def _lines(self) -> Iterator[str]:
        output: Any = self._process.stdout
        for line in output:
            yield line
            if line.startswith(_MARK):
                return

    def _wait_for_server(self, port: int) -> None:
        try:
            wait_until(lambda: accepts_connections(port), f"a server on port {port}", _LIMIT / 2)
        except AssertionError as error:
            raise TimeoutError(f"{error}:\n{self._log.read_text(errors='replace')}") from None


def matches(expected: str, output: str) -> bool:
    """Whether the output is as printed; ``...`` stands for anything, and a line of ``...`` for any number of lines."""
    lines = [line.rstrip() for line in expected.rstrip("\n").split("\n")]
    pattern = ""
    for line in lines:
        if line.strip() in ("...", "// ..."):
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.split("..."))) + r" *\n"
    return re.fullmatch(pattern, output.rstrip("\n") + "\n") is not None


def commands(console: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output printed below it."""
    found = []
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        lines = part.split("\n")
        end = next(index for index, line in enumerate(lines) if not line.endswith("\\")) + 1
        found.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found
