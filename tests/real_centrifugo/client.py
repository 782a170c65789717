"""Clients of Centrifugo that send one command and return the reply as it is.

An SDK would reconnect, repeat and translate errors, and so hide what these tests check.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.real_centrifugo.centrifugo_config import POLL_SECRET

TIMEOUT = 60.0
"""Seconds for which a client waits for a message."""

Message = dict[str, Any]


class Client:
    """A client with a WebSocket and Centrifugo's JSON protocol."""

    def __init__(self, address: str, headers: dict[str, str] | None = None) -> None:
        self._stack = ExitStack()
        url = f"ws://{address}/connection/websocket"
        self._socket = self._stack.enter_context(connect(url, additional_headers=headers, proxy=None, close_timeout=1))
        self._ids = itertools.count(1)
        self._replies: dict[int, Message] = {}
        self.pushes: deque[Message] = deque()
        self.closed: tuple[int, str] | None = None
        """The code and the reason with which the server closed the connection, or None."""

    def ask(self, command: str, **parameters: Any) -> Message:
        """The reply without its id: ``{command: ...}`` or ``{"error": ...}``.

        Where the connection is closed instead, it is ``{"closed": (code, reason)}``.
        """
        return self.ask_text(command, json.dumps(parameters))

    def ask_text(self, command: str, parameters: str) -> Message:
        """:meth:`ask` with JSON that Python would not write."""
        number = next(self._ids)
        try:
            self._socket.send(f'{{"id":{number},"{command}":{parameters}}}')
        except ConnectionClosed:
            self._note_close()
        while number not in self._replies and self.closed is None:
            self.receive()
        return self._replies.pop(number, {"closed": self.closed})

    def next_push(self) -> Message:
        """The next push of the server."""
        while not self.pushes:
            assert self.closed is None, f"closed with {self.closed}"
            self.receive()
        return self.pushes.popleft()

    def wait_closed(self) -> tuple[int, str]:
        while self.closed is None:
            self.receive()
        return self.closed

    def close(self) -> None:
        self._stack.close()

    def receive(self) -> None:
        """Wait for the next message, and keep what it brings in :attr:`pushes`, :attr:`closed` or the replies."""
        try:
            text = self._socket.recv(timeout=TIMEOUT)
        except ConnectionClosed:
            self._note_close()
            return
        for line in filter(None, str(text).split("\n")):
            message: Message = json.loads(line)
            if not message:  # a ping
                self._socket.send("{}")
            elif "push" in message:
                self.pushes.append(message["push"])
            else:
                self._replies[message.pop("id")] = message

    def _note_close(self) -> None:
        code = self._socket.close_code
        assert code is not None
        self.closed = (code, self._socket.close_reason or "")


Open = Callable[[], Client]
"""Returns a client that has not sent anything yet."""
Enter = Callable[..., Client]
"""Returns a connected client: ``enter(user="ann", meta={...})``."""


@contextmanager
def one_way(address: str, transport: str, request: Message) -> Iterator[Iterator[Message]]:
    """The messages that a unidirectional client gets until the server ends the connection.

    The end of a WebSocket is yielded as a disconnect.
    """
    if transport == "uni_websocket":
        with connect(f"ws://{address}/connection/uni_websocket", proxy=None, close_timeout=1) as socket:
            socket.send(json.dumps(request))
            yield _of_websocket(socket)
        return
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("POST", f"/connection/{transport}", json.dumps(request))
        yield _of_stream(connection.getresponse())
    finally:
        connection.close()


def _of_stream(response: http.client.HTTPResponse) -> Iterator[Message]:
    assert response.status == 200, (response.status, response.read())
    for line in response:
        text = line.removeprefix(b"data: ").strip()
        if text and text != b"{}":
            yield json.loads(text)


def _of_websocket(socket: Any) -> Iterator[Message]:
    while True:
        try:
            message = json.loads(socket.recv(timeout=TIMEOUT))
        except ConnectionClosed:
            yield {"disconnect": {"code": socket.close_code, "reason": socket.close_reason}}
            return
        if message:
            yield message


def track(client: Client, user: str, channel: str, *keys: str) -> None:
    """Subscribe to a shared poll, and track keys with a signature as an application makes it."""
    assert "sub_refresh" in ask_to_track(client, user, channel, *keys)


def ask_to_track(client: Client, user: str, channel: str, *keys: str) -> Message:
    """:func:`track`, but return the reply whatever it is."""
    assert client.ask("subscribe", channel=channel, type=4)["subscribe"]["type"] == 4
    batch = {"signature": _signature(user, channel, keys), "items": [{"key": key} for key in keys]}
    return client.ask("sub_refresh", channel=channel, type=1, track=[batch])


def _signature(user: str, channel: str, keys: Iterable[str]) -> str:
    """With it an application allows a user to track these keys of a shared poll."""
    issued = int(time.time())
    expires = issued + 3600
    digest = hashlib.sha256("\0".join(keys).encode()).hexdigest()
    signed = "\0".join([str(issued), str(expires), user, channel, digest])
    return f"{issued}:{expires}:{hmac.new(POLL_SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()}"
