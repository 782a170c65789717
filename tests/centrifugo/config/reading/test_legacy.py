"""Keys and variables of Centrifugo v5 and older."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.keys import key_at
from proxyhooks.centrifugo.config.reading import legacy_keys
from proxyhooks.centrifugo.config.reading.legacy import legacy_findings, variable_fix, variable_in_v6
from tests.support.centrifugo import centrifugo_binary

OLD_KEYS: dict[str, list[str]] = json.loads(Path(__file__).with_name("old_keys.json").read_text())
"""The keys on the top level of older versions, from the defaults in their source."""
SAME_IN_V6 = {"consumers", "enable_unreleased_features", "pid_file", "proxies", *legacy_keys.SWITCHES}
SECRET = "a-value-that-no-output-may-show"


def one(path: str, value: object = True) -> Finding:
    (finding,) = legacy_findings(path, path.rpartition(".")[2], value)
    return finding


@pytest.mark.parametrize("version", OLD_KEYS)
def test_every_key_of_an_older_version_has_a_place_in_v6_or_a_reason_why_not(version: str) -> None:
    for key in OLD_KEYS[version]:
        if key not in SAME_IN_V6:
            assert one(key).fix.startswith(("write ", "remove it: ")), key


def test_a_key_that_v6_has_in_the_same_place_is_no_legacy_key() -> None:
    assert [key for key in SAME_IN_V6 if legacy_findings(key, key, {})] == []
    assert legacy_findings("channel.namespaces[0].subscribe_proxy_name", "subscribe_proxy_name", "chat") == []
    assert legacy_findings("proxies[0].grpc_metadata", "grpc_metadata", ["x"]) == []
    assert legacy_findings("http_server.tls.cert_pem", "cert_pem", "/cert") == []


def test_a_key_that_no_version_had_is_no_legacy_key() -> None:
    assert legacy_findings("proxy_conect_endpoint", "proxy_conect_endpoint", "http://x") == []
    assert legacy_findings("client.secret", "secret", "x") == []


@pytest.mark.centrifugo
def test_centrifugo_knows_none_of_the_keys_that_are_called_old(tmp_path: Path) -> None:
    keys = {key for keys in OLD_KEYS.values() for key in keys if key not in SAME_IN_V6}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dict.fromkeys(keys, "x")))
    command = [centrifugo_binary(), "checkconfig", "-s", "-c", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    listed = (checked.stdout + checked.stderr).partition("unknown keys in config: ")[2]
    assert set(listed.strip().split(", ")) == keys


def test_each_place_that_a_fix_names_is_one_of_v6() -> None:
    places = [*legacy_keys.MOVED.values(), *legacy_keys.SWITCHES.values()]
    places += [place for _, place in legacy_keys.OLDER.values()]
    places += [f"channel.namespaces.{name}" for _, name in legacy_keys.NAMESPACE.values()]
    places += [f"client.proxy.connect.{name}" for name in legacy_keys.OF_EACH_PROXY.values()]
    places += [f"{proxy}.enabled" for proxy in legacy_keys.NAMED_PROXIES.values()]
    places += [f"proxies.{name}" for name in legacy_keys.PROXY.values()]
    places += [f"consumers.kafka.{name}" for name in legacy_keys.KAFKA.values()]
    places += [f"http_server.tls.{name}" for name in legacy_keys.TLS.values()]
    assert [place for place in places if key_at(place) is None] == []


def test_centrifugo_without_pro_has_no_place_that_only_pro_has() -> None:
    # Two events of PRO have hooks, so the keys of their proxies are known.
    known = re.compile(r"channel\.proxy\.(state|cache_empty)\.")
    assert [place for place in legacy_keys.PRO.values() if key_at(place) and not known.match(place)] == []


def test_the_tables_hold_no_key_twice() -> None:
    tables: list[dict[str, Any]] = [
        legacy_keys.MOVED, legacy_keys.SWITCHES, legacy_keys.OF_EACH_PROXY, legacy_keys.NAMED_PROXIES,
        legacy_keys.OLDER, legacy_keys.GONE, legacy_keys.GONE_FROM_NAMESPACES, legacy_keys.PRO,
    ]  # fmt: skip
    keys = [key for table in tables for key in table]
    assert sorted(keys) == sorted(set(keys))


FIXES = [
    # Moved.
    ("allowed_origins", ["https://a.example"], "write client.allowed_origins"),
    ("ALLOWED_ORIGINS", ["https://a.example"], "write client.allowed_origins"),
    ("tls_cert", "/cert.pem", "write http_server.tls.cert_pem"),
    ("redis_sentinel_tls", True, "write engine.redis.sentinel_tls.enabled"),
    # Something beside it is needed.
    ("proxy_connect_endpoint", "http://x", 'write client.proxy.connect.endpoint, with "enabled": true beside it'),
    ("proxy_rpc_endpoint", "http://x", "write rpc.proxy.endpoint, with rpc.without_namespace.proxy_enabled: true"),
    (
        "publish_proxy_name",
        "chat",
        'write channel.without_namespace.publish_proxy_name, with "publish_proxy_enabled": true beside it',
    ),
    ("nats_url", "nats://x", 'write broker.nats.url, with broker.enabled: true and broker.type: "nats"'),
    (
        "connect_proxy_name",
        "login",
        'write the endpoint of the proxy login as client.proxy.connect.endpoint, with "enabled": true beside it',
    ),
    # The value has another shape.
    ("proxy_connect_timeout", 3, 'write client.proxy.connect.timeout: "3s"'),
    ("proxy_connect_timeout", 0.5, 'write client.proxy.connect.timeout: "500ms"'),
    ("proxy_connect_timeout", math.inf, "write client.proxy.connect.timeout"),
    ("proxy_connect_timeout", "3s", "write client.proxy.connect.timeout"),
    ("history_lifetime", 60, 'write channel.without_namespace.history_ttl: "60s"'),
    (
        "tls_autocert_host_whitelist",
        "a.example, b.example",
        'write http_server.tls_autocert.host_whitelist: ["a.example", "b.example"]',
    ),
    ("redis_host", "cache", 'write engine.redis.address: "HOST:PORT", with engine.type: "redis"'),
    # One place became several.
    (
        "proxy_http_headers",
        ["Cookie"],
        "write http_headers, in each proxy, such as client.proxy.connect.http_headers",
    ),
    # On the top level of older versions stood the options of channels without a namespace.
    ("presence", True, "write channel.without_namespace.presence"),
    ("anonymous", True, "write channel.without_namespace.allow_subscribe_for_anonymous"),
    # Of lists that v6 has too.
    ("channel.namespaces[2].proxy_subscribe", True, "write subscribe_proxy_enabled"),
    ("channel.without_namespace.recover", True, "write force_recovery"),
    ("rpc.namespaces[0].rpc_proxy_name", "x", 'write proxy_name, with "proxy_enabled": true beside it'),
    ("proxies[0].static_http_headers", {}, "write http.static_headers"),
    ("client.proxy.connect.static_http_headers", {}, "write http.static_headers"),
    ("proxies[0].grpc_cert_file", "/cert", "write grpc.tls.server_ca_pem, with grpc.tls.enabled: true"),
    ("consumers[1].disabled", True, 'write "enabled": false'),
    ("proxies[0].http_status_to_code_transforms", [], "write http.status_to_code_transforms"),
    ("consumers[1].kafka.partition_buffer_size", 8, "write partition_queue_max_size"),
    ("consumers[1].kafka.tls_cert", "/cert", "write tls.cert_pem"),
    ("broker.nats.tls.root_ca_pem_file", "/ca", "write server_ca_pem"),
    # A file that was half converted.
    ("client.token_issuer", "x", "write client.token.issuer"),
    ("channel.proxy_subscribe_endpoint", "http://x", "write channel.proxy.subscribe.endpoint"),
    # Gone.
    ("granular_proxy_mode", True, "remove it: in v6 a namespace may name a proxy at any time, and needs the"),
    ("sockjs", True, "remove it: v6 has no SockJS"),
    ("channel.namespaces[0].protected", True, "remove it: v6 lets no client subscribe unless"),
    # Of Centrifugo PRO.
    ("client_write_delay", "10ms", "with Centrifugo PRO v6 write client.write_delay; without PRO remove it"),
]


@pytest.mark.parametrize(("path", "value", "fix"), FIXES)
def test_the_fix_is_the_place_in_v6_and_what_else_the_value_needs(path: str, value: object, fix: str) -> None:
    finding = one(path, value)
    assert (finding.id, finding.path, finding.level) == ("PH012", path, "error")
    assert finding.fix.startswith(fix) if fix.startswith("remove") else finding.fix == fix


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("proxy_connect_endpoint", "proxy_connect_endpoint is a key of Centrifugo v5 or older, and v6 ignores it"),
        ("websocket_ping_interval", "websocket_ping_interval is a key of Centrifugo v4 or older, and v6 ignores it"),
        ("client_anonymous", "client_anonymous is a key of Centrifugo v3 or older, and v6 ignores it"),
        ("v3_use_offset", "v3_use_offset is a key of Centrifugo v2, and v6 ignores it"),
        ("channel_patterns", "channel_patterns is a key of Centrifugo PRO v5 or older, and v6 ignores it"),
    ],
)
def test_the_text_names_the_last_version_that_had_the_key(key: str, text: str) -> None:
    assert one(key).text == text


def test_the_keys_in_an_old_list_of_namespaces_are_found_with_it_once_for_each_kind() -> None:
    namespaces = [
        {"name": "chat", "proxy_subscribe": True, "presence": True},
        {"name": "news", "proxy_subscribe": True, "proxy_publish": True},
        {"name": "game", "proxy_subscribe": True},
    ]
    found = legacy_findings("namespaces", "namespaces", namespaces)
    assert [finding.path for finding in found] == [
        "namespaces",
        "namespaces[0].proxy_subscribe",
        "namespaces[1].proxy_publish",
    ]
    assert found[0].fix == "write channel.namespaces"
    assert found[1].text.endswith("and v6 ignores it, here and in 2 more places")
    assert found[2].text.endswith("and v6 ignores it")


def test_the_keys_in_an_old_list_of_rpc_namespaces_are_found_with_it() -> None:
    found = legacy_findings("rpc_namespaces", "rpc_namespaces", [{"name": "game", "rpc_proxy_name": "game"}])
    assert [(finding.path, finding.fix) for finding in found] == [
        ("rpc_namespaces", "write rpc.namespaces"),
        ("rpc_namespaces[0].rpc_proxy_name", 'write proxy_name, with "proxy_enabled": true beside it'),
    ]


def test_namespaces_that_name_a_proxy_are_to_switch_it_on() -> None:
    found = legacy_findings("namespaces", "namespaces", [{"name": "chat", "subscribe_proxy_name": "chat"}])
    assert [finding.fix for finding in found] == [
        'write channel.namespaces, with "..._proxy_enabled": true beside each "..._proxy_name"'
    ]


def test_namespaces_of_v3_are_to_say_who_may_subscribe() -> None:
    namespaces = [{"name": "chat", "anonymous": True}]
    fix = "write channel.namespaces, with allow_subscribe_for_client: true where any client may subscribe"
    assert legacy_findings("namespaces", "namespaces", namespaces)[0].fix == fix
    namespaces.append({"name": "news", "allow_subscribe_for_client": True})
    assert legacy_findings("namespaces", "namespaces", namespaces)[0].fix == "write channel.namespaces"


@given(
    key=st.sampled_from([*OLD_KEYS["v5"], *OLD_KEYS["only in v2"], "name"]),
    section=st.sampled_from(
        ["", "channel.namespaces[0].", "rpc.without_namespace.", "proxies[1].", "client.", "a.tls."]
    ),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda values: (
            st.lists(values) | st.dictionaries(st.sampled_from(["name", "publish", "proxy_publish"]), values)
        ),
        max_leaves=5,
    ),
)
def test_any_value_at_any_place_has_findings_or_none(key: str, section: str, value: object) -> None:
    for finding in legacy_findings(section + key, key, value):
        assert finding.path.startswith(section + key)


@pytest.mark.parametrize("value", ["a text", 5, None, {"name": "chat"}, ["chat"], [["chat"]]])
def test_an_old_key_with_a_value_of_any_shape_is_found(value: object) -> None:
    assert [finding.path for finding in legacy_findings("namespaces", "namespaces", value)] == ["namespaces"]


def test_no_finding_shows_a_value_that_may_be_a_secret() -> None:
    keys = [key for keys in OLD_KEYS.values() for key in keys if key not in SAME_IN_V6]
    # The name of a proxy and the hosts of certificates are no secrets, and the fix repeats them.
    quoted = {"connect_proxy_name", "refresh_proxy_name", "tls_autocert_host_whitelist"}
    for key in keys:
        for value in (SECRET, [SECRET], {"a": SECRET}, [{"name": SECRET, "proxy_subscribe": SECRET}]):
            shown = "".join(finding.text + finding.fix for finding in legacy_findings(key, key, value))
            assert SECRET not in shown or key in quoted, key


@pytest.mark.parametrize(
    ("name", "in_v6"),
    [
        ("CENTRIFUGO_ALLOWED_ORIGINS", "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"),
        ("CENTRIFUGO_PROXY_CONNECT_ENDPOINT", "CENTRIFUGO_CLIENT_PROXY_CONNECT_ENDPOINT"),
        ("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY", "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY"),
        ("CENTRIFUGO_API_KEY", "CENTRIFUGO_HTTP_API_KEY"),
        ("CENTRIFUGO_ADMIN", "CENTRIFUGO_ADMIN_ENABLED"),
        ("CENTRIFUGO_ENGINE", "CENTRIFUGO_ENGINE_TYPE"),
        ("CENTRIFUGO_PORT", "CENTRIFUGO_HTTP_SERVER_PORT"),
        ("CENTRIFUGO_NAMESPACES", "CENTRIFUGO_CHANNEL_NAMESPACES"),
        ("CENTRIFUGO_PRESENCE", "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_PRESENCE"),
        ("CENTRIFUGO_ANONYMOUS", "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_ANONYMOUS"),
        ("CENTRIFUGO_PROXY_HTTP_HEADERS", "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_HEADERS"),
        ("CENTRIFUGO_NATS_TLS_CERT_PEM_FILE", "CENTRIFUGO_BROKER_NATS_TLS_CERT_PEM"),
        ("CENTRIFUGO_NATS_RAW_MODE_ENABLED", "CENTRIFUGO_BROKER_NATS_RAW_MODE_ENABLED"),
        ("CENTRIFUGO_PROXY_GRPC_TLS_ENABLED", "CENTRIFUGO_CLIENT_PROXY_CONNECT_GRPC_TLS_ENABLED"),
        ("CENTRIFUGO_REDIS_URL", "CENTRIFUGO_ENGINE_REDIS_ADDRESS"),
        # Of the same name in v6.
        ("CENTRIFUGO_LOG_LEVEL", None),
        ("CENTRIFUGO_ADMIN_PASSWORD", None),
        # Gone, and never there.
        ("CENTRIFUGO_SOCKJS", None),
        ("CENTRIFUGO_CLIENT_PROXY_CONNECT_STATIC_HEADERS", None),
    ],
)
def test_a_variable_of_an_older_version_has_a_name_in_v6(name: str, in_v6: str | None) -> None:
    assert variable_in_v6(name) == in_v6


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("CENTRIFUGO_ALLOWED_ORIGINS", "set CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"),
        (
            "CENTRIFUGO_PROXY_REFRESH_ENDPOINT",
            "set CENTRIFUGO_CLIENT_PROXY_REFRESH_ENDPOINT, with CENTRIFUGO_CLIENT_PROXY_REFRESH_ENABLED=true",
        ),
        (
            "CENTRIFUGO_PROXY_HTTP_HEADERS",
            "set CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_HEADERS, and the same for each other proxy",
        ),
        ("CENTRIFUGO_V3_USE_OFFSET", "remove it: v6 always does so"),
        ("CENTRIFUGO_LOG_LEVEL", None),
        ("CENTRIFUGO_ANYTHING", None),
    ],
)
def test_the_fix_of_a_variable_is_the_variable_of_v6_or_the_reason_why_there_is_none(
    name: str, fix: str | None
) -> None:
    assert variable_fix(name) == fix
