"""With ``publish_loaded`` subscribers see what the schema loaded, and nothing else of what the client sent."""

from __future__ import annotations

from tests.real_centrifugo.client import Enter

SENT = {"number": "7", "dropped": "5ecret"}


def test_a_publication_without_data_has_what_was_loaded(enter: Enter, name: str) -> None:
    client, channel = enter(user=name), f"chat:loaded-{name}"
    client.ask("subscribe", channel=channel)
    assert client.ask("publish", channel=channel, data={"dropped": "5ecret"})["error"]["code"] == 107
    client.ask("publish", channel=channel, data=SENT)
    assert client.next_push()["pub"]["data"] == {"number": 7}


def test_a_key_of_a_map_without_data_has_what_was_loaded(enter: Enter, name: str) -> None:
    client, channel = enter(user=name), f"board:loaded-{name}"
    client.ask("subscribe", channel=channel, type=1, phase=2, limit=100)
    client.ask("publish", channel=channel, type=1, key="k", data=SENT)
    push = client.next_push()
    assert (push["pub"]["key"], push["pub"]["data"]) == ("k", {"number": 7})
    assert "5ecret" not in str(push)
