"""A server that starts does not listen before a worker has loaded the application, on Linux with TCP.

gunicorn listens at once. A balancer then gives calls to a server that cannot answer them yet, although others could.
If the connection is refused, it asks another one, and a probe fails.

gunicorn makes no sockets if it has some, and does not let a socket listen that listens already, as its method
``_is_listening`` says. If that is renamed, gunicorn's sockets listen at once.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any


def make_sockets(server: Any) -> None:
    """In the master, before gunicorn makes its sockets: make them, bound, and listening only if they are Unix sockets.

    Sockets that others made have to listen: those of systemd, of an old master after USR2, and of ``--bind fd://3``.
    With ``--reuse-port``, each worker makes its own.
    """
    from gunicorn import sock

    cfg = server.cfg
    of_others = (
        os.environ.get("LISTEN_PID") == str(os.getpid())
        or "GUNICORN_PID" in os.environ
        or any(isinstance(address, int) for address in cfg.address)
    )
    if sys.platform != "linux" or of_others or cfg.reuse_port or server.LISTENERS:
        return
    base_socket: Any = sock.BaseSocket
    is_listening = vars(base_socket).get("_is_listening")
    if is_listening is None:
        return
    base_socket._is_listening = staticmethod(_is_tcp)
    try:
        server.LISTENERS = sock.create_sockets(cfg, server.log)
    finally:
        base_socket._is_listening = is_listening


def start_listening(worker: Any) -> None:
    """In a worker that has loaded the application: listen, unless another one has done so.

    :raises OSError: if another server has begun to listen on the address in the meantime.
    """
    if sys.platform == "linux":
        for sock in worker.sockets:
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sock.listen(worker.cfg.backlog)


def _is_tcp(sock: socket.socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6)
