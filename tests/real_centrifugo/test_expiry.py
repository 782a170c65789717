"""Connections and subscriptions that are about to expire: they are prolonged, ended, or left alone.

All clients connect together, so that the tests wait only once. No test reads a clock: a client was left alone if it
is still connected when another client, whose hook prolongs its connection, has been prolonged again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.real_centrifugo.calls import Call, Calls, unique_name
from tests.real_centrifugo.client import Client, Enter

ENDED = ("error", "custom-error", "disconnect")
# These become HTTP 500, after which Centrifugo waits a minute: a short failure must not disconnect everybody.
LEFT_ALONE = ("temporary-error", "custom-temporary-error", "crash")


@dataclass
class Expiring:
    """A client whose user and channel have the same name."""

    client: Client
    name: str

    def is_alive(self) -> bool:
        return self.client.ask("rpc", method="act", data={"do": "result"}) == {"rpc": {"data": {"done": True}}}


@pytest.fixture(scope="module", autouse=True)
def connections(enter: Enter) -> dict[str, Expiring]:
    made = {do: unique_name() for do in ("result", *ENDED, *LEFT_ALONE)}
    return {do: Expiring(enter(user=name, meta={"refresh": do}), name) for do, name in made.items()}


@pytest.fixture(scope="module", autouse=True)
def subscriptions(enter: Enter) -> dict[str, Expiring]:
    made: dict[str, Expiring] = {}
    for do in ("result", *ENDED, *LEFT_ALONE):
        name = unique_name()
        made[do] = Expiring(enter(user=name, meta={"sub_refresh": do}), name)
        assert "subscribe" in made[do].client.ask("subscribe", channel=f"chat:{name}")
    return made


@pytest.fixture(scope="module", autouse=True)
def subscribed_by_connect(enter: Enter) -> Expiring:
    name = unique_name()
    return Expiring(enter(user=name, meta={"sub_refresh": "result"}, subs=[f"chat:{name}"]), name)


def test_a_connection_is_prolonged_again_and_again(connections: dict[str, Expiring], calls: Calls) -> None:
    prolonged = connections["result"]
    asked = calls.wait("refresh", user=prolonged.name, count=2)
    assert asked[0]["meta"] == {"refresh": "result"}
    assert prolonged.is_alive()


@pytest.mark.parametrize("do", ENDED)
def test_a_final_refusal_ends_the_connection(connections: dict[str, Expiring], calls: Calls, do: str) -> None:
    refused = connections[do]
    assert refused.client.wait_closed() == (3005, "connection expired")
    assert len(calls("refresh", user=refused.name)) == 1


@pytest.mark.parametrize("do", LEFT_ALONE)
def test_a_temporary_failure_leaves_the_connection(connections: dict[str, Expiring], calls: Calls, do: str) -> None:
    failed = connections[do]
    (asked, *_) = calls.wait("refresh", user=failed.name)
    (other, *_) = calls.wait("refresh", user=connections["result"].name, after=asked)
    assert failed.is_alive()
    assert _asked_between(calls, "refresh", failed, asked, other) == []


def test_a_subscription_is_prolonged_again_and_again(subscriptions: dict[str, Expiring], calls: Calls) -> None:
    prolonged = subscriptions["result"]
    asked = calls.wait("sub_refresh", user=prolonged.name, count=2)
    assert asked[0]["channel"] == f"chat:{prolonged.name}"
    assert asked[0]["meta"] == {"sub_refresh": "result"}
    assert _is_subscribed(prolonged)


def test_a_subscription_of_a_connect_result_never_expires(
    subscribed_by_connect: Expiring, subscriptions: dict[str, Expiring], calls: Calls
) -> None:
    calls.wait("sub_refresh", user=subscriptions["result"].name, count=2)
    assert calls("sub_refresh", user=subscribed_by_connect.name) == []
    assert _is_subscribed(subscribed_by_connect)


@pytest.mark.parametrize("do", ENDED)
def test_a_final_refusal_ends_the_subscription_alone(subscriptions: dict[str, Expiring], calls: Calls, do: str) -> None:
    refused = subscriptions[do]
    push = refused.client.next_push()
    assert push["channel"] == f"chat:{refused.name}"
    assert push["unsubscribe"]["code"] == 2501
    assert refused.is_alive()
    assert len(calls("sub_refresh", user=refused.name)) == 1


@pytest.mark.parametrize("do", LEFT_ALONE)
def test_a_temporary_failure_leaves_the_subscription(subscriptions: dict[str, Expiring], calls: Calls, do: str) -> None:
    failed = subscriptions[do]
    (asked, *_) = calls.wait("sub_refresh", user=failed.name)
    (other, *_) = calls.wait("sub_refresh", user=subscriptions["result"].name, after=asked)
    assert _is_subscribed(failed)
    assert _asked_between(calls, "sub_refresh", failed, asked, other) == []


def _is_subscribed(subscribed: Expiring) -> bool:
    """Whether the next push is a publication in the channel."""
    subscribed.client.ask("publish", channel=f"chat:{subscribed.name}", data={"text": "still here"})
    push = subscribed.client.next_push()
    return "pub" in push and push["pub"]["data"]["text"] == "still here"


def _asked_between(calls: Calls, event: str, client: Expiring, first: Call, last: Call) -> list[Call]:
    return [call for call in calls(event, user=client.name, after=first) if call["position"] < last["position"]]
