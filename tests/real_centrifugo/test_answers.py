"""Clients see what a hook answers, for every event in which a client waits for an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real_centrifugo.calls import Calls
from tests.real_centrifugo.client import Client, Enter, Message, Open

REFUSALS: dict[str, Message] = {
    "error": {"error": {"code": 103, "message": "permission denied"}},
    "custom-error": {"error": {"code": 1001, "message": "room is full"}},
    "temporary-error": {"error": {"code": 111, "message": "too many requests", "temporary": True}},
    "custom-temporary-error": {"error": {"code": 1002, "message": "being moved", "temporary": True}},
    "disconnect": {"closed": (4501, "unauthorized")},
    # An exception that is no refusal: not the client's fault, so it may try again.
    "crash": {"error": {"code": 100, "message": "internal server error", "temporary": True}},
}

Ask = Callable[[Client, str, str], Message]
ASK: dict[str, Ask] = {
    "subscribe": lambda client, name, do: client.ask("subscribe", channel=f"chat:{name}", data={"do": do}),
    "publish": lambda client, name, do: client.ask("publish", channel=f"chat:{name}", data={"do": do}),
    "rpc": lambda client, name, do: client.ask("rpc", method="act", data={"do": do}),
    "map_publish": lambda client, name, do: client.ask(
        "publish", channel=f"board:{name}", type=1, key="k", data={"do": do}
    ),
    "map_remove": lambda client, name, do: client.ask("publish", channel=f"board:{name}", type=1, key=do, removed=True),
}
BUILTIN = {
    100: ("internal server error", True),
    101: ("unauthorized", False),
    102: ("unknown channel", False),
    103: ("permission denied", False),
    104: ("method not found", False),
    105: ("already subscribed", False),
    106: ("limit exceeded", False),
    107: ("bad request", False),
    108: ("not available", False),
    109: ("token expired", False),
    110: ("expired", False),
    111: ("too many requests", True),
    112: ("unrecoverable position", False),
    113: ("concurrent pagination", True),
}


@pytest.mark.parametrize("do", REFUSALS)
def test_a_refused_connect_is_answered_as_the_hook_said(open_client: Open, name: str, do: str) -> None:
    assert open_client().ask("connect", data={"user": name, "do": do}) == REFUSALS[do]


@pytest.mark.parametrize("do", REFUSALS)
@pytest.mark.parametrize("event", ASK)
def test_a_refusal_reaches_the_client_as_the_hook_said(
    enter: Enter, calls: Calls, name: str, event: str, do: str
) -> None:
    assert ASK[event](enter(user=name), name, do) == REFUSALS[do]
    assert len(calls(event, user=name)) == 1


@pytest.mark.parametrize("code", BUILTIN)
def test_builtin_errors_are_temporary_where_centrifugo_says_so(enter: Enter, name: str, code: int) -> None:
    message, temporary = BUILTIN[code]
    wanted = {"code": code, "message": message} | ({"temporary": True} if temporary else {})
    assert enter(user=name).ask("rpc", method="builtin", data={"code": code}) == {"error": wanted}


def test_connect_lets_in_with_data_and_server_side_subscriptions(open_client: Open, name: str) -> None:
    client = open_client()
    reply = client.ask("connect", data={"user": name, "channels": [f"chat:{name}"]})
    assert reply["connect"]["data"] == {"welcome": name}
    assert list(reply["connect"]["subs"]) == [f"chat:{name}"]
    assert "expires" not in reply["connect"]
    client.ask("publish", channel=f"chat:{name}", data={"text": "hello"})
    assert client.next_push()["pub"]["data"]["text"] == "hello"


def test_subscribe_gives_its_data_and_then_publications_as_the_hook_changed_them(enter: Enter, name: str) -> None:
    client, channel = enter(user=name), f"chat:{name}"
    assert client.ask("subscribe", channel=channel) == {"subscribe": {"data": {"channel": channel}}}
    assert client.ask("publish", channel=channel, data={"text": "hello", "from": "somebody else"}) == {"publish": {}}
    push = client.next_push()
    assert push["channel"] == channel
    assert push["pub"]["data"] == {"text": "hello", "from": name}
    assert push["pub"]["tags"] == {"hook": "publish"}


@pytest.mark.parametrize("do", [do for do in REFUSALS if do != "disconnect"])
def test_a_refused_publication_reaches_nobody(enter: Enter, name: str, do: str) -> None:
    client, channel = enter(user=name), f"chat:{name}"
    client.ask("subscribe", channel=channel)
    client.ask("publish", channel=channel, data={"do": do, "text": "refused"})
    client.ask("publish", channel=channel, data={"text": "let through"})
    assert client.next_push()["pub"]["data"]["text"] == "let through"


def test_rpc_gives_its_data(enter: Enter, name: str) -> None:
    value = {"text": "grüße ☃ 😀", "nothing": None, "list": [1, -2.5, True]}
    assert enter(user=name).ask("rpc", method="echo", data={"value": value}) == {"rpc": {"data": {"value": value}}}


def test_a_map_is_changed_as_the_hooks_said_whatever_centrifugo_reports(enter: Enter, name: str) -> None:
    """Centrifugo makes an allowed change and still answers the client with 107; only subscribers see the change."""
    client, channel = enter(user=name), f"board:{name}"
    reported = {"error": {"code": 107, "message": "bad request"}}
    assert client.ask("subscribe", channel=channel, type=1, phase=2, limit=100)["subscribe"]["type"] == 1

    client.ask("publish", channel=channel, type=1, key="result", data={"do": "error", "value": "refused"})
    assert client.ask("publish", channel=channel, type=1, key="result", data={"value": 7}) == reported
    push = client.next_push()
    assert (push["channel"], push["pub"]["key"]) == (channel, "result")
    assert push["pub"]["data"] == {"value": 7, "from": name}

    assert client.ask("publish", channel=channel, type=1, key="error", removed=True) != reported
    assert client.ask("publish", channel=channel, type=1, key="result", removed=True) == reported
    assert client.next_push() == {"channel": channel, "pub": {"key": "result", "removed": True}}


UNMATCHED: dict[str, tuple[str, dict[str, Any], int]] = {
    "a channel of no hook": ("publish", {"channel": "room:1", "data": {}}, 102),
    "a method of no hook": ("rpc", {"method": "nothing"}, 104),
    "no method at all": ("rpc", {"data": {}}, 104),
}


@pytest.mark.parametrize("case", UNMATCHED)
def test_what_no_hook_matches_is_refused(enter: Enter, name: str, case: str) -> None:
    command, parameters, code = UNMATCHED[case]
    assert enter(user=name).ask(command, **parameters)["error"]["code"] == code


def test_a_connect_with_a_channel_of_an_unknown_namespace_fails_as_a_whole(open_client: Open, name: str) -> None:
    reply = open_client().ask("connect", data={"user": name, "channels": [f"chat:{name}", "nosuch:1"]})
    assert reply == {"error": {"code": 102, "message": "unknown channel"}}


def test_meta_that_connect_attached_comes_with_every_later_event(enter: Enter, calls: Calls, name: str) -> None:
    meta = {"of": name, "roles": ["owner"], "nested": {"null": None}}
    client = enter(user=name, meta=meta)
    for ask in ASK.values():
        ask(client, name, "result")
    assert client.ask("rpc", method="meta") == {"rpc": {"data": meta}}
    for event in ASK:
        assert calls(event, user=name)[0]["meta"] == meta, event


def test_payloads_come_in_the_encoding_that_is_configured(
    request: pytest.FixtureRequest, enter: Enter, calls: Calls, name: str
) -> None:
    """Without this the tests could run twice with the same encoding."""
    reply = enter(user=name).ask("rpc", method="as-sent", data={"n": 1})
    call = calls("rpc", user=name)[0]
    encoding = request.node.callspec.params["centrifugo"]
    assert call["encoding"] == encoding
    assert call["data"] == ({"n": 1} if encoding == "json" else repr(b'{"n": 1}'))
    assert reply == {"rpc": {"data": {"n": 1}}}


def test_bytes_for_a_client_that_speaks_json_fail_instead_of_throwing_it_out(enter: Enter, name: str) -> None:
    """Centrifugo would close the connection for good, with 3506, if it got bytes."""
    client = enter(user=name)
    assert client.ask("rpc", method="binary") == REFUSALS["crash"]
    assert client.ask("rpc", method="act", data={"do": "result"}) == {"rpc": {"data": {"done": True}}}


def test_work_after_the_reply_keeps_nobody_waiting(enter: Enter, calls: Calls, name: str, tmp_path: Path) -> None:
    """The work lasts until the file exists, so that a call that waited for it would exceed the proxy's timeout."""
    client, until = enter(user=name), tmp_path / "done"
    for _ in range(3):
        assert client.ask("rpc", method="later", data={"until": str(until)}) == {"rpc": {"data": {"accepted": True}}}
        assert client.ask("rpc", method="act", data={"do": "result"}) == {"rpc": {"data": {"done": True}}}
    assert calls("worked", until=str(until)) == []
    until.touch()
    calls.wait("worked", until=str(until), count=3)
