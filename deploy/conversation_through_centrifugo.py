"""The same conversation through a running Centrifugo with its Python SDK, as clients see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import centrifuge
from conversation import ROOMS, Anything, BackendClient, Report, matches

_PATIENCE: Final = 10.0
"""Seconds to wait for an event."""


class Client:
    """A client that queues its events, so that the conversation can wait for each of them."""

    def __init__(self, url: str, report: Report, *, cookie: str = "", token: str | None = None) -> None:
        self._report = report
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.sdk = centrifuge.Client(
            url,
            events=self._handler(centrifuge.ClientEventHandler(), {"connected": "data", "disconnected": "code"}),
            data=None if token is None else {"token": token},
            headers={"Cookie": cookie} if cookie else None,
            proxy=None,
        )

    def _handler(self, handler: Any, heard: dict[str, str]) -> Any:
        """Let the SDK's handler queue these events, each with this attribute of its context."""
        for name, attribute in heard.items():

            async def hear(context: Any, name: str = name, attribute: str = attribute) -> None:
                await self._events.put((name, getattr(context, attribute)))

            setattr(handler, f"on_{name}", hear)
        return handler

    async def subscribe(self, channel: str) -> Any:
        known: Any = self.sdk.get_subscription(channel)
        if known is None:
            events = {"subscribed": "data", "unsubscribed": "code", "publication": "pub"}
            known = self.sdk.new_subscription(channel, self._handler(centrifuge.SubscriptionEventHandler(), events))
        await known.subscribe()
        return known

    async def sees(self, title: str, name: str, expected: Any) -> None:
        """Wait for the next event, and compare its name and value."""
        try:
            seen, value = await asyncio.wait_for(self._events.get(), _PATIENCE)
        except TimeoutError:
            self._report.step(title, [], f"nothing within {_PATIENCE} s; expected was {name} {expected!r}")
            return
        if seen == "publication":
            value = value.data
        fine = seen == name and matches(expected, value)
        shown = f"{seen} {json.dumps(value)}"
        self._report.step(title, [("client", shown)], "" if fine else f"expected was {name} {expected!r}")

    async def calls(self, title: str, method: str, data: Any, expected: Any) -> None:
        """Call a method, and compare its data or its error."""
        await self._compare(title, self.sdk.rpc(method, data), expected)

    async def publishes(self, title: str, channel: str, data: Any, expected: Any) -> None:
        """Publish, and compare the error, or None if there is none."""
        await self._compare(title, self.sdk.publish(channel, data), expected)

    async def _compare(self, title: str, call: Any, expected: Any) -> None:
        try:
            value = getattr(await call, "data", None)
        except centrifuge.ReplyError as error:
            value = {"code": error.code, "message": error.message, "temporary": error.temporary}
        problem = "" if matches(expected, value) else f"expected was {expected!r}"
        self._report.step(title, [("client", f"gets {json.dumps(value)}")], problem)


async def hold(backend: BackendClient, url: str, report: Report, access_log: Path) -> None:
    """Hold the conversation. The example's database must be that of ``init-db --demo``.

    :param access_log: of the backend, which shows the refreshes.
    """
    clients: list[Client] = []

    def client(**login: Any) -> Client:
        clients.append(Client(url, report, **login))
        return clients[-1]

    try:
        await _hold(backend, client, report, access_log)
    finally:
        for one in clients:
            await one.sdk.disconnect()


async def _hold(backend: BackendClient, client: Callable[..., Client], report: Report, access_log: Path) -> None:
    def token(name: str) -> str:
        return str(backend.log_in("/token", name)[1]["token"])

    start = len(access_log.read_text(encoding="utf-8"))
    ada = client(cookie=backend.log_in("/login", "ada")[0])
    await ada.sdk.connect()
    await ada.sees("connect      ada, by session cookie", "connected", {"user": "1", "name": "ada"})
    eve = client(token=token("eve"))
    await eve.sdk.connect()
    await eve.sees("connect      eve, by token", "connected", {"user": "3", "name": "eve"})
    nobody = client()
    await nobody.sdk.connect()
    await nobody.sees("connect      nobody", "disconnected", 4501)
    mallory = client(token=token("mallory"))
    await mallory.sdk.connect()
    await mallory.sees("connect      mallory, banned", "disconnected", 4503)

    lobby = await ada.subscribe("rooms:1")
    history = {"messages": Anything(list), "complete": True}
    await ada.sees("subscribe    rooms:1 (ada)", "subscribed", history)
    await eve.subscribe("rooms:1")
    await eve.sees("subscribe    rooms:1 (eve)", "unsubscribed", 103)
    await eve.subscribe("rooms:99")
    await eve.sees("subscribe    rooms:99", "unsubscribed", 102)

    message = {"type": "message", "id": Anything(int), "author": "ada", "text": "Hello", "sent_at": Anything(str)}
    message["nonce"] = None
    await ada.publishes("publish      rooms:1", "rooms:1", {"text": "Hello"}, None)
    await ada.sees("publish      rooms:1, as its subscribers get it", "publication", message)
    refused = {"code": 107, "message": "bad request", "temporary": False}
    await ada.publishes("publish      rooms:1, no text", "rooms:1", {}, refused)

    await eve.calls("rpc          rooms.list", "rooms.list", None, ROOMS)
    full = {"code": 1001, "message": "room is full", "temporary": True}
    await eve.calls("rpc          rooms.join (the attic)", "rooms.join", {"room_id": 2}, full)
    invited = {"code": 1002, "message": "by invitation only", "temporary": False}
    await eve.calls("rpc          rooms.join (the staff)", "rooms.join", {"room_id": 3}, invited)
    await eve.calls("rpc          rooms.join (the lobby)", "rooms.join", {"room_id": 1}, {"channel": "rooms:1"})
    joined = {"type": "joined", "name": "eve"}
    await ada.sees("             rooms:1, what the backend publishes then", "publication", joined)
    await eve.subscribe("rooms:1")
    await eve.sees("subscribe    rooms:1 (eve, a member now)", "subscribed", history)
    await eve.calls("rpc          rooms.leave (the lobby)", "rooms.leave", {"room_id": 1}, {})
    await eve.sees("             rooms:1, from which the backend unsubscribes eve", "unsubscribed", 2000)
    left = {"type": "left", "name": "eve"}
    await ada.sees("             rooms:1, what the backend publishes then", "publication", left)
    not_found = {"code": 104, "message": "method not found", "temporary": False}
    await eve.calls("rpc          rooms.burn", "rooms.burn", {}, not_found)

    for event, about in (("refresh", "ada and eve"), ("sub_refresh", "rooms:1")):
        # An SDK reports no refresh that has succeeded. But the backend is asked, and the client stays.
        asked = await _is_asked(event, access_log, start)
        state = f"{ada.sdk.state.value}, {lobby.state.value}"
        fine = asked and state == "connected, subscribed"
        problem = "" if fine else "expected was: asked, connected, subscribed"
        shown = f"{'asked' if asked else 'not asked'}; ada is {state}"
        report.step(f"{event:<12} {about}", [("client", shown)], problem)


async def _is_asked(event: str, access_log: Path, start: int) -> bool:
    """Wait until the backend has allowed the event, according to its log from *start* on."""
    wanted = f'"POST /centrifugo/{event} HTTP/1.1" 200'
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        if wanted in access_log.read_text(encoding="utf-8")[start:]:
            return True
        await asyncio.sleep(0.1)
    return False
