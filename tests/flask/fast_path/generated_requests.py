"""Random requests to hooks, most of them as Centrifugo sends them."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import flask
from flask import Flask

from .generated_apps import SECRET

EVENTS = ["connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc", "map_publish", "state"]
"""No hook serves the last one."""
HOSTS = ["a.example", "c.example:80", "bad host!", "a..example", "[::1]:8000"]


def cookie_header(rng: random.Random) -> str:
    """Return a Cookie header: with a valid session, a broken one, or none."""
    app = Flask("session")
    app.secret_key = "key"
    serializer = flask.sessions.SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    value = serializer.dumps(rng.choice([{"n": 7}, {"_permanent": True, "n": 8}, {"_permanent": True}, {}]))
    name = rng.choice(["session", "session", "session", "other"])
    return rng.choice([f"{name}={value}", f"a=b; {name}={value}", f"{name}={value}x", "a=b", f"{name}="])


def environ(rng: random.Random, usual_event: str) -> dict[str, Any]:
    """Return the WSGI environ of a request, with the body as bytes in ``wsgi.input``.

    :param usual_event: the event of nine in ten requests.
    """
    event = usual_event if rng.random() < 0.9 else rng.choice(EVENTS)
    message: dict[str, Any] = {
        "client": "c",
        "transport": rng.choice(["websocket", "uni_sse"]),
        "protocol": rng.choice(["json", "json", "protobuf"]),
        "encoding": "json",
        "user": rng.choice(["", "42"]),
        "channel": rng.choice(["chat:1", "chat:1", "chat:x", "news"]),
        "method": rng.choice(["say", "say", "say", "no"]),
        "data": rng.choice(
            [
                {"text": "hello", "room": 1, "tags": ["a"]},
                {"text": "hello"},
                {"text": "no", "color": None},
                {"text": "", "room": 101},
                {"text": 1, "more": 2},
                None,
                [],
                "text",
                {"text": "a", "room": 12345678901234567890123},
            ]
        ),
        "meta": rng.choice([{"tenant": 1}, {"tenant": "1"}, {"tenant": "x"}, None]),
        "b64data": "eA==",
        "key": "k",
        "more": 1,
    }
    for name in list(message):
        if rng.random() < (0.95 if name == "b64data" else 0.1):
            del message[name]
    body = json.dumps(message).encode()
    if rng.random() < 0.04:
        body = rng.choice([b"{", b"[]", b"", b'{"data": NaN}', b'{"data": "\\ud800"}', b'{"user": 1}', b"[" * 400])
    request: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if rng.random() < 0.98 else "GET",
        "SCRIPT_NAME": "" if rng.random() < 0.95 else "/api",
        "PATH_INFO": f"/centrifugo/{event}" if rng.random() < 0.98 else "/page/1",
        "QUERY_STRING": "" if rng.random() < 0.95 else "a=1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "a.example" if rng.random() < 0.9 else rng.choice(HOSTS),
        "HTTP_X_PROXYHOOKS_SECRET": SECRET if rng.random() < 0.98 else "wrong",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http" if rng.random() < 0.95 else "https",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if rng.random() < 0.2:
        request["HTTP_ACCEPT_ENCODING"] = "gzip"
    if rng.random() < 0.03:
        del request["HTTP_HOST"]
    if rng.random() < 0.03:
        request |= {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}
    if rng.random() < 0.2:
        request["HTTP_COOKIE"] = cookie_header(rng)
    return request
