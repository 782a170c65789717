"""A conversation with the rooms example: the requests as Centrifugo sends them, byte for byte, and their replies."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

# The fields of every request, and then those of each event, in the order of Centrifugo's own encoder.
_COMMON_FIELDS: Final = {
    "client": "7d13ca1e-754a-4a7e-a3fa-279fcf7ef87e",
    "transport": "websocket",
    "protocol": "json",
    "encoding": "json",
}
_EVENT_FIELDS: Final = {
    "connect": ("data", "name", "version", "channels"),
    "refresh": ("user", "meta"),
    "subscribe": ("user", "channel", "meta", "data"),
    "sub_refresh": ("user", "channel", "meta"),
    "publish": ("user", "channel", "data", "meta"),
    "rpc": ("user", "method", "data", "meta"),
}
_ESCAPED_BY_GO: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})

FORBIDDEN: Final = 403
ROOMS: Final = [
    {"id": 2, "name": "attic", "seats_left": 0, "invitation_only": False, "member": False},
    {"id": 1, "name": "lobby", "seats_left": 20, "invitation_only": False, "member": False},
    {"id": 3, "name": "staff", "seats_left": 5, "invitation_only": True, "member": False},
]
"""The demo's rooms, as eve sees them, who is in none."""


def encode(event: str, fields: dict[str, Any]) -> bytes:
    """The body of a request with these fields, as Go's ``encoding/json`` writes it."""
    body = _COMMON_FIELDS | {name: fields[name] for name in ("client", *_EVENT_FIELDS[event]) if name in fields}
    return json.dumps(body, separators=(",", ":")).translate(_ESCAPED_BY_GO).encode()


def headers(body: bytes, secret: str, cookie: str = "") -> list[tuple[str, str]]:
    """The headers of a request in the order of Go's HTTP client; Host comes before them."""
    forwarded = [("Cookie", cookie)] if cookie else []
    return [
        ("User-Agent", "Go-http-client/1.1"),
        ("Content-Length", str(len(body))),
        ("Content-Type", "application/json"),
        *forwarded,
        ("X-Proxyhooks-Secret", secret),
        ("Accept-Encoding", "gzip"),
    ]


class Report:
    """Prints the steps, and counts those that went wrong."""

    def __init__(self) -> None:
        self.steps = 0
        self.wrong = 0

    def step(self, title: str, lines: Iterable[tuple[str, str]], problem: str = "") -> None:
        """Print a step. It went wrong if there is a problem.

        :param lines: a label and a text for each; an empty text is left out.
        """
        self.steps += 1
        self.wrong += bool(problem)
        print(f"{'WRONG' if problem else 'ok   '} {title}")
        for label, text in (*lines, ("problem", problem)):
            if text:
                print(f"        {label:<8}{text}", flush=True)


class Soon:
    """An ``expire_at`` so many seconds from now, or up to a tenth earlier."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def __call__(self, value: Any) -> bool:
        left = value - time.time() if type(value) is int else -1.0
        return self._seconds * 0.9 - 2 <= left <= self._seconds + 1

    def __repr__(self) -> str:
        return f"<{self._seconds} s from now, or up to a tenth earlier>"


class Anything:
    """A value of this type, such as an id that the database chose."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __call__(self, value: Any) -> bool:
        return type(value) is self._kind

    def __repr__(self) -> str:
        return f"<any {self._kind.__name__}>"


def matches(expected: Any, value: Any) -> bool:
    """Whether the value is equal and of the same type; a :class:`Soon` or :class:`Anything` decides for its place."""
    if callable(expected):
        return bool(expected(value))
    if isinstance(expected, dict) and isinstance(value, dict):
        return expected.keys() == value.keys() and all(matches(expected[key], value[key]) for key in expected)
    if isinstance(expected, list) and isinstance(value, list):
        return len(expected) == len(value) and all(map(matches, expected, value))
    return type(expected) is type(value) and bool(expected == value)


class BackendClient:
    """Sends requests to the rooms example, as Centrifugo and as a browser."""

    def __init__(self, port: int, secret: str, report: Report) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._secret = secret
        self._report = report

    def close(self) -> None:
        self._connection.close()

    def log_in(self, path: str, name: str) -> tuple[str, Any]:
        """The session cookie and the reply of ``/login`` or ``/token``; the demo's passwords are the names."""
        body = json.dumps({"name": name, "password": name})
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        reply, cookie = response.read(), response.getheader("Set-Cookie", "")
        if response.status != 200:
            raise RuntimeError(f"POST {path} as {name} is answered {response.status}: {reply.decode()}")
        return cookie.partition(";")[0], json.loads(reply)

    def log_out(self, cookie: str) -> None:
        self._connection.request("POST", "/logout", headers={"Cookie": cookie, "Content-Type": "application/json"})
        self._connection.getresponse().read()

    def ask(self, event: str, fields: dict[str, Any], secret: str, cookie: str = "") -> tuple[int, Any]:
        """Send a request as Centrifugo, and return status and reply."""
        body = encode(event, fields)
        self._connection.putrequest("POST", f"/centrifugo/{event}", skip_accept_encoding=True)
        for name, value in headers(body, secret, cookie):
            self._connection.putheader(name, value)
        self._connection.endheaders(body)
        response = self._connection.getresponse()
        text = response.read().decode()
        return response.status, json.loads(text) if response.status == 200 else text.strip()

    def step(
        self, event: str, about: str, fields: dict[str, Any], expected: Any, sees: str, *, cookie: str = ""
    ) -> dict[str, Any]:
        """Send the event, compare the reply, print the step, and return the ``result``.

        :param expected: the reply, or :data:`FORBIDDEN`: then the secret is a wrong one.
        :param sees: what the reply makes Centrifugo's client see.
        """
        secret = "not-the-secret" if expected == FORBIDDEN else self._secret
        status, reply = self.ask(event, fields, secret, cookie)
        fine = status == expected if isinstance(expected, int) else status == 200 and matches(expected, reply)
        shown = json.dumps(reply, separators=(",", ":")) if status == 200 else f"HTTP {status}: {reply}"
        problem = "" if fine else f"expected was {expected!r}"
        self._report.step(f"{event:<12} {about}", [("reply", shown), ("client", sees if fine else "")], problem)
        result = reply.get("result") if isinstance(reply, dict) else None
        return result if isinstance(result, dict) else {}


def result(**fields: Any) -> dict[str, Any]:
    return {"result": fields}


def error(code: int, message: str, **temporary: bool) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **temporary}}


def disconnect(code: int, reason: str) -> dict[str, Any]:
    return {"disconnect": {"code": code, "reason": reason}}


def hold(backend: BackendClient, refresh_after: int, sub_refresh_after: int) -> None:
    """Hold the conversation. The example's database must be that of ``init-db --demo``.

    :param refresh_after: the example's REFRESH_AFTER, in seconds.
    :param sub_refresh_after: the example's SUB_REFRESH_AFTER, in seconds.
    """
    step: Callable[..., dict[str, Any]] = backend.step
    sdk = {"name": "js", "version": "5.8.0"}

    def welcome(user: str, name: str) -> dict[str, Any]:
        data = {"user": user, "name": name}
        meta = {"login_id": Anything(str)}
        return result(user=user, expire_at=Soon(refresh_after), info={"name": name}, data=data, meta=meta)

    cookie, _ = backend.log_in("/login", "ada")
    connected = step("connect", "ada, by session cookie", sdk, welcome("1", "ada"), "connected as ada", cookie=cookie)
    ada = {"user": "1", "meta": connected.get("meta")}

    by_token = {"data": {"token": backend.log_in("/token", "eve")[1]["token"]}, **sdk}
    connected = step("connect", "eve, by token", by_token, welcome("3", "eve"), "connected as eve")
    eve = {"user": "3", "meta": connected.get("meta")}

    step("connect", "nobody", sdk, disconnect(4501, "unauthorized"), "disconnected with 4501, stays away")
    by_token = {"data": {"token": backend.log_in("/token", "mallory")[1]["token"]}, **sdk}
    step("connect", "mallory, banned", by_token, disconnect(4503, "banned"), "disconnected with 4503, stays away")
    step("connect", "with a wrong secret", sdk, FORBIDDEN, "error 100, tries again: this is not Centrifugo")

    step("refresh", "ada", ada, result(expire_at=Soon(refresh_after)), "nothing: it stays connected")
    banned = {"user": "4", "meta": ada["meta"]}
    step("refresh", "mallory, banned", banned, result(expired=True), "disconnected with 3005")

    lobby = {"channel": "rooms:1"}
    latest = {"messages": [], "complete": True}
    subscribed = result(expire_at=Soon(sub_refresh_after), data=latest)
    step("subscribe", "rooms:1 (ada)", ada | lobby, subscribed, "subscribed, and gets the latest messages")
    step("subscribe", "rooms:1 (eve)", eve | lobby, error(103, "permission denied"), "unsubscribed with 103")
    step("subscribe", "rooms:99", ada | {"channel": "rooms:99"}, error(102, "unknown channel"), "unsubscribed with 102")
    step("sub_refresh", "rooms:1 (ada)", ada | lobby, result(expire_at=Soon(sub_refresh_after)), "nothing: it stays")
    step("sub_refresh", "rooms:1 (eve)", eve | lobby, result(expired=True), "unsubscribed with 2501")

    text, nonce = 'Hello "<everybody>" & \N{BICYCLE}', "e7c1a50d-5a3c-4d8e-9f4b-0d6f3c1b2a90"
    hello = {"type": "message", "id": Anything(int), "author": "ada", "text": text, "sent_at": Anything(str)}
    publish = ada | lobby | {"data": {"text": text, "nonce": nonce}}
    sees = "every subscriber gets the message, and who wrote it"
    message = step("publish", "rooms:1", publish, result(data=hello | {"nonce": nonce}), sees).get("data")
    step("publish", "rooms:1, sent again", publish, result(data=message), "every subscriber has it already")
    missed = result(expire_at=Soon(sub_refresh_after), data={"messages": [message], "complete": True})
    back = ada | lobby | {"data": {"after": 0}}
    step("subscribe", "rooms:1 (ada, who is back)", back, missed, "subscribed, and gets what it missed")
    step("publish", "rooms:1, no text", ada | lobby | {"data": {}}, error(107, "bad request"), "error 107")

    step("rpc", "rooms.list", eve | {"method": "rooms.list"}, result(data=ROOMS), "the rooms")
    join, leave = {"method": "rooms.join"}, {"method": "rooms.leave"}
    attic, lobby_id, staff = ({"data": {"room_id": room_id}} for room_id in (2, 1, 3))
    full = error(1001, "room is full", temporary=True)
    step("rpc", "rooms.join (the attic)", eve | join | attic, full, "error 1001, may try again")
    invited = error(1002, "by invitation only")
    step("rpc", "rooms.join (the staff)", eve | join | staff, invited, "error 1002, gives up")
    step("rpc", "rooms.join (the lobby)", eve | join | lobby_id, result(data={"channel": "rooms:1"}), "the channel")
    step("rpc", "rooms.leave (the lobby)", eve | leave | lobby_id, result(data={}), "{}")
    step("rpc", "rooms.burn", eve | {"method": "rooms.burn"}, error(104, "method not found"), "error 104")

    backend.log_out(cookie)
    step("refresh", "ada, logged out", ada, result(expired=True), "disconnected with 3005, comes back")
    gone = disconnect(4501, "unauthorized")
    step("connect", "ada, logged out", sdk, gone, "disconnected with 4501, stays away", cookie=cookie)
