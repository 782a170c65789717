"""A generated configuration is merged into an existing one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxyhooks.centrifugo.config.generate import ConfigOptions, generate
from proxyhooks.centrifugo.config.merge import merge
from tests.support.backends import backend


def merge_into(
    existing: Any, *hooks: tuple[str, str | None], options: dict[str, Any] | None = None, **fields: Any
) -> Any:
    all_options: Any = {"base_url": "http://127.0.0.1:8070", "allowed_origins": ["http://a.example"]} | (options or {})
    config_options = ConfigOptions(**all_options)
    return merge(existing, generate(backend(*hooks, **fields), config_options).config, config_options)


def test_merging_is_idempotent_and_removes_what_is_obsolete() -> None:
    hooks = [("connect", None), ("publish", "chat:<x>"), ("subscribe", "chat:<x>")]
    first = merge_into({}, *hooks, options={"repeat": ["publish"]}, http_headers=("A", "B"), meta=True)
    assert merge_into(first, *hooks, options={"repeat": ["publish"]}, http_headers=("A", "B"), meta=True) == first
    second = merge_into(first, *hooks[:2], http_headers=("B",))
    assert second["channel"]["namespaces"] == [{"name": "chat", "publish_proxy_enabled": True}]
    publish = second["channel"]["proxy"]["publish"]
    assert publish["http_headers"] == ["B"]
    assert "include_connection_meta" not in publish
    assert list(publish["http"]["static_headers"]) == ["X-Proxyhooks-Secret"]


def test_merging_keeps_switches_of_other_proxies() -> None:
    other = {"name": "chat", "subscribe_proxy_enabled": True, "subscribe_proxy_name": "other"}
    merged = merge_into({"channel": {"namespaces": [other]}}, ("publish", "chat:<x>"))
    assert merged["channel"]["namespaces"] == [other | {"publish_proxy_enabled": True}]


def test_merging_keeps_the_values_of_the_operator() -> None:
    existing = {"client": {"connection_rate_limit": 50}, "prometheus": {"enabled": False}}
    assert merge_into(existing, ("rpc", "x"))["client"]["connection_rate_limit"] == 50
    assert merge_into(existing, ("rpc", "x"))["prometheus"] == {"enabled": False}
    assert (
        merge_into(existing, ("rpc", "x"), options={"connection_rate_limit": 7})["client"]["connection_rate_limit"] == 7
    )


@pytest.mark.parametrize("existing", [{"channel": []}, {"channel": {"namespaces": {}}}, {"client": "x"}])
def test_merging_refuses_values_of_another_type(existing: Any) -> None:
    with pytest.raises(ValueError, match=r"must be an? (object|list)"):
        merge_into(existing, ("subscribe", "chat:<x>"))


def test_merging_keeps_all_other_keys_in_their_places() -> None:
    existing = {
        "admin": {"enabled": True},
        "client": {"allowed_origins": ["https://old.example"], "token": {"hmac_secret_key": "k"}},
        "channel": {
            "namespaces": [
                {"name": "other", "presence": True},
                {"name": "chat", "history_size": 10, "publish_proxy_enabled": False},
            ]
        },
    }
    before = json.dumps(existing)
    merged = merge_into(existing, ("publish", "chat:<x>"), ("subscribe", "news:<x>"))
    assert json.dumps(existing) == before
    assert merged["admin"] == {"enabled": True}
    assert merged["client"]["allowed_origins"] == ["https://old.example", "http://a.example"]
    assert merged["client"]["token"] == {"hmac_secret_key": "k"}
    other, chat, news = merged["channel"]["namespaces"]
    assert other == {"name": "other", "presence": True}
    assert chat == {"name": "chat", "history_size": 10, "publish_proxy_enabled": True}
    assert news["name"] == "news"
    assert list(merged)[:3] == ["admin", "client", "channel"]
