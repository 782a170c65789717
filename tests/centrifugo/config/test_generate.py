"""The configuration that is written for an application's hooks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyhooks import ChannelPattern
from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.backend import Backend, Served
from proxyhooks.centrifugo.config.generate import Generated, Options, generate
from proxyhooks.centrifugo.config.merge import complete
from tests.support.centrifugo import centrifugo_binary

VARIABLES = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "x", "CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY": "k"}


def backend(*hooks: tuple[str, str | None], **more: Any) -> Backend:
    served = tuple(Served(event=EVENTS[event], pattern=pattern, source_location="here") for event, pattern in hooks)
    return Backend(
        **({"name": "proxyhooks", "url_prefix": "/centrifugo", "secrets": ("s3cret",)} | more), served=served
    )


def make(*hooks: tuple[str, str | None], options: dict[str, Any] | None = None, **more: Any) -> Generated:
    given = {"base_url": "http://127.0.0.1:8070", "allowed_origins": ["http://a.example"]} | (options or {})
    return generate(backend(*hooks, **more), Options(**given))


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
    made = make(
        ("connect", None), ("refresh", None), ("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("rpc", "users:list"),
        ("rpc", "ping"), ("sub_refresh", "news"), ("map_publish", "board:<x>"), ("map_remove", "board:<x>"),
        ("shared_poll_refresh", "poll:<x>"),
    ).config  # fmt: skip
    assert made["client"]["proxy"].keys() == {"connect", "refresh"}
    assert made["client"]["proxy"]["connect"]["enabled"] is True
    assert made["channel"]["proxy"].keys() == {
        "subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh"
    }  # fmt: skip
    namespaces = {one.pop("name"): one for one in made["channel"]["namespaces"]}
    assert namespaces["chat"] == {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
    assert namespaces["board"]["map"]["publish_proxy_enabled"] is True
    assert namespaces["board"]["map"]["remove_proxy_enabled"] is True
    assert "allow_subscribe_for_client" not in namespaces["board"]
    assert namespaces["poll"]["subscription_type"] == "shared_poll"
    assert made["channel"]["without_namespace"] == {"sub_refresh_proxy_enabled": True}
    assert made["rpc"]["without_namespace"] == {"proxy_enabled": True}
    assert made["rpc"]["namespaces"] == [{"name": "users", "proxy_enabled": True}]


def test_a_proxy_says_all_that_the_application_declares() -> None:
    declared = {"http_headers": ("Cookie",), "emulated_headers": ("Authorization",), "meta": True}
    made = make(("connect", None), ("rpc", "x"), options={"binary_encoding": True}, **declared).config
    assert made["rpc"]["proxy"] == {
        "endpoint": "http://127.0.0.1:8070/centrifugo/rpc",
        "timeout": "3s",
        "http_headers": ["Cookie"],
        "emulated_headers": ["Authorization"],
        "include_connection_meta": True,
        "binary_encoding": True,
        "http": {"static_headers": {"X-Proxyhooks-Secret": "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}"}},
    }
    assert "include_connection_meta" not in made["client"]["proxy"]["connect"]


def test_what_may_run_twice_is_repeated() -> None:
    hooks = [(name, "a:<x>" if event.routed_on else None) for name, event in EVENTS.items()]

    def repeated(made: Generated) -> set[str]:
        found = set()
        for name, event in EVENTS.items():
            proxy: Any = made.config
            for part in event.proxy.split("."):
                proxy = proxy.get(part, {})
            if "Idempotency-Key" in proxy.get("http", {}).get("static_headers", {}):
                found.add(name)
        return found

    usual = {"connect", "refresh", "subscribe", "sub_refresh", "shared_poll_refresh"}
    assert repeated(make(*hooks)) == usual
    assert repeated(make(*hooks, options={"repeat": ["publish", "rpc"]})) == usual | {"publish", "rpc"}


def test_the_secret_is_written_only_if_asked() -> None:
    assert "s3cret" not in json.dumps(make(("connect", None)).config)
    assert "s3cret" in json.dumps(make(("connect", None), options={"secret": "s3cret"}).config)
    bare = make(("rpc", "x"), secrets=()).config
    assert "http" not in bare["rpc"]["proxy"]


def test_hooks_for_every_channel_go_for_all_namespaces_that_are_known() -> None:
    made = make(("subscribe", None), ("publish", "chat:<x>"), options={"namespaces": ["news"]})
    namespaces = {one["name"]: one for one in made.config["channel"]["namespaces"]}
    assert namespaces.keys() == {"chat", "news"}
    assert all(one["subscribe_proxy_enabled"] for one in namespaces.values())
    assert made.config["channel"]["without_namespace"] == {"subscribe_proxy_enabled": True}
    assert any("--namespace" in note for note in made.notes)


def test_what_the_free_edition_does_not_ask_is_named_and_left_out() -> None:
    made = make(("cache_empty", None), ("state", None))
    assert "channel" not in made.config
    assert any("cache_empty, state: only Centrifugo PRO" in note for note in made.notes)
    pro = make(("cache_empty", "c:<x>"), options={"pro": True}).config
    assert pro["channel"]["proxy"]["cache_empty"]["endpoint"].endswith("/cache_empty")
    with_name = [{"name": "cc", "cache_empty_proxy_enabled": True}]
    assert make(("cache_empty", "cc:<x>"), options={"pro": True}).config["channel"]["namespaces"] == with_name


def test_a_name_that_centrifugo_refuses_is_said() -> None:
    made = make(("subscribe", "c:<x>"))
    assert "namespaces" not in made.config["channel"]
    assert any("refuses 'c' as the name of a namespace" in note for note in made.notes)


def test_named_proxies() -> None:
    made = make(("connect", None), ("subscribe", "chat:<x>"), ("map_publish", "board:<x>"), ("rpc", "x"),
                options={"proxy_name": "shop"}).config  # fmt: skip
    assert [proxy["name"] for proxy in made["proxies"]] == ["shop_subscribe", "shop_rpc", "shop_map_publish"]
    assert made["channel"]["namespaces"][1]["subscribe_proxy_name"] == "shop_subscribe"
    assert made["channel"]["namespaces"][0]["map"]["publish_proxy_name"] == "shop_map_publish"
    assert made["rpc"]["without_namespace"] == {"proxy_enabled": True, "proxy_name": "shop_rpc"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "htp://x"}, "must be the root of the application"),
        ({"base_url": "127.0.0.1:8070"}, "must be the root of the application"),
        ({"base_url": "http://x/?a=1"}, "must be the root of the application"),
        ({"allowed_origins": ["example.com"]}, "an origin is a scheme and a host"),
        ({"allowed_origins": ["https://example.com/"]}, "an origin is a scheme and a host"),
        ({"base_url": "http://h:99999"}, "must be the root of the application"),
        ({"base_url": "http://h x"}, "must be the root of the application"),
        ({"base_url": "http://h/?"}, "must be the root of the application"),
        ({"base_url": "http://h/#"}, "must be the root of the application"),
        ({"base_url": "http://[::1"}, "must be the root of the application"),
        ({"allowed_origins": ["https://[a"]}, "an origin is a scheme and a host"),
        ({"secret": "a${CENTRIFUGO_VAR_X}"}, "would take for a variable"),
        ({"timeout": "3"}, "up to an hour and needs a unit"),
        ({"timeout": "0s"}, "up to an hour and needs a unit"),
        ({"timeout": "\u0663s"}, "up to an hour and needs a unit"),
        ({"timeout": "99999999m"}, "up to an hour and needs a unit"),
        ({"repeat": ["publsh"]}, "there is no event 'publsh'"),
        ({"namespaces": ["x"]}, "refuses the name 'x'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(("connect", None), options=options)


def into(there: Any, *hooks: tuple[str, str | None], options: dict[str, Any] | None = None, **more: Any) -> Any:
    given: Any = {"base_url": "http://127.0.0.1:8070", "allowed_origins": ["http://a.example"]} | (options or {})
    return complete(there, make(*hooks, options=options, **more).config, Options(**given))


def test_merging_twice_is_once_and_takes_back_what_is_no_more() -> None:
    hooks = [("connect", None), ("publish", "chat:<x>"), ("subscribe", "chat:<x>")]
    first = into({}, *hooks, options={"repeat": ["publish"]}, http_headers=("A", "B"), meta=True)
    assert into(first, *hooks, options={"repeat": ["publish"]}, http_headers=("A", "B"), meta=True) == first
    second = into(first, *hooks[:2], http_headers=("B",))
    assert second["channel"]["namespaces"] == [{"name": "chat", "publish_proxy_enabled": True}]
    publish = second["channel"]["proxy"]["publish"]
    assert publish["http_headers"] == ["B"]
    assert "include_connection_meta" not in publish
    assert list(publish["http"]["static_headers"]) == ["X-Proxyhooks-Secret"]


def test_merging_leaves_the_switches_of_others_alone() -> None:
    other = {"name": "chat", "subscribe_proxy_enabled": True, "subscribe_proxy_name": "other"}
    merged = into({"channel": {"namespaces": [other]}}, ("publish", "chat:<x>"))
    assert merged["channel"]["namespaces"] == [other | {"publish_proxy_enabled": True}]


def test_merging_keeps_what_an_operator_has_tuned() -> None:
    there = {"client": {"connection_rate_limit": 50}, "prometheus": {"enabled": False}}
    assert into(there, ("rpc", "x"))["client"]["connection_rate_limit"] == 50
    assert into(there, ("rpc", "x"))["prometheus"] == {"enabled": False}
    assert into(there, ("rpc", "x"), options={"connection_rate_limit": 7})["client"]["connection_rate_limit"] == 7


@pytest.mark.parametrize("there", [{"channel": []}, {"channel": {"namespaces": {}}}, {"client": "x"}])
def test_merging_into_something_else_is_refused(there: Any) -> None:
    with pytest.raises(ValueError, match=r"must be an? (object|list)"):
        into(there, ("subscribe", "chat:<x>"))


def test_maps_have_no_subscribe_proxy_and_stay_where_they_are() -> None:
    made = make(("map_publish", None), ("subscribe", "chat:<x>"), ("shared_poll_refresh", "poll:<x>"),
                ("publish", "board:<x>"), options={"namespaces": ["maps"]}).config  # fmt: skip
    kinds = {one["name"]: one.get("subscription_type") for one in made["channel"]["namespaces"]}
    assert kinds == {"board": None, "chat": None, "maps": "map", "poll": "shared_poll"}
    both = make(("map_publish", "board:<x>"), ("subscribe", None)).config["channel"]["namespaces"]
    assert all("subscribe_proxy_enabled" not in one for one in both)


def test_merging_leaves_alone_what_is_not_ours() -> None:
    there = {
        "admin": {"enabled": True},
        "client": {"allowed_origins": ["https://old.example"], "token": {"hmac_secret_key": "k"}},
        "channel": {
            "namespaces": [
                {"name": "other", "presence": True},
                {"name": "chat", "history_size": 10, "publish_proxy_enabled": False},
            ]
        },
    }
    before = json.dumps(there)
    merged = into(there, ("publish", "chat:<x>"), ("subscribe", "news:<x>"))
    assert json.dumps(there) == before
    assert merged["admin"] == {"enabled": True}
    assert merged["client"]["allowed_origins"] == ["https://old.example", "http://a.example"]
    assert merged["client"]["token"] == {"hmac_secret_key": "k"}
    other, chat, news = merged["channel"]["namespaces"]
    assert other == {"name": "other", "presence": True}
    assert chat == {"name": "chat", "history_size": 10, "publish_proxy_enabled": True}
    assert news["name"] == "news"
    assert list(merged)[:3] == ["admin", "client", "channel"]


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
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hooks=HOOKS, options=OPTIONS, meta=st.booleans(), headers=st.sampled_from([(), ("Cookie", "X-Real-Ip")]))
def test_centrifugo_takes_whatever_is_written(
    hooks: list[tuple[str, str | None]], options: dict[str, Any], meta: bool, headers: tuple[str, ...], tmp_path: Path
) -> None:
    made = make(*hooks, options=options, meta=meta, http_headers=headers)
    assert json.dumps(make(*hooks, options=options, meta=meta, http_headers=headers).config) == json.dumps(made.config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(made.config))
    checked = subprocess.run(
        [centrifugo_binary(), "checkconfig", "-s", "-c", str(path)],
        env=VARIABLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
