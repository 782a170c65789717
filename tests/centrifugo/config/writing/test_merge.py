"""A generated configuration is merged into an existing one."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from proxyhooks.centrifugo.config.writing import ConfigOptions, GeneratedConfig, generate, merge
from tests.support.backends import backend

BASE_URL = "http://127.0.0.1:8070"
CONNECT = f"{BASE_URL}/centrifugo/connect"
VARIABLE = "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}"


def merged_into(existing: Any, *hooks: tuple[str, str | None], options: Any = None, **fields: Any) -> GeneratedConfig:
    all_options: Any = {"base_url": BASE_URL, "allowed_origins": ["http://a.example"]} | (options or {})
    return merge(existing, backend(*hooks, **fields), ConfigOptions(**all_options))


def merge_into(existing: Any, *hooks: tuple[str, str | None], options: Any = None, **fields: Any) -> Any:
    return merged_into(existing, *hooks, options=options, **fields).config


def notes_about(merged: GeneratedConfig, place: str) -> list[str]:
    return [note for note in merged.notes if place in note.replace(",", " ").split()]


CHAT = (("connect", None), ("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("rpc", "hello"))


def test_merging_into_nothing_gives_the_generated_configuration() -> None:
    options = ConfigOptions(base_url=BASE_URL, allowed_origins=["http://a.example"])
    assert merge_into({}, *CHAT) == generate(backend(*CHAT), options).config


def test_merging_twice_changes_nothing() -> None:
    hooks = [*CHAT, ("map_publish", "board:<x>"), ("shared_poll_refresh", "poll:<x>")]
    first = merged_into({"health": {"enabled": "false"}}, *hooks, http_headers=("Cookie",), meta=True)
    second = merged_into(first.config, *hooks, http_headers=("Cookie",), meta=True)
    assert json.dumps(second.config) == json.dumps(first.config)
    assert first.notes[: len(second.notes)] == second.notes, "only the notes about values that differ are gone"
    assert first.notes != second.notes


# What is there and not ours stays.


def test_persistent_maps_stay_persistent() -> None:
    namespace = {"name": "board", "subscription_type": "map", "map": {"mode": "persistent"}}
    merged = merge_into({"channel": {"namespaces": [namespace]}}, ("map_publish", "board:<x>"))
    expected = {"mode": "persistent", "publish_proxy_enabled": True}
    assert merged["channel"]["namespaces"] == [namespace | {"map": expected}]


def test_the_numbers_of_maps_and_polls_stay() -> None:
    board: Any = {"name": "board", "subscription_type": "map", "map": {"mode": "recoverable", "key_ttl": "5m"}}
    poll = {"name": "poll", "subscription_type": "shared_poll", "shared_poll": {"refresh_interval": "2s"}}
    hooks = [("map_publish", "board:<x>"), ("shared_poll_refresh", "poll:<x>")]
    merged = merge_into({"channel": {"namespaces": [board, poll]}}, *hooks)
    assert merged["channel"]["namespaces"][0]["map"] == {**board["map"], "publish_proxy_enabled": True}
    assert merged["channel"]["namespaces"][1] == poll


def test_a_namespace_of_another_type_keeps_it_with_a_note() -> None:
    poll = {"name": "board", "subscription_type": "shared_poll", "allow_subscribe_for_client": False}
    merged = merged_into(
        {"channel": {"namespaces": [poll]}}, ("map_publish", "board:<x>"), ("shared_poll_refresh", "x")
    )
    assert merged.config["channel"]["namespaces"][0]["subscription_type"] == "shared_poll"
    (note,) = notes_about(merged, "channel.namespaces[board].subscription_type")
    assert 'stays "shared_poll"' in note


def test_what_the_operator_set_in_a_proxy_stays() -> None:
    connect: dict[str, Any] = {
        "enabled": True,
        "endpoint": CONNECT,
        "timeout": "500ms",
        "http_headers": ["Cookie", "Authorization"],
        "emulated_headers": "X-Real-Ip",
        "binary_encoding": True,
        "include_connection_meta": True,
        "http": {"static_headers": {"Authorization": "Bearer x"}, "tls": {"enabled": True}},
    }
    merged = merge_into({"client": {"proxy": {"connect": connect}}}, ("connect", None), http_headers=("cookie",))
    headers = {"Authorization": "Bearer x", "X-Proxyhooks-Secret": VARIABLE, "Idempotency-Key": "proxyhooks"}
    expected = {**connect, "http": {"static_headers": headers, "tls": {"enabled": True}}}
    assert merged["client"]["proxy"]["connect"] == expected
    assert list(merged["client"]["proxy"]["connect"]) == list(connect)


def test_lists_of_headers_get_those_that_the_application_declares() -> None:
    proxy = {"endpoint": f"{BASE_URL}/centrifugo/rpc", "http_headers": "Authorization"}
    merged = merged_into({"rpc": {"proxy": proxy}}, ("rpc", "x"), http_headers=("AUTHORIZATION", "Cookie"))
    assert merged.config["rpc"]["proxy"]["http_headers"] == ["Authorization", "Cookie"]
    (note,) = notes_about(merged, "rpc.proxy.http_headers")
    assert '["Authorization"] to ["Authorization", "Cookie"]' in note


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("timeout", "500ms", 'stays "500ms", and the application needs "3s"'),
        ("timeout", 500_000_000, 'stays "500ms", and the application needs "3s"'),
        ("include_connection_meta", "false", "stays false, and the application needs true"),
    ],
)
def test_a_note_tells_what_contradicts_the_application(key: str, value: Any, words: str) -> None:
    merged = merged_into({"rpc": {"proxy": {key: value}}}, ("rpc", "x"), meta=True)
    assert merged.config["rpc"]["proxy"][key] == value
    (note,) = notes_about(merged, f"rpc.proxy.{key}")
    assert words in note


@pytest.mark.parametrize("value", ["3s", "3000ms", 3_000_000_000, 3e9])
def test_a_value_that_centrifugo_reads_as_the_wanted_one_stays_as_it_is_written(value: Any) -> None:
    merged = merged_into({"rpc": {"proxy": {"timeout": value}}}, ("rpc", "x"))
    assert merged.config["rpc"]["proxy"]["timeout"] == value
    assert not notes_about(merged, "rpc.proxy.timeout")


def test_an_option_of_the_command_replaces_what_is_there_with_a_note() -> None:
    existing = {"client": {"connection_rate_limit": 50}, "rpc": {"proxy": {"timeout": "1s", "binary_encoding": False}}}
    options = {"connection_rate_limit": 7, "timeout": "5s", "binary_encoding": True, "internal_port": 9000}
    merged = merged_into(existing, ("rpc", "x"), options=options)
    assert merged.config["client"]["connection_rate_limit"] == 7
    assert merged.config["rpc"]["proxy"]["timeout"] == "5s"
    assert merged.config["rpc"]["proxy"]["binary_encoding"] is True
    assert merged.config["http_server"] == {"internal_port": "9000"}
    assert notes_about(merged, "client.connection_rate_limit") == ["client.connection_rate_limit changes from 50 to 7"]
    assert notes_about(merged, "rpc.proxy.timeout") == ['rpc.proxy.timeout changes from "1s" to "5s"']


def test_suggestions_are_written_only_where_nothing_is() -> None:
    existing: Any = {"client": {"connection_rate_limit": 50, "concurrency": 0}, "prometheus": {"enabled": False}}
    merged = merge_into(existing, ("rpc", "x"))
    assert merged["client"] == {**existing["client"], "allowed_origins": ["http://a.example"]}
    assert merged["prometheus"] == {"enabled": False}
    assert merged["health"] == {"enabled": True}


def test_another_endpoint_is_replaced_with_a_note_that_shows_no_password() -> None:
    rpc = {"rpc": {"proxy": {"endpoint": "http://other.example/rpc"}}}
    (note,) = notes_about(merged_into(rpc, ("rpc", "x")), "rpc.proxy.endpoint")
    assert note == f'rpc.proxy.endpoint changes from "http://other.example/rpc" to "{BASE_URL}/centrifugo/rpc"'
    for endpoint in ("http://user:password@other.example/rpc", "http://other.example/rpc?token=password"):
        rpc["rpc"]["proxy"]["endpoint"] = endpoint
        assert notes_about(merged_into(rpc, ("rpc", "x")), "rpc.proxy.endpoint") == ["rpc.proxy.endpoint changes"]


def test_notes_about_changes_show_no_secret_of_the_application() -> None:
    existing = {"rpc": {"proxy": {"endpoint": "Bearer s3cret"}}}
    (note,) = notes_about(merged_into(existing, ("rpc", "x")), "rpc.proxy.endpoint")
    assert note == f'rpc.proxy.endpoint changes from "Bearer ***" to "{BASE_URL}/centrifugo/rpc"'


def test_a_proxy_of_another_application_is_not_taken_away_from_it() -> None:
    existing = {
        "channel": {
            "proxy": {"publish": {"endpoint": "http://user:password@other.example"}},
            "namespaces": [{"name": "news", "publish_proxy_enabled": True}, {"name": "chat"}],
        }
    }
    merged = merged_into(existing, ("publish", "chat:<x>"))
    assert merged.config["channel"] == existing["channel"]
    (note,) = [note for note in merged.notes if note.startswith("channel.proxy.publish.endpoint")]
    assert "left as before, because channel.namespaces[news] uses channel.proxy.publish too" in note
    assert "--proxy-name" in note
    (note,) = notes_about(merged, "channel.namespaces[chat].publish_proxy_enabled:")
    assert "left as before, because channel.proxy.publish calls another application" in note
    assert "password" not in " ".join(merged.notes)
    named = merge_into(existing, ("publish", "chat:<x>"), options={"proxy_name": "shop"})
    assert named["channel"]["namespaces"][1]["publish_proxy_name"] == "shop_publish"
    assert named["channel"]["namespaces"][0] == existing["channel"]["namespaces"][0]  # type: ignore[index]


def test_events_with_hooks_use_the_proxy_that_is_generated_for_them() -> None:
    proxies = [{"name": "other", "endpoint": "http://other.example"}]
    chat = {
        "name": "chat",
        "subscribe_proxy_enabled": True,
        "subscribe_proxy_name": "other",
        "publish_proxy_name": "other",
    }
    existing = {"proxies": proxies, "channel": {"namespaces": [chat]}}
    merged = merged_into(existing, ("publish", "chat:<x>"))
    expected = chat | {"publish_proxy_name": "default", "publish_proxy_enabled": True}
    assert merged.config["channel"]["namespaces"] == [expected], "the switch of an event without hooks stays"
    note = 'channel.namespaces[chat].publish_proxy_name changes from "other" to "default"'
    assert note in merged.notes
    named = merge_into(existing, ("publish", "chat:<x>"), options={"proxy_name": "shop"})
    assert named["channel"]["namespaces"][0]["publish_proxy_name"] == "shop_publish"
    assert [proxy["name"] for proxy in named["proxies"]] == ["other", "shop_publish"]


def test_merging_keeps_all_other_keys_in_their_places() -> None:
    existing = {
        "admin": {"enabled": True},
        "client": {"allowed_origins": ["https://old.example"], "token": {"hmac_secret_key": "k"}},
        "channel": {
            "namespaces": [
                {"name": "other", "presence": True},
                {"name": "chat", "history_size": 10, "history_ttl": "60s", "publish_proxy_enabled": False},
            ]
        },
        "unknown": 12345678901234567890123456789012345678901234567890,
    }
    before = copy.deepcopy(existing)
    merged = merge_into(existing, ("publish", "chat:<x>"), ("subscribe", "news:<x>"))
    assert existing == before
    assert merged["admin"] == {"enabled": True}
    assert merged["client"]["allowed_origins"] == ["https://old.example", "http://a.example"]
    assert merged["client"]["token"] == {"hmac_secret_key": "k"}
    other, chat, news = merged["channel"]["namespaces"]
    assert other == {"name": "other", "presence": True}
    assert chat == {"name": "chat", "history_size": 10, "history_ttl": "60s", "publish_proxy_enabled": True}
    assert news["name"] == "news"
    assert list(merged)[:4] == ["admin", "client", "channel", "unknown"]
    assert json.dumps(merged["unknown"]) == "12345678901234567890123456789012345678901234567890"


# Changes are made where Centrifugo finds the keys.


def test_keys_are_written_where_they_are_in_their_letter_case() -> None:
    existing = {
        "Client": {"Proxy": {"CONNECT": {"Enabled": "false"}}},
        "CHANNEL": {"Namespaces": {"Name": "chat", "Publish_Proxy_Enabled": 0}},
    }
    merged = merge_into(existing, ("connect", None), ("publish", "chat:<x>"))
    assert merged.keys() == {"Client", "CHANNEL", "health", "prometheus"}
    assert merged["Client"]["Proxy"].keys() == {"CONNECT"}
    assert merged["Client"]["Proxy"]["CONNECT"]["Enabled"] is True
    assert merged["CHANNEL"]["Namespaces"] == [{"Name": "chat", "Publish_Proxy_Enabled": True}]


def test_dotted_keys_stay_where_they_are() -> None:
    existing = {
        "client.proxy.connect.endpoint": "http://other.example",
        "client.proxy": {"connect": {"enabled": False}},
        "client.allowed_origins": "https://old.example",
        "channel.namespaces": [{"name": "chat"}],
    }
    merged = merge_into(existing, ("connect", None), ("subscribe", "chat:<x>"))
    assert merged["client.proxy.connect.endpoint"] == CONNECT
    assert merged["client.proxy"]["connect"]["enabled"] is True
    assert merged["client.proxy"]["connect"]["timeout"] == "3s"
    assert merged["client.allowed_origins"] == ["https://old.example", "http://a.example"]
    assert merged["channel.namespaces"] == [{"name": "chat", "subscribe_proxy_enabled": True}]
    assert "endpoint" not in merged["client.proxy"]["connect"]
    assert merged["client"] == {"concurrency": 1}


def test_of_two_spellings_both_get_the_value() -> None:
    existing = {"rpc": {"proxy": {"endpoint": "http://a.example", "Endpoint": "http://b.example"}}}
    proxy = merge_into(existing, ("rpc", "x"))["rpc"]["proxy"]
    assert proxy["endpoint"] == proxy["Endpoint"] == f"{BASE_URL}/centrifugo/rpc"


def test_nulls_count_as_nothing() -> None:
    merged = merge_into({"client": None, "Rpc": {"proxy": None}}, ("rpc", "x"), ("connect", None))
    assert merged["client"]["proxy"]["connect"]["enabled"] is True
    assert merged["Rpc"]["proxy"]["endpoint"] == f"{BASE_URL}/centrifugo/rpc"
    assert "rpc" not in merged


def test_static_headers_stay_a_list_of_key_and_value() -> None:
    headers = [
        {"key": "x-proxyhooks-secret", "value": "an old secret"},
        {"KEY": "Authorization", "value": "Bearer another secret"},
    ]
    existing = {"client": {"proxy": {"connect": {"http": {"static_headers": headers}}}}}
    merged = merged_into(existing, ("connect", None))
    assert merged.config["client"]["proxy"]["connect"]["http"]["static_headers"] == [
        {"key": "x-proxyhooks-secret", "value": VARIABLE},
        {"KEY": "Authorization", "value": "Bearer another secret"},
        {"key": "Idempotency-Key", "value": "proxyhooks"},
    ]
    assert "client.proxy.connect.http.static_headers.x-proxyhooks-secret changes" in merged.notes
    assert not [note for note in merged.notes if "another" in note or "an old" in note]


def test_a_header_gets_no_second_spelling() -> None:
    headers = {"X-PROXYHOOKS-SECRET": "old", "idempotency-key": "any"}
    existing = {"client": {"proxy": {"connect": {"http": {"static_headers": headers}}}}}
    merged = merge_into(existing, ("connect", None))
    expected = {"X-PROXYHOOKS-SECRET": VARIABLE, "idempotency-key": "any"}
    assert merged["client"]["proxy"]["connect"]["http"]["static_headers"] == expected


@pytest.mark.parametrize(
    "existing",
    [
        {"channel": []},
        {"channel": {"namespaces": "chat"}},
        {"client": "x"},
        {"admin": True},
        {"rpc": {"proxy": [1]}},
        {"rpc": {"proxy": {"http": {"static_headers": ["a"]}}}},
    ],
)
def test_what_centrifugo_cannot_read_is_refused(existing: Any) -> None:
    with pytest.raises(ValueError, match="Centrifugo cannot read the file"):
        merge_into(existing, ("subscribe", "chat:<x>"))


def test_keys_that_centrifugo_ignores_have_a_note() -> None:
    merged = merged_into({"allowed_origins": ["https://a.example"], "clients": {"a": 1}}, ("rpc", "x"))
    (note,) = [note for note in merged.notes if note.startswith("Centrifugo ignores")]
    assert "allowed_origins" in note
    assert "clients" in note


def test_no_error_shows_a_secret() -> None:
    existing = {"client": {"proxy": {"connect": {"http": {"static_headers": "an old secret"}}}}}
    with pytest.raises(ValueError, match=r"client\.proxy\.connect\.http\.static_headers") as error:
        merge_into(existing, ("connect", None))
    assert "an old secret" not in str(error.value)


def test_namespaces_end_where_the_existing_configuration_says() -> None:
    existing = {"channel": {"namespace_boundary": "/"}, "rpc": {"namespace_boundary": "."}}
    merged = merge_into(existing, ("subscribe", "chat/<x>"), ("rpc", "users.list"), ("publish", "a:b"))
    assert merged["channel"]["namespaces"] == [{"name": "chat", "subscribe_proxy_enabled": True}]
    assert merged["channel"]["without_namespace"] == {"publish_proxy_enabled": True}
    assert merged["rpc"]["namespaces"] == [{"name": "users", "proxy_enabled": True}]


# What Centrifugo refuses is left out.


@pytest.mark.parametrize(
    ("options", "hook", "switch", "words"),
    [
        (
            {"subscribe_stream_proxy_enabled": True},
            "subscribe",
            "subscribe_proxy_enabled",
            "subscribe_stream_proxy_enabled",
        ),
        ({"map": {"client_key": "user_id"}}, "map_remove", "map.remove_proxy_enabled", "client_key"),
    ],
)
def test_a_switch_that_centrifugo_refuses_is_left_out(options: Any, hook: str, switch: str, words: str) -> None:
    existing = {
        "channel": {
            "proxy": {"subscribe_stream": {"endpoint": "grpc://127.0.0.1:12000"}},
            "namespaces": [{"name": "chat", **options}],
        }
    }
    merged = merged_into(existing, (hook, "chat:<x>"))
    namespace = merged.config["channel"]["namespaces"][0]
    assert "proxy_enabled" not in json.dumps(namespace).replace("subscribe_stream_proxy_enabled", "")
    (note,) = notes_about(merged, f"channel.namespaces[chat].{switch}:")
    assert "left as before" in note
    assert words in note


def test_a_fault_of_the_existing_file_does_not_stop_the_rest() -> None:
    existing = {"channel": {"namespaces": [{"name": "x"}, {"name": "chat", "history_size": 3}]}}
    merged = merged_into(existing, ("publish", "chat:<x>"))
    assert merged.config["channel"]["namespaces"][1]["publish_proxy_enabled"] is True
    assert any("was there and stays, and Centrifugo refuses it" in note for note in merged.notes)


# What earlier runs wrote for hooks that are gone is removed.


def test_switches_and_proxies_of_hooks_that_are_gone_are_removed_with_notes() -> None:
    first = merge_into({}, *CHAT)
    merged = merged_into(first, ("publish", "chat:<x>"))
    assert merged.config["channel"]["namespaces"] == [{"name": "chat", "publish_proxy_enabled": True}]
    assert merged.config["channel"]["proxy"].keys() == {"publish"}
    assert merged.config["client"]["proxy"] == {}
    for place in (
        "channel.namespaces[chat].subscribe_proxy_enabled",
        "channel.proxy.subscribe",
        "client.proxy.connect",
    ):
        assert any("is removed" in note for note in notes_about(merged, place)), place


def test_named_proxies_take_the_place_of_default_ones_and_back() -> None:
    default = merge_into({}, *CHAT)
    named = merge_into(default, *CHAT, options={"proxy_name": "shop"})
    assert "proxy" not in named["rpc"]
    assert named["channel"]["namespaces"][0]["subscribe_proxy_name"] == "shop_subscribe"
    back = merge_into(named, *CHAT)
    assert back["proxies"] == []
    assert back["channel"]["proxy"].keys() == {"subscribe", "publish"}
    assert back["channel"]["namespaces"][0]["subscribe_proxy_name"] == "default"


def test_the_header_that_repeats_calls_goes_with_its_option() -> None:
    first = merge_into({}, ("publish", "chat:<x>"), options={"repeat": ["publish"]})
    merged = merged_into(first, ("publish", "chat:<x>"))
    headers = merged.config["channel"]["proxy"]["publish"]["http"]["static_headers"]
    assert list(headers) == ["X-Proxyhooks-Secret"]
    (note,) = notes_about(merged, "channel.proxy.publish.http.static_headers.Idempotency-Key")
    assert "is removed" in note


def test_proxies_of_other_applications_stay() -> None:
    other: Any = {
        "channel": {
            "proxy": {"publish": {"endpoint": "http://other.example/centrifugo/publish"}},
            "namespaces": [{"name": "chat", "publish_proxy_enabled": True}],
        },
        "client": {"proxy": {"connect": {"enabled": True, "endpoint": "http://other.example/connect"}}},
    }
    merged = merge_into(other, ("subscribe", "chat:<x>"))
    assert merged["channel"]["proxy"]["publish"] == other["channel"]["proxy"]["publish"]
    assert merged["channel"]["namespaces"][0]["publish_proxy_enabled"] is True
    assert merged["client"]["proxy"] == other["client"]["proxy"]


@pytest.mark.parametrize(
    ("event", "option"), [("subscribe", "allow_subscribe_for_client"), ("publish", "allow_publish_for_subscriber")]
)
def test_a_switch_stays_where_clients_would_get_in_unasked_without_it(event: str, option: str) -> None:
    first = merge_into({}, (event, "chat:<x>"), ("rpc", "x"))
    first["channel"]["namespaces"][0][option] = True
    merged = merged_into(first, ("rpc", "x"))
    assert merged.config["channel"] == first["channel"]
    (note,) = notes_about(merged, f"channel.namespaces[chat].{event}_proxy_enabled")
    assert option in note


def test_the_connect_proxy_stays_where_anybody_could_connect_without_it() -> None:
    first = merge_into({"client": {"allow_anonymous_connect_without_token": True}}, ("connect", None))
    merged = merged_into(first, ("rpc", "x"))
    assert merged.config["client"]["proxy"] == first["client"]["proxy"]
    assert any("allow_anonymous_connect_without_token" in note for note in notes_about(merged, "client.proxy.connect"))


def test_hooks_for_the_pro_edition_are_not_obsolete_without_its_option() -> None:
    hooks = [("cache_empty", "chat:<x>"), ("rpc", "x")]
    first = merge_into({}, *hooks, options={"pro": True})
    assert first["channel"]["proxy"]["cache_empty"]["endpoint"] == f"{BASE_URL}/centrifugo/cache_empty"
    assert merge_into(first, *hooks) == first
