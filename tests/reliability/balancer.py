"""A TCP balancer: each connection goes to the next backend, or to the one after it if that refuses.

``python -m tests.reliability.balancer PORT FILE``; the file has the ports of the backends, and is read for every
connection.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.reliability.server import free_port
from tests.support.paths import ROOT


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def serve(port: int, backends: Path) -> None:
    turns = itertools.count()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = [int(line) for line in backends.read_text().split()]
        turn = next(turns)
        for backend in (ports[(turn + number) % len(ports)] for number in range(len(ports))):
            try:
                backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", backend)
            except OSError:
                continue
            await asyncio.gather(_copy(reader, backend_writer), _copy(backend_reader, writer))
            backend_writer.close()
            break
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


class Balancer:
    def __init__(self, here: Path) -> None:
        self.port = free_port()
        self._file = here / "backends"

    def use(self, *ports: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(" ".join(map(str, ports)))
        new.rename(self._file)


@contextmanager
def balancer(here: Path, *ports: int) -> Iterator[Balancer]:
    balancer = Balancer(here)
    balancer.use(*ports)
    command = [sys.executable, "-m", "tests.reliability.balancer", str(balancer.port), str(here / "backends")]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield balancer
        finally:
            process.kill()


async def ready(balancer: Balancer) -> None:
    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        except OSError:
            return False
        writer.close()
        return True

    while not await answers():
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
