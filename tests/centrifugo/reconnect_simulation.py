"""A simulation of a mass reconnect: clients with the backoff of SDKs, nodes with limits, a backend that queues calls.

It knows nothing of the model in ``proxyhooks.centrifugo.plan``. The backend refuses calls as the package does: with
503, if they have waited for half of the timeout, or for 0.2 s once calls have queued for more than a second.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

MIN_DELAY, MAX_DELAY = 0.5, 20.0
"""Seconds, of centrifuge-js and the other SDKs."""
PATIENCE, SHORT_PATIENCE, OVERLOADED_AFTER = 1.5, 0.2, 1.0
"""Seconds."""


@dataclass
class Bucket:
    """The limit of one node: so many connections at once, and so many a second."""

    rate: float
    tokens: float
    at: float = 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class Simulation:
    clients: int
    subscriptions: int
    cores: int
    calls_per_core: float
    rates: list[float] | None
    """Of each node; None: no limit."""
    seed: int
    now: float = 0.0
    last_back: float = 0.0
    calls: list[float] = field(default_factory=list)
    """When the backend answered each call that it did not refuse."""
    shed: int = 0
    refused: int = 0

    def run(self) -> Simulation:
        self._random = random.Random(self.seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._free = [0.0] * self.cores
        self._queued_since: float | None = None
        self._nodes = [Bucket(rate, rate) for rate in self.rates or []]
        self._missing = [1 + self.subscriptions] * self.clients
        for client in range(self.clients):
            self._after(self._delay(0), functools.partial(self._connect, client, 1))
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        assert not any(self._missing)
        return self

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._count), happen))

    def _delay(self, attempt: int) -> float:
        most = min(MAX_DELAY, MIN_DELAY * 2**attempt)
        return min(MAX_DELAY, MIN_DELAY + self._random.uniform(0, most))

    def _connect(self, client: int, attempt: int) -> None:
        def again() -> None:
            self._after(self._delay(attempt), lambda: self._connect(client, attempt + 1))

        def connected() -> None:
            self._done(client)
            self._subscribe(client, self.subscriptions)

        if self._nodes and not self._random.choice(self._nodes).take(self.now):
            self.refused += 1
            again()
        else:
            self._call(connected, again)

    def _subscribe(self, client: int, rest: int, attempt: int = 0) -> None:
        """One subscription after the other; one that is refused comes again later, and the others go on."""
        if not rest:
            return

        def again() -> None:
            self._after(self._delay(attempt), lambda: self._subscribe(client, 1, attempt + 1))
            self._subscribe(client, rest - 1)

        def subscribed() -> None:
            self._done(client)
            self._subscribe(client, rest - 1)

        self._call(subscribed, again)

    def _done(self, client: int) -> None:
        self._missing[client] -= 1
        self.last_back = max(self.last_back, self.now)

    def _call(self, answered: Callable[[], None], refused: Callable[[], None]) -> None:
        start = max(self.now, self._free[0])
        if start <= self.now:
            self._queued_since = None
        elif self._queued_since is None:
            self._queued_since = self.now
        overloaded = self._queued_since is not None and self.now - self._queued_since > OVERLOADED_AFTER
        if start - self.now > (SHORT_PATIENCE if overloaded else PATIENCE):
            self.shed += 1
            self._after(start - self.now, refused)
            return
        end = start + 1 / self.calls_per_core
        heapq.heapreplace(self._free, end)
        self.calls.append(end)
        self._after(end - self.now, answered)
