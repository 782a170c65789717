"""Mixed load with reloads for a long time: memory, file descriptors and threads must not grow."""

from __future__ import annotations

import asyncio
import http.client
import random
import resource
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.client import Client, Outcomes
from tests.reliability.server import Gunicorn, gunicorn
from tests.support import http_client

PAGE = resource.getpagesize()
WARM_UP = 120.0
"""Seconds of the life of a worker before its first sample: caches fill."""


@dataclass
class Sample:
    """What a process has."""

    memory: int
    """Bytes."""
    descriptors: int
    threads: int


@dataclass
class Endurance:
    outcomes: Outcomes
    reloads: int
    strangers: int
    """Requests of callers without a secret, and connections that were given up."""
    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    """By process; the first is the master."""

    def growth(self) -> str:
        """First and last sample of the master, and of the worker with the most samples."""
        master, *workers = self.samples.values()
        texts = []
        for name, samples in (("master", master), ("worker", max(workers, key=len, default=[]))):
            if samples:
                first, last = samples[0], samples[-1]
                texts.append(
                    f"{name}, {len(samples)} samples: {first.memory / 1e6:.1f} to {last.memory / 1e6:.1f} MB, "
                    f"{first.descriptors} to {last.descriptors} descriptors, {first.threads} to {last.threads} threads"
                )
        return "; ".join(texts)


def sample(pid: int) -> Sample:
    proc = Path(f"/proc/{pid}")
    resident = int((proc / "statm").read_text().split()[1])
    return Sample(resident * PAGE, len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())))


async def endure(here: Path, seconds: float, reload_every: float, sample_every: float) -> Endurance:
    """Call hooks of all kinds, also as a stranger, and reload the application again and again."""
    # Memory is measured here, not whether calls of a busy machine are late.
    with gunicorn(here, FLASK_PROXYHOOKS_TIMEOUT="20") as server:
        await server.ready()
        began = time.monotonic()
        end = began + seconds
        client = Client(server.port, timeout=10)
        result = Endurance(client.outcomes, 0, 0)
        seen: dict[int, float] = {}

        def running() -> bool:
            return time.monotonic() < end

        async def watch() -> None:
            while running():
                await asyncio.sleep(sample_every)
                now = time.monotonic()
                for pid in (server.pid, *server.workers()):
                    if now - seen.setdefault(pid, now) >= min(WARM_UP, seconds / 4):
                        with suppress(OSError):  # the process has just ended
                            result.samples[pid].append(sample(pid))

        async def reload() -> None:
            while running():
                await asyncio.sleep(min(reload_every, max(0.0, end - time.monotonic())))
                if running():
                    server.kill(signal.SIGHUP)
                    result.reloads += 1

        async def strange() -> None:
            while running():
                await asyncio.to_thread(random.choice(STRANGERS), server)
                result.strangers += 1
                await asyncio.sleep(0.02)

        result.samples[server.pid] = []
        await asyncio.gather(
            client.keep_calling(8, pause=0.02, until=lambda: not running()),
            client.keep_calling(4, pause=0.1, until=lambda: not running(), method="work"),
            watch(),
            reload(),
            strange(),
        )
        for pid in (server.pid, *server.workers()):
            result.samples[pid].append(sample(pid))
        client.pool.close()
        server.stop()
    return result


def _wrong_secret(server: Gunicorn) -> None:
    http_client.request(server.port, "POST", "/centrifugo/rpc", b"{}", {"X-Proxyhooks-Secret": "wrong"}, timeout=10)


def _other_page(server: Gunicorn) -> None:
    http_client.request(server.port, "GET", "/?a=b", timeout=10)


def _large_body(server: Gunicorn) -> None:
    http_client.request(server.port, "POST", "/", bytes(2_000_000), timeout=10)


def _chunked(server: Gunicorn) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/", iter([b"a" * 1000, b"b" * 1000]), encode_chunked=True)
    connection.getresponse().read()
    connection.close()


def _given_up(server: Gunicorn) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /centrifugo/rpc HTTP/1.1\r\nHost: backend\r\nContent-Length: 100\r\n\r\n{")


def _not_http(server: Gunicorn) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        connection.recv(1000)


def _harmless(stranger: Callable[[Gunicorn], None]) -> Callable[[Gunicorn], None]:
    def attempt(server: Gunicorn) -> None:
        with suppress(OSError, http.client.HTTPException):  # a worker that stops may end the connection of a stranger
            stranger(server)

    return attempt


STRANGERS = [
    _harmless(stranger) for stranger in (_wrong_secret, _other_page, _large_body, _chunked, _given_up, _not_http)
]
