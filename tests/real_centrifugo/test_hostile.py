"""Hostile payloads, odd channels, and applications that could let everybody in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.real_centrifugo.calls import Calls
from tests.real_centrifugo.client import Client, Enter, Message, Open

TEMPORARY = {"error": {"code": 100, "message": "internal server error", "temporary": True}}
BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}

HOSTILE = {
    "nested 5000 levels deep": "[" * 5000 + "]" * 5000,
    "nested 300 levels deep": "[" * 300 + "]" * 300,
    "a number out of range": "1e999",
    "an integer of 10000 digits": "9" * 10_000,
}
SEND: dict[str, Callable[[Client, str, str], Message]] = {
    "subscribe": lambda client, name, data: client.ask_text("subscribe", f'{{"channel":"chat:{name}","data":{data}}}'),
    "publish": lambda client, name, data: client.ask_text("publish", f'{{"channel":"chat:{name}","data":{data}}}'),
    "rpc": lambda client, name, data: client.ask_text("rpc", f'{{"method":"echo","data":{data}}}'),
    "map_publish": lambda client, name, data: client.ask_text(
        "publish", f'{{"channel":"board:{name}","type":1,"key":"k","data":{data}}}'
    ),
}


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_hostile_payload_does_not_get_in(open_client: Open, payload: str) -> None:
    assert open_client().ask_text("connect", f'{{"data":{{"value":{HOSTILE[payload]}}}}}') == BAD_REQUEST


@pytest.mark.parametrize("payload", HOSTILE)
@pytest.mark.parametrize("event", SEND)
def test_a_hostile_payload_costs_a_refusal_and_the_connection_lives(
    enter: Enter, name: str, event: str, payload: str
) -> None:
    client = enter(user=name)
    assert SEND[event](client, name, f'{{"value":{HOSTILE[payload]}}}') == BAD_REQUEST
    assert client.ask("rpc", method="echo", data={}) == {"rpc": {"data": {}}}


@pytest.mark.parametrize("digits", [19, 20, 70, 4000])
@pytest.mark.parametrize("method", ["echo", "as-sent"])
def test_integers_of_any_size_come_back_digit_for_digit(enter: Enter, name: str, method: str, digits: int) -> None:
    value = int("9" * digits)
    for number in (value, -value):
        reply = enter(user=name).ask("rpc", method=method, data={"value": number})
        assert reply == {"rpc": {"data": {"value": number}}}


ODD_CHANNELS = [
    "chat:",
    "chat::",
    "chat:a\n",
    "chat:\r\n",
    "chat:a\0b",
    "chat: a b ",
    "chat:%2F",
    "chat:%00",
    "chat:a/b",
    "chat:a//b",
    "chat:../x",
    "chat:42",
    "chat:042",
    "chat:a?b=c&d",
    'chat:"\\',
    "chat:a,b",
    ":",
    ":a",
    "/news",
    "news",
    " ",
]


@pytest.mark.parametrize("channel", ODD_CHANNELS, ids=repr)
def test_channels_reach_the_hook_as_sent(enter: Enter, calls: Calls, name: str, channel: str) -> None:
    reply = enter(user=name).ask("subscribe", channel=channel)
    assert reply == {"subscribe": {"data": {"channel": channel}}}
    assert [call["channel"] for call in calls("subscribe", user=name)] == [channel]


def test_a_channel_that_only_looks_like_another_does_not_match_its_pattern(enter: Enter, name: str) -> None:
    client = enter(user=name)
    assert client.ask("subscribe", channel="room:42") == {"subscribe": {"data": {"room": 42}}}
    for channel in ("room:042", "room:42\n", "room: 42", "room:+42", "room:4_2", "room:42/", "room:-0", "room:"):
        assert client.ask("subscribe", channel=channel)["error"]["code"] == 102, channel


def test_no_hook_is_asked_about_a_channel_with_users_where_the_option_is_on(
    enter: Enter, calls: Calls, name: str
) -> None:
    """Centrifugo decides by the user in the channel; the last subscription proves that no call is late."""
    client = enter(user=name)
    assert client.ask("subscribe", channel=f"chat:private#{name}") == {"subscribe": {}}
    assert client.ask("subscribe", channel="chat:private#somebody-else")["error"]["code"] == 103
    assert "subscribe" in client.ask("subscribe", channel=f"chat:{name}")
    assert [call["channel"] for call in calls("subscribe", user=name)] == [f"chat:{name}"]


def test_the_hook_is_asked_about_a_channel_with_users_where_the_option_is_off(
    enter: Enter, calls: Calls, name: str
) -> None:
    client = enter(user=name)
    others, own = "private#somebody-else", f"private#{name}"
    assert "subscribe" in client.ask("subscribe", channel=others)
    assert client.ask("subscribe", channel=own, data={"do": "error"})["error"]["code"] == 103
    assert [call["channel"] for call in calls("subscribe", user=name)] == [others, own]


def test_a_redirect_to_a_login_page_lets_nobody_in(open_client: Open, calls: Calls) -> None:
    """Centrifugo would follow the redirect, and take the 200 with JSON of the login page for a result."""
    assert open_client().ask("connect", name="redirect", data={"user": "anyone"}) == TEMPORARY
    assert calls("login") == []
