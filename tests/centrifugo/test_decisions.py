"""What Centrifugo decides by its configuration, as facts; a real Centrifugo is compared in ``real_centrifugo``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxyhooks.centrifugo.config.reading import read_tree
from proxyhooks.centrifugo.decisions import Decisions
from proxyhooks.centrifugo.replies.verdict import Verdict

ASKED = "asked"
MAP = {"mode": "ephemeral", "key_ttl": "60s"}


def decisions(config: dict[str, Any]) -> Decisions:
    return Decisions(read_tree(config, {}).config, "the file", "define {namespace} in {section}")


def with_options(**options: Any) -> Decisions:
    """Decisions with these options for the namespace ``chat``."""
    return decisions({"channel": {"namespaces": [{"name": "chat", **options}]}})


def code(verdict: Verdict | None) -> Any:
    """``asked``, ``allowed`` or a code."""
    return ASKED if verdict is None else verdict.code or verdict.outcome


def subscribe(channel: str, user: str = "42", *subscribed: str) -> Callable[[Decisions], Any]:
    return lambda decisions: code(decisions.subscribe(channel, user, subscribed))


def publish(
    channel: str, user: str = "42", *subscribed: str, payload: bytes | None = b"1"
) -> Callable[[Decisions], Any]:
    return lambda decisions: code(decisions.publish(channel, payload, user, subscribed))


def change(event: str, key: str = "k", user: str = "42", *subscribed: str) -> Callable[[Decisions], Any]:
    return lambda decisions: code(decisions.change_map(event, "chat:1", key, user, subscribed))


ON = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
LIMITED = {"allow_user_limited_channels": True}
FOR_CLIENTS = {"allow_subscribe_for_client": True, "allow_publish_for_client": True}


@pytest.mark.parametrize(
    ("options", "operation", "expected"),
    [
        (ON, subscribe("chat:1"), ASKED),
        (ON, subscribe("chat:locked#42"), ASKED),
        (ON, subscribe("chat:1", "42", "chat:1"), 105),
        (ON, subscribe("$chat:1"), 103),
        (ON, subscribe("news:1"), 102),
        (ON, subscribe("$news:1"), 102),
        (ON, subscribe("news"), 103),
        (ON, subscribe("chat:\u00e4"), 107),
        (ON, subscribe("news:" + "x" * 256), 107),
        (ON, subscribe(""), 3501),
        ({}, subscribe("chat:1"), 103),
        (ON | LIMITED, subscribe("chat:1#7,42"), "allowed"),
        (ON | LIMITED, subscribe("chat:1#7"), 103),
        (ON | LIMITED, subscribe("chat:1#42#7"), 103),
        (ON | LIMITED, subscribe("chat:1#", ""), "allowed"),
        (ON | LIMITED, subscribe("chat:1"), ASKED),
        (FOR_CLIENTS | LIMITED, subscribe("chat:1#7"), 103),
        (FOR_CLIENTS, subscribe("chat:1"), "allowed"),
        (FOR_CLIENTS, subscribe("chat:1", ""), 103),
        (FOR_CLIENTS | {"allow_subscribe_for_anonymous": True}, subscribe("chat:1", ""), "allowed"),
        (FOR_CLIENTS | ON, subscribe("chat:1"), ASKED),
        (ON | {"channel_regex": "^[a-z\u00e4]$"}, subscribe("chat:\u00e4"), ASKED),
        (ON | {"channel_regex": "^[a-z]$"}, subscribe("chat:1"), 107),
        (ON | {"channel_regex": r"\pL"}, subscribe("chat:1"), ASKED),
        (ON | {"subscription_type": "shared_poll"}, subscribe("chat:" + "x" * 256), ASKED),
        (ON, publish("chat:1"), ASKED),
        (ON, publish("$chat:1"), ASKED),
        (ON, publish("chat:" + "x" * 256), ASKED),
        (ON, publish("chat:1", payload=None), 107),
        (ON | {"publication_data_format": "binary"}, publish("chat:1", payload=None), ASKED),
        (ON | {"publication_data_format": "json_object"}, publish("chat:1"), 107),
        (ON | {"publication_data_format": "json"}, publish("chat:1", payload=b"{"), 107),
        (ON | LIMITED, publish("chat:1#7"), ASKED),
        ({}, publish("chat:1"), 103),
        ({}, publish("news:1"), 102),
        (FOR_CLIENTS, publish("chat:1"), "allowed"),
        (FOR_CLIENTS, publish("chat:1", ""), 103),
        ({"allow_publish_for_subscriber": True}, publish("chat:1"), 103),
        ({"allow_publish_for_subscriber": True}, publish("chat:1", "42", "chat:1"), "allowed"),
        ({"subscribe_stream_proxy_enabled": True}, publish("chat:1"), 108),
        ({"map": MAP | {"publish_proxy_enabled": True}}, change("map_publish"), ASKED),
        ({"map": MAP | {"publish_proxy_enabled": True}}, change("map_remove"), 103),
        ({"map": MAP | {"allow_remove_for_client": True}}, change("map_remove"), "allowed"),
        ({"map": MAP | {"allow_remove_for_client": True}}, change("map_remove", ""), 107),
        ({"map": MAP | {"allow_publish_for_subscriber": True}}, change("map_publish", "k", "42", "chat:1"), "allowed"),
        ({"map": {"allow_publish_for_client": True}}, change("map_publish"), 100),
        (
            {
                "map": MAP
                | {"allow_publish_for_client": True, "allow_publish_for_anonymous": True, "client_key": "user_id"}
            },
            change("map_publish", "k", ""),
            103,
        ),
    ],
)
def test_options_decide(options: dict[str, Any], operation: Callable[[Decisions], Any], expected: Any) -> None:
    assert operation(with_options(**options)) == expected


def test_an_insecure_centrifugo_allows_what_it_would_refuse_with_103() -> None:
    insecure = decisions({"client": {"insecure": True}, "channel": {"namespaces": [{"name": "chat", **LIMITED}]}})
    assert subscribe("chat:1")(insecure) == "allowed"
    assert subscribe("chat:1#7")(insecure) == "allowed"
    assert publish("chat:1")(insecure) == "allowed"
    assert subscribe("$chat:1")(insecure) == 103
    assert subscribe("news:1")(insecure) == 102


def test_a_stream_is_for_another_proxy() -> None:
    with pytest.raises(LookupError, match=r"the subscribe_stream proxy about 'chat:1', and this proxy needs gRPC"):
        with_options(subscribe_stream_proxy_enabled=True).subscribe("chat:1", "42", ())


@pytest.mark.parametrize(
    ("rpc", "expected"),
    [
        ({}, {"list": 108, "users:list": 108, "rooms:list": 108, "ping": 108}),
        ({"ping": {"enabled": True}}, {"list": 104, "ping": "allowed"}),
        (
            {"namespaces": [{"name": "users", "proxy_enabled": True}, {"name": "off"}]},
            {"list": 108, "users:list": ASKED, "rooms:list": 104, "off:a": 108, "\u00e4": 108, "users:\u00e4": ASKED},
        ),
        (
            {"without_namespace": {"proxy_enabled": True}, "namespace_boundary": "/"},
            {"users:list": ASKED, "users/list": 104},
        ),
    ],
)
def test_methods_have_namespaces_too(rpc: dict[str, Any], expected: dict[str, Any]) -> None:
    decided = decisions({"rpc": rpc})
    assert {method: code(decided.rpc(method)) for method in expected} == expected


def test_a_personal_channel_is_a_subscription() -> None:
    personal = {"enabled": True, "personal_channel_namespace": "chat"}
    client = {"subscribe_to_user_personal_channel": personal}
    config = {"client": client, "channel": {"namespaces": [{"name": "chat"}], "user_boundary": "@"}}
    assert decisions(config).personal_channels("42") == ["chat:@42"]
    assert decisions(config).personal_channels("") == []
    assert decisions({}).personal_channels("42") == []


def test_the_reasons_name_the_configuration_and_the_remedy() -> None:
    undefined = decisions({}).subscribe("news:1", "42", ())
    assert undefined is not None
    assert undefined.why == (
        "'news:1' is in the namespace 'news', which is not defined in the file: define news in channel"
    )
    refused = decisions({}).subscribe("x:1", "42", ())
    assert refused is not None
    assert "a name that Centrifugo refuses" in refused.why
