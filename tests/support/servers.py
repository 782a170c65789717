"""Starts and stops servers: as processes, or as threads of the test process."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from tests.support import http_client
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

START_TIMEOUT = 60.0
"""Seconds."""
STOP_TIMEOUT = 60.0
"""Seconds. gunicorn waits up to 30 s for calls that are still running."""


_reservations: deque[int] = deque()
"""Descriptors of the sockets that keep ports; the last ones are closed by the end of the process."""
_MAX_RESERVATIONS = 64


def free_port() -> int:
    """A port on which nothing listens, and which no other process of tests gets.

    It lies outside of the range from which the system chooses ports for outgoing connections, so that none of those can
    take it before the server does.
    """
    while True:
        port = 20_000 + secrets.randbelow(10_000)  # hypothesis gives the same seed to `random` in every process
        # The UDP port of the same number is the reservation. This process keeps it while a server starts or restarts.
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        _reservations.append(reservation.detach())
        if len(_reservations) > _MAX_RESERVATIONS:
            os.close(_reservations.popleft())
        return port


def server_environment(**more: str) -> dict[str, str]:
    """The environment of the tests without variables that configure a server or this package, and with *more*."""
    prefixes = ("CENTRIFUGO", "FLASK_", "GUNICORN", "PROXYHOOKS_", "WEB_CONCURRENCY")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)} | more


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def answers(port: int, path: str = "/") -> bool:
    """Whether a GET of the path gets a response, whatever its status."""
    try:
        http_client.request(port, "GET", path, timeout=5)
    except (OSError, http.client.HTTPException):
        return False
    return True


def start_process(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    cpu: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server without waiting for it.

    :param log: output and errors are appended to it.
    :param env: :func:`server_environment` if left out.
    :param cpu: the only CPU that the server may use.
    """
    pin = None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=server_environment() if env is None else env,
            preexec_fn=pin,
        )


def stop_process(process: subprocess.Popen[bytes], timeout: float = STOP_TIMEOUT) -> int:
    """Send SIGTERM, wait for the end, and return the exit code.

    :param timeout: seconds until the process is killed.
    :raises subprocess.TimeoutExpired: if it had to be killed.
    """
    process.terminate()
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        kill_process(process)
        raise


def kill_process(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(STOP_TIMEOUT)


@contextmanager
def running_server(
    command: Sequence[str],
    log: Path,
    *,
    is_ready: Callable[[], bool],
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    cpu: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process from when it is ready until the end of the block.

    :param is_ready: for example ``lambda: answers(port, "/health")``.
    :raises AssertionError: if it is not ready in time, with the end of its log.
    """
    process = start_process(command, log, cwd=cwd, env=env, cpu=cpu)
    try:
        wait_until_ready(process, log, is_ready)
        yield process
    finally:
        stop_process(process)


def wait_until_ready(
    process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool], timeout: float = START_TIMEOUT
) -> None:
    """Return as soon as the server is ready.

    :param timeout: seconds.
    :raises AssertionError: if the process ends, or is not ready in time, with the end of its log.
    """
    try:
        wait_until(lambda: process.poll() is not None or is_ready(), f"{process.args!r}", timeout)
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
    except AssertionError as error:
        raise AssertionError(f"{error}. The end of its log:\n{log.read_text(errors='replace')[-4000:]}") from None


@contextmanager
def serving_in_thread(app: WSGIApplication) -> Iterator[int]:
    """The port of a server for the application, which runs in threads of the test process."""

    def without_socket(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The package would refuse calls that have waited, according to the socket. On a loaded machine any may have.
        environ.pop("werkzeug.socket", None)
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, without_socket, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(STOP_TIMEOUT)
        server.server_close()
