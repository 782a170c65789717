"""Plays Redis, for trying the example without one: ``python fake_redis.py [PORT]``. It keeps nothing on disk."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

from fakeredis import TcpFakeServer


class FakeRedis(TcpFakeServer):
    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        return _Connection(fileno=connection.detach()), address


class _Connection(socket.socket):
    """Its addresses are texts: fakeredis writes them into the reply to CLIENT INFO, where RQ cannot read tuples."""

    def getpeername(self) -> str:
        return "{}:{}".format(*super().getpeername())

    def getsockname(self) -> str:
        return "{}:{}".format(*super().getsockname())


if __name__ == "__main__":
    server = FakeRedis(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 6379))
    server.daemon_threads = True
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
