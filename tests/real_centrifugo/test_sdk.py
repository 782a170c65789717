"""Conversations with a real SDK, which decides itself what a reply means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from centrifuge import (
    Client,
    ClientEventHandler,
    ClientState,
    ConnectingContext,
    DisconnectedContext,
    PublicationContext,
    ReplyError,
    SubscribingContext,
    SubscriptionEventHandler,
)

from tests.real_centrifugo.client import TIMEOUT


class Connection(ClientEventHandler):
    def __init__(self) -> None:
        self.attempts = 0
        self.end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.attempts += 1

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        self.end.set_result((ctx.code, ctx.reason))


class Reopened(ClientEventHandler):
    """Why the client has begun to connect, each time."""

    def __init__(self) -> None:
        self.reasons: asyncio.Queue[str] = asyncio.Queue()

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        await self.reasons.put(ctx.reason)


class Resubscribed(SubscriptionEventHandler):
    """Why the client has begun to subscribe, each time."""

    def __init__(self) -> None:
        self.reasons: asyncio.Queue[str] = asyncio.Queue()

    async def on_subscribing(self, ctx: SubscribingContext) -> None:
        await self.reasons.put(ctx.reason)


class Publications(SubscriptionEventHandler):
    def __init__(self) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue()

    async def on_publication(self, ctx: PublicationContext) -> None:
        await self.received.put(ctx.pub.data)


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine and the tasks that it leaves: the SDK closes its connection in one of them."""

    async def to_the_end() -> None:
        async with asyncio.timeout(TIMEOUT):
            await story
            if rest := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(rest)

    asyncio.run(to_the_end())


def test_an_sdk_connects_talks_and_stays_away_when_told(centrifugo: str, name: str) -> None:
    run(_talk(centrifugo, name))


async def _talk(address: str, name: str) -> None:
    connection, publications = Connection(), Publications()
    url = f"ws://{address}/connection/websocket"
    client = Client(url, events=connection, data={"user": name}, proxy=None, timeout=TIMEOUT)
    await client.connect()
    await client.ready()
    subscription = client.new_subscription(f"chat:{name}", events=publications)
    await subscription.subscribe()
    await subscription.ready()
    await subscription.publish({"text": "hello"})
    assert await publications.received.get() == {"text": "hello", "from": name}

    assert (await client.rpc("echo", {"value": 2**80})).data == {"value": 2**80}
    with pytest.raises(ReplyError) as refused:
        await client.rpc("act", {"do": "custom-error"})
    assert (refused.value.code, refused.value.message, refused.value.temporary) == (1001, "room is full", False)

    with pytest.raises(Exception, match="disconnect"):
        await client.rpc("act", {"do": "disconnect"})
    assert await connection.end == (4501, "unauthorized")
    assert client.state is ClientState.DISCONNECTED
    assert connection.attempts == 1


REFUSED = {"disconnect": (4501, "unauthorized"), "error": (103, "permission denied")}


@pytest.mark.parametrize("do", REFUSED)
def test_an_sdk_that_is_refused_at_the_door_stays_away(centrifugo: str, name: str, do: str) -> None:
    run(_knock(centrifugo, name, do))


async def _knock(address: str, name: str, do: str) -> None:
    connection = Connection()
    url = f"ws://{address}/connection/websocket"
    client = Client(url, events=connection, data={"user": name, "do": do}, proxy=None, timeout=TIMEOUT)
    await client.connect()
    assert await connection.end == REFUSED[do]
    assert connection.attempts == 1


@pytest.mark.parametrize("centrifugo", ["json"], indirect=True)
def test_an_sdk_whose_connection_or_subscription_has_expired_comes_back(centrifugo: str, name: str) -> None:
    run(_expire(centrifugo, name))


async def _expire(address: str, name: str) -> None:
    url = f"ws://{address}/connection/websocket"
    connection, subscriptions = Reopened(), Resubscribed()
    client = Client(
        url, events=connection, data={"user": name, "meta": {"refresh": "error"}}, proxy=None, timeout=TIMEOUT
    )
    data = {"user": f"{name}-sub", "meta": {"sub_refresh": "error"}}
    other = Client(url, data=data, proxy=None, timeout=TIMEOUT)
    await client.connect()
    await other.connect()
    await other.ready()
    await other.new_subscription(f"chat:{name}", events=subscriptions).subscribe()
    assert [await connection.reasons.get() for _ in range(2)] == ["connect called", "connection expired"]
    assert [await subscriptions.reasons.get() for _ in range(2)] == ["subscribe called", "subscription expired"]
    await client.disconnect()
    await other.disconnect()


@pytest.mark.parametrize("centrifugo", ["binary"], indirect=True)
def test_bytes_go_to_and_fro_for_a_client_that_speaks_protobuf(centrifugo: str, name: str) -> None:
    run(_talk_in_bytes(centrifugo, name))


async def _talk_in_bytes(address: str, name: str) -> None:
    url = f"ws://{address}/connection/websocket?format=protobuf"
    data = json.dumps({"user": name}).encode()
    client = Client(url, data=data, use_protobuf=True, proxy=None, timeout=TIMEOUT)
    await client.connect()
    await client.ready()
    assert (await client.rpc("as-sent", b"\x00\xff\xfe")).data == b"\x00\xff\xfe"
    assert (await client.rpc("binary", b"")).data == b"\x00\xff"
    await client.disconnect()
