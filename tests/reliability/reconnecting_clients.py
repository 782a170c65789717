"""``python -m tests.reliability.reconnecting_clients PORT PORT CLIENTS SUBSCRIPTIONS``: clients that come back.

They connect to the first port and subscribe, and print a line. After they have lost their connections, they come back
to the second port, as an SDK does: each try is later than the one before, by a random time. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

MIN_DELAY, MAX_DELAY = 0.5, 20.0
"""Seconds, of centrifuge-js."""
TIMEOUT = 5.0
"""Seconds that an SDK waits for a reply."""
CALLERS, PAUSE = 20, 0.5
"""So many clients call a method, with a pause in seconds between the calls, from when they are back."""


@dataclass
class Seen:
    back: list[float] = field(default_factory=list)
    """When each client was back, by ``time.monotonic``."""
    refused: Counter[str] = field(default_factory=Counter)
    """Tries that failed: the status or error of a connection, or the command and its error."""
    calls: Counter[str] = field(default_factory=Counter)
    """Outcomes of the calls of clients that were back."""


class Client:
    def __init__(self, number: int, subscriptions: int, seen: Seen) -> None:
        self._number, self._subscriptions, self._seen = number, subscriptions, seen
        self._ids = 0

    async def connect(self, port: int) -> ClientConnection:
        """Connect and subscribe to all channels, as often as it takes."""
        for attempt in range(1000):
            await asyncio.sleep(_delay(attempt))
            try:
                socket = await connect(
                    f"ws://127.0.0.1:{port}/connection/websocket",
                    proxy=None, compression=None, open_timeout=TIMEOUT, close_timeout=0.1, ping_interval=None,
                )  # fmt: skip
            except InvalidStatus as error:
                self._seen.refused[str(error.response.status_code)] += 1
                continue
            except (OSError, WebSocketException, TimeoutError) as error:
                self._seen.refused[type(error).__name__] += 1
                continue
            with suppress(WebSocketException, TimeoutError):
                if await self._accepted(socket, "connect"):
                    await self._subscribe(socket)
                    return socket
            await socket.close()
        raise AssertionError("a client did not come back")

    async def _subscribe(self, socket: ClientConnection) -> None:
        missing = [f"room:{self._number}-{channel}" for channel in range(self._subscriptions)]
        for attempt in range(1000):
            missing = [one for one in missing if not await self._accepted(socket, "subscribe", channel=one)]
            if not missing:
                return
            await asyncio.sleep(_delay(attempt))

    async def _accepted(self, socket: ClientConnection, command: str, **fields: Any) -> bool:
        reply = await self.ask(socket, command, **fields)
        if "error" in reply:
            self._seen.refused[f"{command} {reply['error']['code']}"] += 1
        return "error" not in reply

    async def ask(self, socket: ClientConnection, command: str, **fields: Any) -> dict[str, Any]:
        self._ids += 1
        await socket.send(json.dumps({"id": self._ids, command: fields}))
        async with asyncio.timeout(TIMEOUT):
            while True:
                for line in str(await socket.recv()).split("\n"):
                    reply: dict[str, Any] = json.loads(line)
                    if reply.get("id") == self._ids:
                        return reply
                    if not reply:
                        await socket.send("{}")  # a ping

    async def call(self, socket: ClientConnection, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                reply = await self.ask(socket, "rpc", method="echo", data=1)
                self._seen.calls["ok" if "rpc" in reply else str(reply["error"]["code"])] += 1
            except (TimeoutError, WebSocketException) as error:
                self._seen.calls[type(error).__name__] += 1
            await asyncio.sleep(PAUSE)


def _delay(attempt: int) -> float:
    """How long an SDK waits, in seconds."""
    return min(MAX_DELAY, MIN_DELAY + random.uniform(0, min(MAX_DELAY, MIN_DELAY * 2**attempt)))


async def main(first: int, second: int, clients: int, subscriptions: int) -> Seen:
    ready, over = asyncio.Event(), asyncio.Event()
    everybody = [Client(number, subscriptions, Seen()) for number in range(clients)]
    connected = Counter[str]()
    seen = Seen()

    async def run(client: Client) -> None:
        socket = await client.connect(first)
        connected["first"] += 1
        with suppress(WebSocketException):
            async for message in socket:
                if message == "{}":
                    await socket.send("{}")
        await ready.wait()
        client._seen = seen
        socket = await client.connect(second)
        seen.back.append(time.monotonic())
        if len(seen.back) == clients:
            over.set()
        if client._number < CALLERS:
            await client.call(socket, over)
        await over.wait()
        await socket.close()

    running = asyncio.gather(*map(run, everybody))
    while connected["first"] < clients and not running.done():
        await asyncio.sleep(0.05)
    ready.set()
    print("connected", flush=True)
    await running
    return seen


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(vars(asyncio.run(main(*map(int, sys.argv[1:]))))))
