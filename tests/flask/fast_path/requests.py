"""Requests made up at random, of which most are such as Centrifugo makes."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import flask
from flask import Flask

from .plans import SECRET

EVENTS = ["connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc", "map_publish", "state"]
"""The last one is served by nobody."""
HOSTS = ["a.example", "c.example:80", "bad host!", "a..example", "[::1]:8000"]


def cookie(chance: random.Random) -> str:
    """A Cookie header: none of it the session's, or that, whole or broken."""
    app = Flask("cookie")
    app.secret_key = "key"
    serializer = flask.sessions.SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    value = serializer.dumps(chance.choice([{"n": 7}, {"_permanent": True, "n": 8}, {"_permanent": True}, {}]))
    name = chance.choice(["session", "session", "session", "other"])
    return chance.choice([f"{name}={value}", f"a=b; {name}={value}", f"{name}={value}x", "a=b", f"{name}="])


def environ(chance: random.Random, usual: str) -> dict[str, Any]:
    """A request: mostly one that Centrifugo makes, for the usual event and by the name that it has for the backend."""
    event = usual if chance.random() < 0.9 else chance.choice(EVENTS)
    message: dict[str, Any] = {
        "client": "c",
        "transport": chance.choice(["websocket", "uni_sse"]),
        "protocol": chance.choice(["json", "json", "protobuf"]),
        "encoding": "json",
        "user": chance.choice(["", "42"]),
        "channel": chance.choice(["chat:1", "chat:1", "chat:x", "news"]),
        "method": chance.choice(["say", "say", "say", "no"]),
        "data": chance.choice(
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
        "meta": chance.choice([{"tenant": 1}, {"tenant": "1"}, {"tenant": "x"}, None]),
        "b64data": "eA==",
        "key": "k",
        "more": 1,
    }
    for name in list(message):
        if chance.random() < (0.95 if name == "b64data" else 0.1):
            del message[name]
    body = json.dumps(message).encode()
    if chance.random() < 0.04:
        body = chance.choice([b"{", b"[]", b"", b'{"data": NaN}', b'{"data": "\\ud800"}', b'{"user": 1}', b"[" * 400])
    made: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if chance.random() < 0.98 else "GET",
        "SCRIPT_NAME": "" if chance.random() < 0.95 else "/api",
        "PATH_INFO": f"/centrifugo/{event}" if chance.random() < 0.98 else "/page/1",
        "QUERY_STRING": "" if chance.random() < 0.95 else "a=1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "a.example" if chance.random() < 0.9 else chance.choice(HOSTS),
        "HTTP_X_PROXYHOOKS_SECRET": SECRET if chance.random() < 0.98 else "wrong",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http" if chance.random() < 0.95 else "https",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if chance.random() < 0.2:
        made["HTTP_ACCEPT_ENCODING"] = "gzip"
    if chance.random() < 0.03:
        del made["HTTP_HOST"]
    if chance.random() < 0.03:
        made |= {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}
    if chance.random() < 0.2:
        made["HTTP_COOKIE"] = cookie(chance)
    return made
