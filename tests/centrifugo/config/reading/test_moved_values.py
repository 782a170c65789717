"""The values of old keys, as Centrifugo will read them in their places in v6."""

from __future__ import annotations

from typing import Any

import pytest

from proxyhooks.centrifugo.config.reading import read_tree

VALUES = [
    # The value cannot be read.
    ("client_channel_limit", "many", "PH029", "client_channel_limit"),
    ("namespaces", [{"name": "chat", "history_ttl": "7d"}], "PH029", "namespaces[0].history_ttl"),
    ("namespaces", "chat", "PH029", "namespaces"),
    ("proxy_connect_timeout", "soon", "PH029", "proxy_connect_timeout"),
    # No version knows a key in it.
    ("namespaces", [{"name": "chat", "presense": True}], "PH013", "namespaces[0].presense"),
    ("rpc_namespaces", [{"name": "game", "proxy": "x"}], "PH013", "rpc_namespaces[0].proxy"),
    # Nothing replaces a variable in it.
    ("token_hmac_secret_key", "${TOKEN_SECRET}", "PH025", "token_hmac_secret_key"),
    ("secret", "${TOKEN_SECRET}", "PH025", "secret"),
]


def findings_of(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.id, finding.path) for finding in read_tree(values, {}).findings if finding.id != "PH012"]


@pytest.mark.parametrize(("key", "value", "id_", "path"), VALUES)
def test_what_a_value_lacks_in_v6_is_told_with_its_old_key(key: str, value: object, id_: str, path: str) -> None:
    assert findings_of({key: value}) == [(id_, path)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("client_channel_limit", 100),
        ("client_channel_limit", "100"),
        ("namespaces", [{"name": "chat", "proxy_subscribe": True, "history_ttl": "300s"}]),
        ("proxy_static_http_headers", {"X-Team": "chat"}),
        # The fix has the value's new shape.
        ("proxy_connect_timeout", 3),
        ("tls_autocert_host_whitelist", "a.example,b.example"),
        # The value goes elsewhere, or nowhere.
        ("connect_proxy_name", ["x"]),
        ("redis_port", {}),
        ("sockjs", {}),
    ],
)
def test_a_value_that_v6_takes_has_no_finding_beside_that_of_its_key(key: str, value: object) -> None:
    assert findings_of({key: value}) == []


def test_the_fix_of_an_unreplaced_variable_is_the_variable_of_v6() -> None:
    finding = next(f for f in read_tree({"api_key": "${API_KEY}"}, {}).findings if f.id == "PH025")
    assert finding.fix == "remove the key, and set the variable CENTRIFUGO_HTTP_API_KEY"


@pytest.mark.parametrize(
    "key", ["secret", "token_hmac_secret_key", "api_key", "admin_password", "redis_url", "tls_key_pem"]
)
def test_no_finding_shows_the_value_of_a_secret(key: str) -> None:
    for value in ("${a} hidden", ["hidden", "${a}"], {"a": "hidden"}, [{"key": "hidden"}]):
        assert "hidden" not in repr(read_tree({key: value}, {}).findings)


def test_values_of_old_keys_are_no_part_of_the_configuration() -> None:
    assert read_tree({"client_channel_limit": 100, "namespaces": [{"name": "chat"}]}, {}).config == {}
