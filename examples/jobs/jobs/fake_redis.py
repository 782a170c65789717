"""A server that plays Redis, for trying without one: ``flask --app jobs fake-redis``. It keeps nothing on disk."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import click
from flask import current_app
from flask.cli import with_appcontext


@click.command("fake-redis")
@with_appcontext
def fake_redis_command() -> None:
    """Play Redis on the address of REDIS_URL."""
    url = urlsplit(current_app.config["REDIS_URL"])
    server(url.hostname or "127.0.0.1", url.port or 6379).serve_forever()


def server(host: str, port: int) -> Any:
    from fakeredis import TcpFakeServer  # is installed only for trying and for tests

    class Server(TcpFakeServer):
        daemon_threads = True

        def get_request(self) -> tuple[socket.socket, Any]:
            request, address = super().get_request()
            return _Named(fileno=request.detach()), address

    return Server((host, port))


class _Named(socket.socket):
    """Its addresses are texts, as RQ reads them in the reply to CLIENT INFO; fakeredis would write tuples."""

    def getpeername(self) -> str:
        return "{}:{}".format(*super().getpeername())

    def getsockname(self) -> str:
        return "{}:{}".format(*super().getsockname())
