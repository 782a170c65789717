"""The configuration that is generated for the hooks of an application."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyhooks import ChannelPattern
from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.writing import ConfigOptions, GeneratedConfig, generate, note_on_public_endpoints
from tests.support.backends import backend
from tests.support.centrifugo import centrifugo_binary

VARIABLES = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "x", "CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY": "k"}


def generate_for(
    *hooks: tuple[str, str | None], options: dict[str, Any] | None = None, **fields: Any
) -> GeneratedConfig:
    all_options = {"base_url": "http://127.0.0.1:8070", "allowed_origins": ["http://a.example"]} | (options or {})
    return generate(backend(*hooks, **fields), ConfigOptions(**all_options))


@pytest.mark.parametrize(
    ("pattern", "namespace"),
    [
        ("chat:<int:id>", "chat"),
        ("chat:", "chat"),
        ("$chat:<id>", "chat"),
        ("news", ""),
        ("inbox-<name>", ""),
        ("inbox-<name>/x", ""),
        ("<name>:x", None),
        ("a<int:x>:y", None),
        ("<path:all>", None),
        ("x<path:all>", None),
        ("a:b:<x>", "a"),
    ],
)
def test_the_namespace_of_a_pattern(pattern: str, namespace: str | None) -> None:
    assert ChannelPattern(pattern).namespace == namespace


def test_each_event_has_its_proxy_and_its_switch() -> None:
    generated = generate_for(
        ("connect", None), ("refresh", None), ("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("rpc", "users:list"),
        ("rpc", "ping"), ("sub_refresh", "news"), ("map_publish", "board:<x>"), ("map_remove", "board:<x>"),
        ("shared_poll_refresh", "poll:<x>"),
    ).config  # fmt: skip
    assert generated["client"]["proxy"].keys() == {"connect", "refresh"}
    assert generated["client"]["proxy"]["connect"]["enabled"] is True
    assert generated["channel"]["proxy"].keys() == {
        "subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh"
    }  # fmt: skip
    namespaces = {namespace.pop("name"): namespace for namespace in generated["channel"]["namespaces"]}
    assert namespaces["chat"] == {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
    assert namespaces["board"]["map"]["publish_proxy_enabled"] is True
    assert namespaces["board"]["map"]["remove_proxy_enabled"] is True
    assert "allow_subscribe_for_client" not in namespaces["board"]
    assert namespaces["poll"]["subscription_type"] == "shared_poll"
    assert generated["channel"]["without_namespace"] == {"sub_refresh_proxy_enabled": True}
    assert generated["rpc"]["without_namespace"] == {"proxy_enabled": True}
    assert generated["rpc"]["namespaces"] == [{"name": "users", "proxy_enabled": True}]


def test_a_proxy_has_all_that_the_application_declares() -> None:
    declared = {"http_headers": ("Cookie",), "emulated_headers": ("Authorization",), "meta": True}
    generated = generate_for(("connect", None), ("rpc", "x"), options={"binary_encoding": True}, **declared).config
    assert generated["rpc"]["proxy"] == {
        "endpoint": "http://127.0.0.1:8070/centrifugo/rpc",
        "timeout": "3s",
        "http_headers": ["Cookie"],
        "emulated_headers": ["Authorization"],
        "include_connection_meta": True,
        "binary_encoding": True,
        "http": {"static_headers": {"X-Proxyhooks-Secret": "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}"}},
    }
    assert "include_connection_meta" not in generated["client"]["proxy"]["connect"]


def test_hooks_that_may_run_twice_are_repeated() -> None:
    hooks = [(name, "a:<x>" if event.routed_on else None) for name, event in EVENTS.items()]

    def repeated(generated: GeneratedConfig) -> set[str]:
        names = set()
        for name, event in EVENTS.items():
            proxy: Any = generated.config
            for part in event.proxy.split("."):
                proxy = proxy.get(part, {})
            if "Idempotency-Key" in proxy.get("http", {}).get("static_headers", {}):
                names.add(name)
        return names

    by_default = {"connect", "refresh", "subscribe", "sub_refresh", "shared_poll_refresh"}
    assert repeated(generate_for(*hooks)) == by_default
    assert repeated(generate_for(*hooks, options={"repeat": ["publish", "rpc"]})) == by_default | {"publish", "rpc"}


def test_the_secret_is_written_only_on_request() -> None:
    assert "s3cret" not in json.dumps(generate_for(("connect", None)).config)
    assert "s3cret" in json.dumps(generate_for(("connect", None), options={"secret": "s3cret"}).config)
    insecure = generate_for(("rpc", "x"), secrets=()).config
    assert "http" not in insecure["rpc"]["proxy"]


def test_hooks_for_every_channel_are_switched_on_in_all_namespaces() -> None:
    generated = generate_for(("subscribe", None), ("publish", "chat:<x>"), options={"namespaces": ["news"]})
    namespaces = {namespace["name"]: namespace for namespace in generated.config["channel"]["namespaces"]}
    assert namespaces.keys() == {"chat", "news"}
    assert all(namespace["subscribe_proxy_enabled"] for namespace in namespaces.values())
    assert generated.config["channel"]["without_namespace"] == {"subscribe_proxy_enabled": True}
    assert any("--namespace" in note for note in generated.notes)


def test_a_namespace_for_the_channels_of_connect_results_is_defined() -> None:
    generated = generate_for(("connect", None), ("subscribe", "chat:<x>"), options={"namespaces": ["personal"]})
    namespaces = generated.config["channel"]["namespaces"]
    assert namespaces == [{"name": "chat", "subscribe_proxy_enabled": True}, {"name": "personal"}]
    assert not any("--namespace" in note for note in generated.notes)


def test_a_namespace_that_nothing_uses_has_a_note() -> None:
    generated = generate_for(("subscribe", "chat:<x>"), ("refresh", None), options={"namespaces": ["personal"]})
    assert [namespace["name"] for namespace in generated.config["channel"]["namespaces"]] == ["chat"]
    assert any(note.startswith("--namespace has no effect") for note in generated.notes)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"health": {"enabled": True}, "prometheus": {"enabled": True}}, "/metrics and /health are on"),
        ({"health": {"enabled": True}}, "/health is on"),
        ({"prometheus": {"enabled": True}, "http_server": {"port": 9000, "internal_port": "9000"}}, "/metrics is on"),
        ({"prometheus": {"enabled": True}, "http_server": {"internal_port": "8000"}}, "/metrics is on"),
    ],
)
def test_a_note_names_the_endpoints_on_the_port_of_the_clients(config: dict[str, Any], words: str) -> None:
    note = note_on_public_endpoints(config)
    assert note is not None
    assert words in note
    assert "--internal-port" in note


def test_no_note_is_needed_where_no_endpoint_is_on_the_port_of_the_clients() -> None:
    assert note_on_public_endpoints({"health": {"enabled": False}}) is None
    on = {"health": {"enabled": True}, "http_server": {"internal_port": "9000"}}
    assert note_on_public_endpoints(on) is None


def test_events_of_the_pro_edition_are_left_out_with_a_note() -> None:
    generated = generate_for(("cache_empty", None), ("state", None))
    assert "channel" not in generated.config
    assert any("cache_empty, state: only Centrifugo PRO" in note for note in generated.notes)
    pro = generate_for(("cache_empty", "c:<x>"), options={"pro": True}).config
    assert pro["channel"]["proxy"]["cache_empty"]["endpoint"].endswith("/cache_empty")
    with_name = [{"name": "cc", "cache_empty_proxy_enabled": True}]
    assert generate_for(("cache_empty", "cc:<x>"), options={"pro": True}).config["channel"]["namespaces"] == with_name


def test_a_namespace_that_centrifugo_refuses_has_a_note() -> None:
    generated = generate_for(("subscribe", "c:<x>"))
    assert "namespaces" not in generated.config["channel"]
    assert any("refuses the namespace 'c'" in note for note in generated.notes)


def test_named_proxies() -> None:
    generated = generate_for(("connect", None), ("subscribe", "chat:<x>"), ("map_publish", "board:<x>"), ("rpc", "x"),
                options={"proxy_name": "shop"}).config  # fmt: skip
    assert [proxy["name"] for proxy in generated["proxies"]] == ["shop_subscribe", "shop_rpc", "shop_map_publish"]
    assert generated["channel"]["namespaces"][1]["subscribe_proxy_name"] == "shop_subscribe"
    assert generated["channel"]["namespaces"][0]["map"]["publish_proxy_name"] == "shop_map_publish"
    assert generated["rpc"]["without_namespace"] == {"proxy_enabled": True, "proxy_name": "shop_rpc"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "htp://x"}, "must be the root of the application"),
        ({"base_url": "127.0.0.1:8070"}, "must be the root of the application"),
        ({"base_url": "http://x/?a=1"}, "must be the root of the application"),
        ({"allowed_origins": ["example.com"]}, "it begins with a scheme; write"),
        ({"allowed_origins": ["https://example.com/"]}, "it ends with the host and the port; write"),
        ({"allowed_origins": ["https://Example.com"]}, "it is in lower case, and in ASCII; write"),
        ({"allowed_origins": ["http://[::1]:3000"]}, "brackets stand for one character; write"),
        ({"allowed_origins": ["https://"]}, "an origin is a scheme and a host"),
        ({"allowed_origins": [""]}, "an origin is a scheme and a host"),
        ({"base_url": "http://h:99999"}, "must be the root of the application"),
        ({"base_url": "http://h x"}, "must be the root of the application"),
        ({"base_url": "http://h/?"}, "must be the root of the application"),
        ({"base_url": "http://h/#"}, "must be the root of the application"),
        ({"base_url": "http://[::1"}, "must be the root of the application"),
        ({"allowed_origins": ["https://[a"]}, "the \\[ has no \\]"),
        ({"secret": "a${CENTRIFUGO_VAR_X}"}, "takes for a variable"),
        ({"timeout": "3"}, "up to an hour and needs a unit"),
        ({"timeout": "0s"}, "up to an hour and needs a unit"),
        ({"timeout": "\u0663s"}, "up to an hour and needs a unit"),
        ({"timeout": "99999999m"}, "up to an hour and needs a unit"),
        ({"repeat": ["publsh"]}, "there is no event 'publsh'"),
        ({"namespaces": ["x"]}, "refuses the name 'x'"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        generate_for(("connect", None), options=options)


def test_an_escaped_address_is_an_origin() -> None:
    origin = r"http://\[::1\]:3000"
    generated = generate_for(("connect", None), options={"allowed_origins": [origin]}).config
    assert generated["client"]["allowed_origins"] == [origin]


def test_namespaces_of_maps_have_no_subscribe_proxy() -> None:
    generated = generate_for(("map_publish", None), ("subscribe", "chat:<x>"), ("shared_poll_refresh", "poll:<x>"),
                ("publish", "board:<x>"), options={"namespaces": ["maps"]}).config  # fmt: skip
    types = {namespace["name"]: namespace.get("subscription_type") for namespace in generated["channel"]["namespaces"]}
    assert types == {"board": None, "chat": None, "maps": "map", "poll": "shared_poll"}
    both = generate_for(("map_publish", "board:<x>"), ("subscribe", None)).config["channel"]["namespaces"]
    assert all("subscribe_proxy_enabled" not in namespace for namespace in both)


def test_an_entry_in_the_table_of_events_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, option = "channel.proxy.watch", "watch_proxy_enabled"
    event = dataclasses.replace(EVENTS["subscribe"], name="watch", proxy=proxy, option=option)
    monkeypatch.setitem(EVENTS, "watch", event)
    config = generate_for(("watch", "chat:<x>"), options={"proxy_name": "shop"}).config
    assert [proxy["name"] for proxy in config["proxies"]] == ["shop_watch"]
    assert config["channel"]["namespaces"] == [
        {"name": "chat", "watch_proxy_enabled": True, "watch_proxy_name": "shop_watch"}
    ]


PATTERNS = st.sampled_from(
    [None, "news", "chat:<int:id>", "chat:<x>:<y>", "board:<x>", "poll:<x>", "a.b-c_9:<path:x>", "<path:x>", "x:<y>"]
)
HOOKS = st.lists(
    st.sampled_from(list(EVENTS)).flatmap(
        lambda name: st.tuples(st.just(name), PATTERNS if EVENTS[name].routed_on else st.none())
    ),
    unique=True,
)
OPTIONS = st.fixed_dictionaries(
    {
        "base_url": st.sampled_from(["http://127.0.0.1:8070", "https://app.example/sub/"]),
        "allowed_origins": st.lists(st.sampled_from(["https://a.example", "*", "http://localhost:3000"]), min_size=1),
        "secret": st.sampled_from([None, "s3cret"]),
        "timeout": st.sampled_from(["3s", "1m30s", "500ms", "1.5s"]),
        "binary_encoding": st.booleans(),
        "proxy_name": st.sampled_from([None, "shop"]),
        "namespaces": st.sampled_from([(), ("more",)]),
    }
)


@pytest.mark.centrifugo
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(hooks=HOOKS, options=OPTIONS, meta=st.booleans(), headers=st.sampled_from([(), ("Cookie", "X-Real-Ip")]))
def test_centrifugo_accepts_every_generated_configuration(
    hooks: list[tuple[str, str | None]], options: dict[str, Any], meta: bool, headers: tuple[str, ...], tmp_path: Path
) -> None:
    generated = generate_for(*hooks, options=options, meta=meta, http_headers=headers)
    assert json.dumps(generate_for(*hooks, options=options, meta=meta, http_headers=headers).config) == json.dumps(
        generated.config
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(generated.config))
    checked = subprocess.run(
        [centrifugo_binary(), "checkconfig", "-s", "-c", str(path)],
        env=VARIABLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_declared_publication_defines_its_namespace_and_lets_nobody_subscribe() -> None:
    app = backend(("subscribe", "chat:<x>"), publications=(ChannelPattern("shop:<x>"), ChannelPattern("chat:<x>:rare")))
    channel = generate(app, ConfigOptions(base_url="http://a", allowed_origins=["*"])).config["channel"]
    assert channel["namespaces"] == [{"name": "chat", "subscribe_proxy_enabled": True}, {"name": "shop"}]


def test_no_rate_of_connections_is_limited_unless_an_option_says_so() -> None:
    generated = generate_for(("connect", None))
    assert "connection_rate_limit" not in generated.config["client"]
    assert "connection_rate_limit" not in " ".join(generated.notes)
    limited = generate_for(("connect", None), options={"connection_rate_limit": 500})
    assert limited.config["client"]["connection_rate_limit"] == 500
    assert [note for note in limited.notes if "one a second" in note]
