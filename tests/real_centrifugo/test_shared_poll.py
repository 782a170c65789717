"""Shared polls: results reach the clients that track the key, and refusals reach nobody."""

from __future__ import annotations

import pytest

from tests.real_centrifugo.calls import Calls
from tests.real_centrifugo.client import Enter, track


def test_a_result_reaches_who_tracks_the_key(enter: Enter, calls: Calls, name: str) -> None:
    client, channel = enter(user=name), f"poll:{name}"
    track(client, name, channel, "result")
    push = client.next_push()
    assert (push["channel"], push["pub"]["key"], push["pub"]["data"]) == (channel, "result", {"of": "result"})
    calls.wait("shared_poll_refresh", channel=channel, count=2)


@pytest.mark.parametrize(
    "do", ["error", "custom-error", "temporary-error", "custom-temporary-error", "disconnect", "crash"]
)
def test_a_refusal_is_no_news_and_the_next_poll_comes(enter: Enter, calls: Calls, name: str, do: str) -> None:
    client, channel = enter(user=name), f"poll:{name}"
    track(client, name, channel, do)
    asked = calls.wait("shared_poll_refresh", channel=channel, count=3)
    assert asked[0]["items"][0]["key"] == do
    assert client.ask("rpc", method="act", data={"do": "result"}) == {"rpc": {"data": {"done": True}}}
    assert not client.pushes
