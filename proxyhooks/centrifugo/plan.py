"""How many calls, cores and nodes a number of clients needs: a model, which reads and asks nothing.

In normal operation, each client connects once a session, refreshes once an expiry, and so on. In a mass reconnect, each
client connects and subscribes again, as fast as connections are let in. ``deploy/README.md`` has the formulas, and
``tests/centrifugo/test_plan.py`` compares them with a simulation.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

CALLS_PER_CORE: Final = 500
"""A hook that asks a database; one that asks nothing answers up to twenty times as many calls a second."""
CLIENTS_PER_NODE: Final = 100_000
_IDLE_CONNECTIONS: Final = 255
"""How many idle connections a node of Centrifugo keeps to a host, for each event. It never closes them."""
MAX_NORMAL_UTILIZATION: Final = 0.5
"""How much of its cores the backend may use in normal operation, so that it bears the loss of some of them."""
MAX_RECONNECT_UTILIZATION: Final = 0.8
"""How much of its cores the backend may use in a mass reconnect. With more, calls queue, and are refused."""
MAX_DELAY: Final = 20.0
"""Seconds: the longest that an SDK waits between two attempts to connect."""
FIRST_DELAY: Final = 1.0
"""Seconds: the longest that an SDK waits before the first attempt; the shortest is half of it."""
COUNTED: Final = ("connect", "subscribe", "refresh", "sub_refresh", "publish", "rpc")
"""The events whose calls the model counts."""
_OTHER_DESCRIPTORS: Final = 1000
_CLIENT_MEMORY: Final = 55 * 1024
"""Bytes of a Centrifugo node for each client, measured without TLS."""
_SUBSCRIPTION_MEMORY: Final = 1536
"""Bytes for each subscription to a channel of its own, measured with Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients do. Times are seconds; None: never."""

    clients: int
    subscriptions: float = 0
    """Of each client."""
    session: float | None = None
    """How long a client stays connected, on average."""
    expire: float | None = None
    """After which time a connection has to be refreshed."""
    subscription_expire: float | None = None
    publish_every: float | None = None
    """The time between two publications of one client."""
    rpc_every: float | None = None
    events: Collection[str] = COUNTED
    """The events that have hooks."""

    def calls_of_a_connection(self) -> dict[str, float]:
        """The calls that a client causes when it connects, by event. Recovery leaves none out."""
        calls = {"connect": 1.0, "subscribe": self.subscriptions}
        return {event: number for event, number in calls.items() if number and event in self.events}

    def calls_while_connected(self) -> dict[str, float]:
        """The calls a second of all clients once they are connected, by event."""
        every = {
            "refresh": (1, self.expire),
            "sub_refresh": (self.subscriptions, self.subscription_expire),
            "publish": (1, self.publish_every),
            "rpc": (1, self.rpc_every),
        }
        return {
            event: self.clients * number / seconds
            for event, (number, seconds) in every.items()
            if seconds and number and event in self.events
        }

    def normal_calls(self) -> dict[str, float]:
        """The calls a second, by event, while clients come and go."""
        rate = self.clients / self.session if self.session else 0
        return _calls_at(rate, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a load needs. Calls are calls a second, by event."""

    clients: int
    normal_calls: dict[str, float]
    reconnect_calls: dict[str, float]
    """While all clients reconnect."""
    cores: int
    calls_per_core: float
    connection_rate_limit: int
    """New connections a second of each node."""
    reconnect_seconds: float
    """Until the last client is back, from when the nodes accept connections."""
    nodes: int
    clients_per_node: int
    """If one of several nodes has failed; else of the one node."""
    open_files: int
    """For each node: the limit of open files, ``LimitNOFILE``."""
    memory: int
    """Bytes, for each node: roughly."""

    @property
    def connections_per_second(self) -> int:
        """Of all nodes."""
        return self.connection_rate_limit * self.nodes

    @property
    def normal_utilization(self) -> float:
        return sum(self.normal_calls.values()) / (self.cores * self.calls_per_core)

    @property
    def reconnect_utilization(self) -> float:
        return sum(self.reconnect_calls.values()) / (self.cores * self.calls_per_core)

    @property
    def idle_connections(self) -> int:
        """The most that all nodes keep to one host of the backend."""
        return _IDLE_CONNECTIONS * self.nodes * len(self.normal_calls | self.reconnect_calls)

    @property
    def unlimited_attempts(self) -> float:
        """Attempts a second if nothing limits them: all clients try once in the second half of the first second."""
        return self.clients / (FIRST_DELAY / 2)


def reconnect_seconds(clients: float, rate: float) -> float:
    """How long so many clients take to connect at this rate.

    They take ``clients / rate``, and the last ones longer: the attempts of an SDK get rarer, until they are
    :data:`MAX_DELAY` apart at most, and half of that on average.

    :param rate: connections a second, of all nodes.
    """
    at_the_rate = clients / rate
    return at_the_rate + min(at_the_rate, MAX_DELAY / 2) + FIRST_DELAY


def rate_for(clients: float, seconds: float) -> float:
    """The rate at which so many clients connect in this time: the inverse of :func:`reconnect_seconds`.

    :param seconds: more than :data:`FIRST_DELAY`.
    """
    rest = seconds - FIRST_DELAY
    return clients / max(rest / 2, rest - MAX_DELAY / 2)


def make_plan(
    load: Load,
    *,
    calls_per_core: float = CALLS_PER_CORE,
    nodes: int | None = None,
    cores: int | None = None,
    back_within: float = 300.0,
) -> Plan:
    """Return what the load needs.

    :param nodes: of Centrifugo; by default one for :data:`CLIENTS_PER_NODE` clients, and at least two.
    :param cores: of the backend; by default as many as :data:`MAX_NORMAL_UTILIZATION` and *back_within* need.
    :param back_within: seconds in which all clients have to be back, if there are no *cores*.
    :raises ValueError: if the cores do not bear the normal calls, or not one connection a second on each node.
    """
    nodes = nodes or max(2, math.ceil(load.clients / CLIENTS_PER_NODE))
    normal = load.normal_calls()
    while_connected = sum(load.calls_while_connected().values())
    each = sum(load.calls_of_a_connection().values())

    def cores_for(limit: int) -> int:
        """The cores that bear the normal calls, and so many new connections a second on each node."""
        needed = (limit * nodes * each + while_connected) / MAX_RECONNECT_UTILIZATION
        return max(1, math.ceil(max(needed, sum(normal.values()) / MAX_NORMAL_UTILIZATION) / calls_per_core))

    most = math.ceil(load.clients / nodes)
    if cores is None:
        cores = cores_for(min(most, math.ceil(rate_for(load.clients, back_within) / nodes)))
    usable = cores * calls_per_core * MAX_RECONNECT_UTILIZATION
    limit = min(most, math.floor((usable - while_connected) / each / nodes + 1e-9)) if each else most
    if limit < 1 or sum(normal.values()) > usable:
        possible, needed, per_client = (f"{round(calls, 2):,.12g}" for calls in (usable, sum(normal.values()), each))
        raise ValueError(
            f"too few cores: with {cores:,}, {possible} calls a second are possible; there are {needed} in normal "
            f"operation, and {per_client} for each client that connects: use at least {cores_for(1):,} cores"
        )
    on_one = math.ceil(load.clients / max(1, nodes - 1))
    return Plan(
        clients=load.clients,
        normal_calls=normal,
        reconnect_calls=_calls_at(limit * nodes, load),
        cores=cores,
        calls_per_core=calls_per_core,
        connection_rate_limit=limit,
        reconnect_seconds=reconnect_seconds(load.clients, limit * nodes),
        nodes=nodes,
        clients_per_node=on_one,
        # One for each client, and one for its call: a client has one call at a time.
        open_files=2 ** math.ceil(math.log2(2 * on_one + _OTHER_DESCRIPTORS)),
        memory=round(on_one * (_CLIENT_MEMORY + load.subscriptions * _SUBSCRIPTION_MEMORY)),
    )


def _calls_at(connections: float, load: Load) -> dict[str, float]:
    """The calls a second, by event, with so many connections a second."""
    calls = {event: connections * number for event, number in load.calls_of_a_connection().items() if connections}
    calls |= load.calls_while_connected()
    return {event: calls[event] for event in COUNTED if event in calls}
