"""Clients of the real SDK talk through a cluster whose parts are killed and replaced, and what they lost is counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from centrifuge import (
    Client,
    ClientState,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    Subscription,
    SubscriptionEventHandler,
    SubscriptionState,
)

from tests.reliability.cluster import CHANNEL, Cluster, running_cluster
from tests.reliability.server import WAIT_LIMIT, callers_timeout

SUBSCRIBERS, PUBLISHERS, CALLERS = 20, 4, 8
PAUSE = 0.03
"""Seconds between two publications or calls of one client."""
QUIET = 0.5
"""Seconds without a failure after which the next part is killed."""


@dataclass
class Phase:
    """What happened from the kill of one part to the kill of the next one."""

    name: str
    calls: Counter[str] = field(default_factory=Counter)
    publications: Counter[str] = field(default_factory=Counter)
    """Outcomes: ``ok``, the code of an error, or the name of an exception."""
    seconds: float = 0.0
    """From the kill until all clients are back and no call fails any more; 0 if none noticed it."""
    lost: int = 0
    """Messages whose publication was confirmed and that a subscriber did not get, for each subscriber."""
    confirmed: set[tuple[int, int]] = field(default_factory=set)

    def add(self, other: Phase) -> None:
        self.calls += other.calls
        self.publications += other.publications
        self.seconds = max(self.seconds, other.seconds)
        self.lost += other.lost
        self.confirmed |= other.confirmed

    def row(self) -> str:
        def failed(counts: Counter[str]) -> str:
            why = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()) if outcome != "ok")
            return f"{counts.total() - counts['ok']:,} of {counts.total():,}" + (f": {why}" if why else "")

        delivered = len(self.confirmed) * SUBSCRIBERS
        parts = (self.name, failed(self.calls), failed(self.publications), f"{self.lost:,} of {delivered:,}")
        return f"| {' | '.join(parts)} | {self.seconds:.1f} s |"


@dataclass
class Result:
    phases: list[Phase]
    twice: int = 0
    """Messages that a subscriber got again."""
    out_of_order: int = 0
    unrecovered: int = 0
    """Subscriptions that came back without the messages that they had missed."""
    recovered: int = 0
    """Subscriptions that came back with them."""
    subscribe_calls: int = 0
    """Calls of the subscribe hook."""

    @property
    def lost(self) -> int:
        return sum(phase.lost for phase in self.phases)

    def __str__(self) -> str:
        rows = "\n".join(phase.row() for phase in self.phases)
        recovered = f"{self.recovered} recovered, {self.unrecovered} not"
        return f"{self.twice} twice, {self.out_of_order} out of order; {recovered}\n{rows}"


class Subscriber(SubscriptionEventHandler):
    def __init__(self) -> None:
        self.received: list[tuple[int, int]] = []
        """Publisher and number of each message."""
        self.unrecovered = self.recovered = 0

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.received.append(tuple(ctx.pub.data))

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.unrecovered += ctx.was_recovering and not ctx.recovered
        self.recovered += ctx.recovered


class Load:
    """Clients that publish, subscribe and call."""

    def __init__(self, port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}/connection/websocket"
        self.phases = [Phase("before")]
        self.subscribers = [Subscriber() for _ in range(SUBSCRIBERS)]
        self._clients: list[Client] = []
        self._subscriptions: list[Subscription] = []
        self.last_failure = 0.0
        self.over = False

    async def start(self) -> None:
        for _ in range(SUBSCRIBERS + PUBLISHERS + CALLERS):
            client = Client(self._url, timeout=callers_timeout() + 2, min_reconnect_delay=0.5, proxy=None)
            self._clients.append(client)
            await client.connect()
            await client.ready(30)
        for client, subscriber in zip(self._clients, self.subscribers, strict=False):
            subscription = client.new_subscription(CHANNEL, events=subscriber, min_resubscribe_delay=0.5)
            self._subscriptions.append(subscription)
            await subscription.subscribe()
            await subscription.ready(30)
        publishers = self._clients[SUBSCRIBERS : SUBSCRIBERS + PUBLISHERS]
        callers = self._clients[SUBSCRIBERS + PUBLISHERS :]
        self._tasks = [asyncio.create_task(self._publish(*numbered)) for numbered in enumerate(publishers)]
        self._tasks += [asyncio.create_task(self._call(caller)) for caller in callers]

    def all_connected(self) -> bool:
        connected = all(client.state is ClientState.CONNECTED for client in self._clients)
        return connected and all(one.state is SubscriptionState.SUBSCRIBED for one in self._subscriptions)

    async def stop(self) -> None:
        self.over = True
        await asyncio.gather(*self._tasks)

    async def disconnect(self) -> None:
        for client in self._clients:
            with suppress(Exception):
                await client.disconnect()
        if rest := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(rest, timeout=5)

    async def _publish(self, publisher: int, client: Client) -> None:
        for number in itertools.count(1):
            if self.over:
                return
            outcome = await self._outcome(client.publish(CHANNEL, [publisher, number]))
            phase = self.phases[-1]  # a call that a kill ends has begun before the kill
            phase.publications[outcome] += 1
            if outcome == "ok":
                phase.confirmed.add((publisher, number))
            await asyncio.sleep(PAUSE)

    async def _call(self, client: Client) -> None:
        while not self.over:
            outcome = await self._outcome(client.rpc("echo", 1))
            self.phases[-1].calls[outcome] += 1
            await asyncio.sleep(PAUSE)

    async def _outcome(self, reply: Awaitable[object]) -> str:
        try:
            await reply
        except ReplyError as error:
            outcome = str(error.code)
        except Exception as error:  # the SDK raises several kinds for a connection that ends
            outcome = type(error).__name__
        else:
            return "ok"
        self.last_failure = time.monotonic()
        return outcome

    def missing(self) -> int:
        """How many confirmed messages the subscribers have not got yet."""
        return sum(len(phase.confirmed - set(one.received)) for phase in self.phases for one in self.subscribers)

    def result(self) -> Result:
        result = Result(self.phases)
        for subscriber in self.subscribers:
            received = subscriber.received
            got = set(received)
            for phase in self.phases:
                phase.lost += len(phase.confirmed - got)
            result.twice += len(received) - len(got)
            firsts = list(dict.fromkeys(received))
            for publisher in range(PUBLISHERS):
                numbers = [number for one, number in firsts if one == publisher]
                result.out_of_order += sum(later < number for number, later in itertools.pairwise(numbers))
            result.unrecovered += subscriber.unrecovered
            result.recovered += subscriber.recovered
        return result


async def kills(
    here: Path, names: Sequence[str], *, keep: bool = False, down: float = 0.5, wait: float = 0.0
) -> Result:
    """Kill the parts one after the other, and replace each.

    :param keep: whether Redis keeps its data.
    :param down: seconds until a part is replaced.
    :param wait: seconds for the messages that are still missing at the end.
    """
    here.mkdir(exist_ok=True)
    async with running_cluster(here, keep=keep) as cluster:
        load = Load(cluster.port)
        await load.start()
        try:
            await asyncio.sleep(QUIET)
            for name in names:
                await _kill(cluster, load, name, down)
            await load.stop()
            deadline = time.monotonic() + wait
            while load.missing() and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
        finally:
            await load.disconnect()
        result = load.result()
        result.subscribe_calls = cluster.calls_of("subscribe")
    return result


async def rounds(here: Path, number: int, *, keep: bool) -> Result:
    """Kill each kind of part so many times, one after the other, and add up what happened by kind."""
    result = await kills(here, ("backend", "node", "nginx", "redis") * number, keep=keep, down=2, wait=90)
    kinds: dict[str, Phase] = {}
    for phase in result.phases:
        kinds.setdefault(phase.name, Phase(phase.name)).add(phase)
    result.phases = [*kinds.values()]
    return result


async def _kill(cluster: Cluster, load: Load, name: str, down: float) -> None:
    load.phases.append(phase := Phase(name))
    began = bad = time.monotonic()
    cluster.kill(name)

    async def replace() -> None:
        await asyncio.sleep(down)
        await cluster.replace(name)

    replacing = asyncio.create_task(replace())
    while not replacing.done() or time.monotonic() < max(bad, load.last_failure) + QUIET:
        if not load.all_connected():
            bad = time.monotonic()
        assert bad < began + WAIT_LIMIT, f"clients were not back {WAIT_LIMIT:g} s after the kill of {name}"
        await asyncio.sleep(0.02)
    await replacing
    phase.seconds = max(bad, load.last_failure, began) - began
