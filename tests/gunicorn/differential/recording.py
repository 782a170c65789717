"""Writes down, in the server, what the application, the server hooks and the loggers see."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from functools import cache
from typing import Any

_CLIENT = re.compile(r"from ip=([\d.]+)")
_MEMORY_ADDRESS = re.compile("0x[0-9a-f]+")
_TIMES = frozenset("tTDMLp")
"""The atoms of an access log that hold a time or the process id."""
_thread = threading.local()
"""Has the client of the last record of the thread."""


@cache
def _output() -> int:
    """Return the file of the records, which the environment names.

    Each record is one JSON line: the client's address, what was seen, and the details.
    """
    return os.open(os.environ["RECORD_TO"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def record(client: object, what: str, *details: Any) -> None:
    """Append one record.

    :param client: the client's IP address, by which a record is assigned to a connection; None if it is unknown.
    """
    if isinstance(client, str):
        _thread.client = client
    line = json.dumps([client, what, *details], default=_describe, sort_keys=True)
    os.write(_output(), _MEMORY_ADDRESS.sub("0x", line).encode() + b"\n")


def _describe(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else "<object>"


def describe_environ(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the environ without ports, the socket, and what the package's worker adds."""
    hidden = ("gunicorn.socket", "proxyhooks.received")
    described = {key: value for key, value in environ.items() if key.lower() not in hidden}
    if "PROXY_PROTOCOL" not in environ and "REMOTE_PORT" in environ:
        described["REMOTE_PORT"] = "<port>"
    own = os.environ["RECORD_OWN"].split()
    described |= {key: "<own>" for key in ("SERVER_NAME", "SERVER_PORT") if environ.get(key) in own}
    return described


class ErrorLog(logging.Handler):
    """Records warnings and errors; what is below them is about processes, not about requests."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, log_record: logging.LogRecord) -> None:
        message = log_record.getMessage()
        client = _CLIENT.search(message)
        exception = log_record.exc_info[1] if log_record.exc_info else None
        error = "" if exception is None else f"{type(exception).__name__}: {exception}"
        # Of an application that has not called start_response. The worker has a subclass of gunicorn's response.
        error = re.sub(r"'(Quick)?Response' object has no attribute '\w+'", "no start_response", error)
        # A thread writes about the request that it has just handled.
        known = client[1] if client else getattr(_thread, "client", None)
        record(known, "error log", log_record.levelname, message, error)


class AccessLog(logging.Handler):
    """Records the atoms of each line of the access log, apart from times."""

    def emit(self, log_record: logging.LogRecord) -> None:
        atoms = log_record.args
        assert isinstance(atoms, dict)
        shown = {name: value for name, value in atoms.items() if name not in _TIMES and not name.endswith("}e")}
        environ = describe_environ({name[1:-2].upper(): atoms[name] for name in atoms if name.endswith("}e")})
        record(atoms["h"], "access log", shown, environ)


def record_logs() -> None:
    """Record both logs of gunicorn. Call it in a worker."""
    logging.getLogger("gunicorn.error").addHandler(ErrorLog())
    logging.getLogger("gunicorn.http.wsgi").addHandler(ErrorLog())
    logging.getLogger("gunicorn.access").addHandler(AccessLog())
