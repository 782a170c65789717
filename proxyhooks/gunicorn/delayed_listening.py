"""A server that starts does not listen before a worker has loaded the application, on Linux with TCP.

gunicorn listens at once. A balancer then gives calls to a server that cannot answer them yet, although others could.
If the connection is refused, it asks another one, and a probe fails.
"""

from __future__ import annotations

import socket
import sys
from typing import Any, Final

_sockets: Final[list[socket.socket]] = []
"""The sockets that do not listen yet, or did not when the server started. Workers inherit them."""
_backlogs: Final[list[int]] = []
"""gunicorn's setting, once the sockets have been replaced."""


def delay_listening(server: Any) -> None:
    """In the master, before a worker starts: replace its sockets by ones that are bound and do not listen, once.

    Sockets that others made have to listen: those of systemd, of an old master after USR2, and of ``--bind fd://3``.
    """
    of_others = server.systemd or server.master_pid or any(isinstance(address, int) for address in server.cfg.address)
    if sys.platform != "linux" or of_others or _backlogs:
        return
    for listener in server.LISTENERS:
        if (listening := listener.sock).family in (socket.AF_INET, socket.AF_INET6):
            listener.sock = _replace(listening)
            _sockets.append(listener.sock)
    _backlogs.append(server.cfg.backlog)


def start_listening() -> None:
    """In a worker that has loaded the application: listen, unless another one has done so.

    :raises OSError: if another server has begun to listen on the address in the meantime.
    """
    for sock in _sockets:
        is_open = sock.fileno() >= 0  # gunicorn closes it if a reload changes the address
        if is_open and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(_backlogs[0])


def _replace(listening: socket.socket) -> socket.socket:
    """Close a socket, and return another one that is bound to its address. A socket cannot stop to listen."""
    bound = socket.socket(listening.family, listening.type)
    options = [(socket.SOL_SOCKET, socket.SO_REUSEADDR), (socket.IPPROTO_TCP, socket.TCP_NODELAY)]
    if listening.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    for option in options:
        bound.setsockopt(*option, listening.getsockopt(*option))
    bound.setblocking(False)
    bound.set_inheritable(listening.get_inheritable())
    address = listening.getsockname()
    listening.close()
    bound.bind(address)
    return bound
