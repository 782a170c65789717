"""Instructions of a call in a gunicorn worker, from the socket to the socket, as the processor counts them.

They hardly depend on the load of the machine. valgrind does not count here: a worker that is 50 times slower decides
otherwise about its threads, and valgrind does not know an instruction that gunicorn_h1c uses. The count is of user
space only, of all threads of the worker's process. The application does nothing but read the counter.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import http_client

from .contestants import BODY, PATH
from .served import Row, headers, running

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# perf_event_open(2); linux/perf_event.h: type, size, config, and flags in the 6th word of 8 bytes.
_SYSCALLS = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _INSTRUCTIONS = 0, 1
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_ATTRIBUTES = struct.pack("IIQ24xQ80x", _HARDWARE, 128, _INSTRUCTIONS, _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR)


def available() -> bool:
    """Whether this process may count instructions: many virtual machines and containers do not allow it."""
    try:
        os.close(_open_counter())
    except OSError:
        return False
    return True


def instructions(server: str, calls: int = 1000) -> float:
    """Instructions of one call.

    :param server: a server of gunicorn's in :data:`~tests.benchmarks.served.COMMANDS`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as directory,
        running(Row(server, "counting"), Path(directory, "log")) as port,
        http_client.connect(port) as connection,
    ):

        def call() -> int:
            connection.request("POST", PATH, BODY, headers())
            return int(connection.getresponse().read())

        for _ in range(calls // 2):
            start = call()
        for _ in range(calls):
            end = call()
    return (end - start) / calls


def measure() -> Iterator[tuple[str, str]]:
    """Name and instructions of each server of gunicorn's."""
    for server in ("gthread", "the worker of proxyhooks", "the same without gunicorn_h1c"):
        yield server, f"{instructions(server):,.0f}"


def counting() -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """A WSGI application that replies with the instructions of its process so far."""
    counter = _open_counter()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "20")])
        return [b"%20d" % int.from_bytes(os.read(counter, 8), "little")]

    return app


def _open_counter() -> int:
    """Count the instructions of this thread, and of threads that it starts from now on.

    :raises OSError: if the system does not allow it.
    """
    if platform.machine() not in _SYSCALLS:
        raise OSError(f"the number of the system call is unknown for {platform.machine()}")
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    counter: int = syscall(_SYSCALLS[platform.machine()], ctypes.create_string_buffer(_ATTRIBUTES, 128), 0, -1, -1, 0)
    if counter < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open")
    return counter
