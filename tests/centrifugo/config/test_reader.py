"""Configurations are read as Centrifugo reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyhooks.centrifugo.config.reader import expand_variables, parse_duration, read_config


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("3s", 3),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("0", 0),
        ("1.5h", 5400),
        (3, None),
        ("3", None),
        ("s", None),
        ("", None),
    ],
)
def test_durations_are_read_as_go_reads_them(duration: object, expected: float | None) -> None:
    assert parse_duration(duration) == expected


def test_variables_in_static_headers() -> None:
    assert expand_variables("a${CENTRIFUGO_VAR_X}", {"CENTRIFUGO_VAR_X": "b"}) == ("ab", [])
    assert expand_variables("${CENTRIFUGO_VAR_X}", {}) == ("${CENTRIFUGO_VAR_X}", ["CENTRIFUGO_VAR_X"])
    assert expand_variables("${HOME}", {"HOME": "x"}) == ("${HOME}", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"client": {"allowed_origins": ["*"]}}'),
        ("c.toml", '[client]\nallowed_origins = ["*"]\n'),
    ],
)
def test_the_environment_overrides_the_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_config(path, {}) == {"client": {"allowed_origins": ["*"]}}
    environ = {
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "https://a https://b",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_ENABLED": "true",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATIC_HEADERS": '{"A": "b"}',
        "CENTRIFUGO_OTHER": "x",
    }
    connect = {"enabled": True, "http": {"static_headers": {"A": "b"}}}
    expected = {"client": {"allowed_origins": ["https://a", "https://b"], "proxy": {"connect": connect}}}
    assert read_config(path, environ) == expected


def test_namespaces_and_proxies_have_variables_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"channel": {"namespaces": [{"name": "my-chat"}]}, "proxies": [{"name": "shop.one"}]}')
    environ = {
        "CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_PUBLISH_PROXY_ENABLED": "True",
        "CENTRIFUGO_PROXIES_SHOP_ONE_ENDPOINT": "http://x",
        "CENTRIFUGO_RPC_NAMESPACES": '[{"name": "users"}]',
        "CENTRIFUGO_RPC_NAMESPACES_USERS_PROXY_ENABLED": "1",
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "",
    }
    assert read_config(path, environ) == {
        "channel": {"namespaces": [{"name": "my-chat", "publish_proxy_enabled": True}]},
        "proxies": [{"name": "shop.one", "endpoint": "http://x"}],
        "rpc": {"namespaces": [{"name": "users", "proxy_enabled": True}]},
    }


def test_a_variable_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"channel": 5}')
    with pytest.raises(ValueError, match="the variable CENTRIFUGO_CHANNEL_NAMESPACES cannot be read: "):
        read_config(path, {"CENTRIFUGO_CHANNEL_NAMESPACES": "{,"})


@pytest.mark.parametrize(("name", "text"), [("c.json", "{,"), ("c.toml", "= 1"), ("c.json", "[]")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name} (cannot be read: .*line 1|must contain an object)"):
        read_config(tmp_path / name, {})
