"""A backend that costs next to nothing, to compare with: it refuses large requests unread, and echoes the others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LARGE = 10_000
"""Bytes."""
_REFUSAL = b'{"error":{"code":107,"message":"bad request"}}'


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] != "POST":
        start_response("405 Method Not Allowed", [("Content-Length", "0")])
        return [b""]
    size = int(environ["CONTENT_LENGTH"])
    body = environ["wsgi.input"].read(size)
    if size > _LARGE:
        reply = _REFUSAL
    else:
        message = json.loads(body)
        user = {} if "method" in message else {"user": ""}
        reply = json.dumps({"result": {"data": message.get("data"), **user}}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(reply)))])
    return [reply]


(Path(os.environ["HERE"]) / f"loaded.{os.getpid()}").touch()
