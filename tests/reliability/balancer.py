"""A TCP balancer: each connection goes to the next backend, or to the one after it if the next one refuses.

``python -m tests.reliability.balancer PORT FILE``; the file contains the ports of the backends, and is read for every
connection.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import accepts_connections, free_port, running_server


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def serve(port: int, backends: Path) -> None:
    numbers = itertools.count()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = [int(line) for line in backends.read_text().split()]
        first = next(numbers)
        for backend in (ports[(first + offset) % len(ports)] for offset in range(len(ports))):
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
        """Send connections from now on to these backends."""
        new = self._file.with_suffix(".new")
        new.write_text(" ".join(map(str, ports)))
        new.rename(self._file)


@contextmanager
def balancer(here: Path, *ports: int) -> Iterator[Balancer]:
    """A balancer that accepts connections."""
    balancer = Balancer(here)
    balancer.use(*ports)
    command = [sys.executable, "-m", "tests.reliability.balancer", str(balancer.port), str(here / "backends")]
    with running_server(command, here / "balancer.log", is_ready=lambda: accepts_connections(balancer.port)):
        yield balancer


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
