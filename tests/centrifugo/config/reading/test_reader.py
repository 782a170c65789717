"""Configurations are read as Centrifugo reads them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.config.keys import setting
from proxyhooks.centrifugo.config.reading import Reading, read_config, read_tree
from proxyhooks.centrifugo.config.reading.placeholders import expand_variables


def ids_in(reading: Reading) -> list[tuple[str, str]]:
    return [(finding.id, finding.path) for finding in reading.findings]


def test_variables_in_static_headers() -> None:
    assert expand_variables("a${CENTRIFUGO_VAR_X}", {"CENTRIFUGO_VAR_X": "b"}) == ("ab", [])
    assert expand_variables("${CENTRIFUGO_VAR_X}", {}) == ("${CENTRIFUGO_VAR_X}", ["CENTRIFUGO_VAR_X"])
    assert expand_variables("${HOME}", {"HOME": "x"}) == ("${HOME}", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"client": {"allowed_origins": ["*"]}}'),
        ("c.toml", '[client]\nallowed_origins = ["*"]\n'),
        ("c.yaml", 'client:\n  allowed_origins: ["*"]\n'),
        ("c.yml", "client: {allowed_origins: '*'}\n"),
    ],
)
def test_the_environment_overrides_the_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_config(path, {}) == Reading({"client": {"allowed_origins": ["*"]}}, ())
    environ = {
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "https://a https://b",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_ENABLED": "true",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATIC_HEADERS": '{"A": "b"}',
    }
    connect = {"enabled": True, "http": {"static_headers": {"A": "b"}}}
    expected = {"client": {"allowed_origins": ["https://a", "https://b"], "proxy": {"connect": connect}}}
    assert read_config(path, environ) == Reading(expected, ())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", "{,", r"cannot be read: it is not JSON \(at line 1, column 2\)"),
        ("c.json", "", "cannot be read: it ends too early"),
        ("c.json", "\ufeff{}", "cannot be read: it is not JSON"),
        ("c.json", "{} {}", r"cannot be read: .*line 1, column 4\)"),
        ("c.json", '{"a": NaN}', r"cannot be read: .*line 1, column 7\)"),
        ("c.json", '{"a": 1e400}', "cannot be read: 1e400.* is too large"),
        ("c.json", "[]", "must contain an object, not list"),
        ("c.toml", "= 1", "cannot be read: .*line 1"),
        ("c.toml", "a = 9223372036854775808", "cannot be read: .* is too large"),
        ("c.yaml", "a: [", r"cannot be read: .*line 1"),
        ("c.yaml", "- a", "must contain an object, not list"),
        ("c.yaml", "a: !!int x", "cannot be read: line 1: !!str cannot be !!int"),
        ("c.yaml", "a: &a [*a]", "cannot be read: line 1: an anchor's value contains itself"),
        ("c.JSON", "{}", r"cannot be read: its name must end in .json, .toml, .yaml, .yml, in lower case"),
        ("config", "{}", "cannot be read: its name must end in"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name} {message}"):
        read_config(tmp_path / name, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"a": hunter2}'),
        ("c.json", '{"a": "hunter2" "b"}'),
        ("c.json", '{"a": 1} hunter2'),
        ("c.toml", "a = hunter2"),
        ("c.toml", 'a = "hunter2'),
        ("c.yaml", "a: [hunter2"),
        ("c.yaml", "a: 'hunter2"),
        ("c.yaml", "a: hunter2: b"),
        ("c.yaml", "a: !!int hunter2"),
    ],
)
def test_no_message_about_a_file_quotes_it(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="cannot be read") as raised:
        read_config(tmp_path / name, {})
    assert "hunter2" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"c.json cannot be read: No such file or directory"):
        read_config(tmp_path / "c.json", {})


@pytest.mark.parametrize(
    ("name", "text"), [("c.json", "{}"), ("c.json", "null"), ("c.toml", ""), ("c.yaml", ""), ("c.yaml", "---\n...")]
)
def test_an_empty_file_sets_nothing(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_config(tmp_path / name, {}) == Reading({}, ())


def test_a_key_that_is_twice_in_json_has_its_last_value(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"log": {"level": "info", "level": "debug"}, "pid_file": "a"}')
    reading = read_config(path, {})
    assert reading.config == {"log": {"level": "debug"}, "pid_file": "a"}
    assert ids_in(reading) == [("PH030", "log.level")]


def test_a_key_that_is_twice_in_yaml_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("log:\n  level: info\n  'level': debug\n")
    (finding,) = read_config(path, {}).findings
    assert finding.id == "PH029"
    assert "line 3: the key level is there twice" in finding.text


TREES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("letter case", {"Client": {"INSECURE": True}}, {"client": {"insecure": True}}),
    ("dots", {"client.token.audience": "a"}, {"client": {"token": {"audience": "a"}}}),
    ("dots in the middle", {"client": {"token.audience": "a"}}, {"client": {"token": {"audience": "a"}}}),
    (
        "a key with dots and a nested one",
        {"client": {"insecure": False, "concurrency": 2}, "client.insecure": True},
        {"client": {"insecure": True, "concurrency": 2}},
    ),
    ("null", {"client": None, "log": {"level": None}}, {}),
    ("empty objects", {"client": {"insecure": {}, "token": {}}}, {}),
    ("one text for a list", {"client": {"allowed_origins": "a b"}}, {"client": {"allowed_origins": ["a b"]}}),
    ("null in a list", {"client": {"allowed_origins": [None, 1]}}, {"client": {"allowed_origins": ["", "1"]}}),
    ("one object for a list", {"proxies": {"name": "shop"}}, {"proxies": [{"name": "shop"}]}),
    ("numbers for texts", {"log": {"level": 5, "file": 1.5}}, {"log": {"level": "5", "file": "1.5"}}),
    ("a boolean for a text", {"pid_file": True}, {"pid_file": "1"}),
    ("a large number for a text", {"pid_file": 1e21}, {"pid_file": "1000000000000000000000"}),
]
for text, value in [("true", True), ("T", True), ("1", True), ("0", False), ("f", False), ("", False)]:
    TREES.append((f"{text!r} for a boolean", {"client": {"insecure": text}}, {"client": {"insecure": value}}))
for number, value in [(1, True), (0, False), (0.5, True)]:
    TREES.append((f"{number} for a boolean", {"client": {"insecure": number}}, {"client": {"insecure": value}}))
for written, port in [("8001", 8001), ("0x10", 16), ("010", 8), ("0o10", 8), ("1_000", 1000), ("", 0), (80.9, 80)]:
    TREES.append((f"{written!r} for a number", {"client": {"concurrency": written}}, {"client": {"concurrency": port}}))


@pytest.mark.parametrize(("what", "values", "config"), TREES, ids=[what for what, *_ in TREES])
def test_values_are_read_weakly(what: str, values: dict[str, Any], config: dict[str, Any]) -> None:
    before = copy.deepcopy(values)
    assert read_tree(values, {}) == Reading(config, ())
    assert values == before


def test_a_zero_value_in_the_file_means_the_default_and_in_a_variable_zero() -> None:
    values = {"channel": {"private_prefix": "", "max_length": 0}, "client": {"ping_interval": "0s"}}
    reading = read_tree(values, {"CENTRIFUGO_CHANNEL_MAX_LENGTH": "0", "CENTRIFUGO_CHANNEL_PRIVATE_PREFIX": ""})
    assert reading.config == {"channel": {"max_length": 0}, "client": {}}
    assert setting(reading.config, "channel.private_prefix") == "$"
    assert setting(reading.config, "channel.max_length") == 0


def test_dots_in_lists_are_part_of_the_key() -> None:
    reading = read_tree({"channel": {"namespaces": [{"name": "chat", "map.mode": "ephemeral"}]}}, {})
    assert reading.config == {"channel": {"namespaces": [{"name": "chat"}]}}
    assert ids_in(reading) == [("PH013", "channel.namespaces[0].map.mode")]


def test_a_key_in_two_letter_cases_has_a_finding() -> None:
    reading = read_tree({"Pid_File": "a", "pid_file": "b"}, {})
    assert reading.config == {"pid_file": "a"}
    assert ids_in(reading) == [("PH030", "pid_file")]


@pytest.mark.parametrize("keys", [["log.level.x", "log.level"], ["log.level", "log.level.x"]])
def test_a_key_with_a_value_and_keys_below_it_is_an_error(keys: list[str]) -> None:
    reading = read_tree(dict.fromkeys(keys, "x"), {})
    assert ("PH029", "log.level") in ids_in(reading)


HEADERS: list[tuple[Any, dict[str, str]]] = [
    ({"X-A": "b"}, {"x-a": "b"}),
    ([{"key": "X-A", "value": "b"}], {"X-A": "b"}),
    ([{"KEY": "X.A", "Value": "b", "note": "c"}], {"X.A": "b"}),
    ([], {}),
]


@pytest.mark.parametrize(("value", "headers"), HEADERS)
def test_static_headers_are_an_object_or_a_list_of_key_and_value(value: Any, headers: dict[str, str]) -> None:
    values = {"rpc": {"proxy": {"http": {"static_headers": value}}}}
    assert read_tree(values, {}) == Reading({"rpc": {"proxy": {"http": {"static_headers": headers}}}}, ())


@pytest.mark.parametrize(
    "value",
    [
        {"X-A": 3},
        {"X.A": "b"},
        [{"key": "X-A"}],
        [{"value": "b"}],
        [{"key": "X-A", "value": 3}],
        ["X-A"],
        [{"key": "X-A", "value": "b"}, {"key": "X-A", "value": "c"}],
    ],
)
def test_a_header_without_a_text_is_an_error(value: Any) -> None:
    reading = read_tree({"rpc": {"proxy": {"http": {"static_headers": value}}}}, {})
    assert [finding.id for finding in reading.findings] == ["PH017"]


SWITCHES = [
    ({"admin": True}, '"admin": {"enabled": true}'),
    ({"health": True}, '"health": {"enabled": true}'),
    ({"grpc_api": True}, '"grpc_api": {"enabled": true}'),
    ({"prometheus": False}, '"prometheus": {"enabled": false}'),
    ({"engine": "redis"}, '"engine": {"type": "redis"}'),
    ({"log": "debug"}, '"log": {"level": "debug"}'),
    ({"broker": "nats"}, '"broker": {"enabled": true, "type": "nats"}'),
    ({"websocket": False}, '"websocket": {"disabled": true}'),
    ({"client": {"proxy": {"connect": True}}}, '"connect": {"enabled": true}'),
]


@pytest.mark.parametrize(("values", "fix"), SWITCHES)
def test_a_switch_that_became_an_object_is_an_error_that_shows_the_object(values: dict[str, Any], fix: str) -> None:
    reading = read_tree(values, {})
    (finding,) = reading.findings
    assert (finding.id, finding.fix) == ("PH029", fix)
    assert "does not start" in finding.text


UNREADABLE: list[tuple[str, dict[str, Any]]] = [
    ("client.insecure", {"client": {"insecure": "yes"}}),
    ("client.insecure", {"client": {"insecure": ["true"]}}),
    ("client.concurrency", {"client": {"concurrency": "5.5"}}),
    ("client.concurrency", {"client": {"concurrency": " 5"}}),
    ("client.ping_interval", {"client": {"ping_interval": "5"}}),
    ("client.ping_interval", {"client": {"ping_interval": ""}}),
    ("client.allowed_origins", {"client": {"allowed_origins": [["a"]]}}),
    ("pid_file", {"pid_file": ["a"]}),
    ("pid_file", {"pid_file": {"a": "b"}}),
    ("channel.namespaces", {"channel": {"namespaces": "chat"}}),
    ("channel.namespaces[0]", {"channel": {"namespaces": ["chat"]}}),
    ("rpc.proxy.http.static_headers", {"rpc": {"proxy": {"http": {"static_headers": "a: b"}}}}),
]


@pytest.mark.parametrize(("path", "values"), UNREADABLE)
def test_a_value_that_centrifugo_cannot_read_is_an_error(path: str, values: dict[str, Any]) -> None:
    assert ids_in(read_tree(values, {})) == [("PH029", path)]


def test_no_finding_shows_a_secret() -> None:
    secret = "hunter2"
    values = {
        "client": {"token": {"hmac_secret_key": [secret], "audience": {"x": secret}}, "subscription_token": secret},
        "admin": {"password": {"a": secret}},
        "rpc": {"proxy": {"http": {"static_headers": secret}, "endpoint": [f"http://u:{secret}@a"]}},
        "http_api": {"key": [secret]},
        "engine": {"redis": {"db": f"redis://u:{secret}@a"}},
        "broker": f"redis://u:{secret}@a",
    }
    environ = {
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATIC_HEADERS": f'{{"a": "{secret}"',
        "CENTRIFUGO_PROXIES": f'[{{"name": "shop", "http": {{"static_headers": {{"a": "{secret}"}}}}}},]',
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_PREVIOUS_SECRET_KEY_VALID_UNTIL": secret,
    }
    reading = read_tree(values, environ)
    assert len(reading.findings) == 12
    assert secret not in repr(reading.findings)


NEAREST = [
    ("client.token", "hmac_secret", "did you mean hmac_secret_key?"),
    ("http_server.tls", "ca_file", "did you mean server_ca_pem or client_ca_pem?"),
    (
        "shared_poll",
        "notification",
        "known keys are concurrency_limit, hmac_previous_secret_key, hmac_previous_secret_key_valid_until, "
        "hmac_secret_key",
    ),
    ("rpc.proxy", "static_headers", "did you mean rpc.proxy.http.static_headers?"),
    ("client", "hmac_secret_key", "did you mean client.token.hmac_secret_key?"),
    ("client", "connect_proxy", "did you mean client.proxy.connect?"),
    ("client", "engine_redis", "did you mean engine.redis?"),
    ("rpc.proxy", "enabled", "known keys are binary_encoding, "),
]


@pytest.mark.parametrize(("parent", "key", "fix"), NEAREST)
def test_an_unknown_key_has_the_nearest_key(parent: str, key: str, fix: str) -> None:
    (finding,) = read_tree({parent: {key: "x"}}, {}).findings
    assert (finding.id, finding.path) == ("PH013", f"{parent}.{key}")
    assert finding.fix.startswith(fix)


def test_an_unknown_key_in_a_transform_is_found() -> None:
    transforms = [{"status": 500, "to_error": {"code": 1, "reason": "x"}}]
    reading = read_tree({"rpc": {"proxy": {"http": {"status_to_code_transforms": transforms}}}}, {})
    path = "rpc.proxy.http.status_to_code_transforms[0]"
    assert ids_in(reading) == [("PH013", f"{path}.status"), ("PH013", f"{path}.to_error.reason")]
    assert reading.findings[0].fix == "did you mean status_code?"


def read_variables(environ: Mapping[str, str], values: dict[str, Any] | None = None) -> Reading:
    return read_tree(values or {}, environ)


def test_namespaces_and_proxies_have_variables_of_their_own() -> None:
    values = {"channel": {"namespaces": [{"name": "my-chat"}]}, "proxies": [{"name": "shop.one"}]}
    environ = {
        "CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_PUBLISH_PROXY_ENABLED": "True",
        "CENTRIFUGO_PROXIES_SHOP_ONE_ENDPOINT": "http://x",
        "CENTRIFUGO_RPC_NAMESPACES": '[{"name": "users"}]',
        "CENTRIFUGO_RPC_NAMESPACES_USERS_PROXY_ENABLED": "1",
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "",
    }
    config = {
        "channel": {"namespaces": [{"name": "my-chat", "publish_proxy_enabled": True}]},
        "proxies": [{"name": "shop.one", "endpoint": "http://x"}],
        "rpc": {"namespaces": [{"name": "users", "proxy_enabled": True}]},
    }
    assert read_variables(environ, values) == Reading(config, ())


def test_words_in_a_variable_add_items_with_these_names() -> None:
    values = {"channel": {"namespaces": [{"name": "chat", "presence": True}]}}
    reading = read_variables({"CENTRIFUGO_CHANNEL_NAMESPACES": "news games"}, values)
    assert reading.config["channel"]["namespaces"] == [
        {"name": "chat", "presence": True},
        {"name": "news"},
        {"name": "games"},
    ]


def test_json_in_a_variable_replaces_the_items_and_keeps_what_it_leaves_out() -> None:
    values = {"channel": {"namespaces": [{"name": "chat", "presence": True}, {"name": "news"}]}}
    reading = read_variables({"CENTRIFUGO_CHANNEL_NAMESPACES": '[{"Name": "games"}]'}, values)
    assert reading.config["channel"]["namespaces"] == [{"name": "games", "presence": True}]


SETTINGS = {
    "CENTRIFUGO_CHANNEL_NAMESPACE_BOUNDARY": ("channel.namespace_boundary", "/"),
    "CENTRIFUGO_CHANNEL_USER_BOUNDARY": ("channel.user_boundary", "@"),
    "CENTRIFUGO_CHANNEL_PRIVATE_PREFIX": ("channel.private_prefix", "!"),
    "CENTRIFUGO_RPC_NAMESPACE_BOUNDARY": ("rpc.namespace_boundary", "."),
    "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": ("client.token.hmac_secret_key", "k"),
}


def test_settings_that_the_package_uses_are_read_from_variables_too() -> None:
    transforms = "CENTRIFUGO_RPC_PROXY_HTTP_STATUS_TO_CODE_TRANSFORMS"
    environ = {name: text for name, (_, text) in SETTINGS.items()}
    reading = read_variables(environ | {transforms: '[{"status_code": 404, "to_error": {"code": 4}}]'})
    assert reading.findings == ()
    for path, text in SETTINGS.values():
        assert setting(reading.config, path) == text
    (transform,) = setting(reading.config, "rpc.proxy.http.status_to_code_transforms")
    assert transform == {"status_code": 404, "to_error": {"code": 4}}


def test_lists_in_variables_are_words() -> None:
    reading = read_variables({"CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "https://a  https://b"})
    assert reading == Reading({"client": {"allowed_origins": ["https://a", "", "https://b"]}}, ())


def test_a_list_in_a_variable_that_is_json_has_a_finding() -> None:
    reading = read_variables({"CENTRIFUGO_RPC_PROXY_HTTP_HEADERS": '["Cookie"]'})
    assert reading.config == {"rpc": {"proxy": {"http_headers": ['["Cookie"]']}}}
    assert ids_in(reading) == [("PH030", "CENTRIFUGO_RPC_PROXY_HTTP_HEADERS")]


def test_origins_in_a_variable_that_are_json_are_left_to_the_check_of_origins() -> None:
    reading = read_variables({"CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": '["https://a.example"]'})
    assert reading == Reading({"client": {"allowed_origins": ['["https://a.example"]']}}, ())


UNREADABLE_VARIABLES = [
    ("CENTRIFUGO_CHANNEL_NAMESPACES", "[{,]"),
    ("CENTRIFUGO_PROXIES", '[{"name": "shop", "timeout": "3"}]'),
    ("CENTRIFUGO_PROXIES", '[{"name": "shop", "binary_encoding": "true"}]'),
    ("CENTRIFUGO_PROXIES", '[{"name": "shop", "http_headers": "a"}]'),
    ("CENTRIFUGO_CLIENT_INSECURE", "yes"),
    ("CENTRIFUGO_CLIENT_CONCURRENCY", "5.0"),
    ("CENTRIFUGO_CLIENT_PING_INTERVAL", "5"),
    ("CENTRIFUGO_RPC_PROXY_HTTP_STATIC_HEADERS", "a: b"),
    ("CENTRIFUGO_RPC_PROXY_HTTP_STATIC_HEADERS", '[{"key": "a", "value": "b"}]'),
    ("CENTRIFUGO_RPC_PROXY_HTTP_STATUS_TO_CODE_TRANSFORMS", '[{"status_code": 500.0}]'),
]


@pytest.mark.parametrize(("name", "text"), UNREADABLE_VARIABLES)
def test_a_variable_that_cannot_be_read_is_an_error(name: str, text: str) -> None:
    assert ids_in(read_variables({name: text})) == [("PH029", name)]


UNKNOWN_VARIABLES = [
    ("CENTRIFUGO_ALLOWED_ORIGINS", "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"),
    ("CENTRIFUGO_PROXY_CONNECT_ENDPOINT", "CENTRIFUGO_CLIENT_PROXY_CONNECT_ENDPOINT"),
    (
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_STATIC_HEADERS",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATIC_HEADERS",
    ),
    ("CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENCE", "define an item of channel.namespaces with this name"),
    ("CENTRIFUGO_HTTP_SERVER_TLS", "set the variables of its keys, such as CENTRIFUGO_HTTP_SERVER_TLS_ENABLED"),
    ("CENTRIFUGO_REPORT", "remove it, unless the application reads it"),
]


@pytest.mark.parametrize(("name", "v6_name"), UNKNOWN_VARIABLES)
def test_an_unknown_variable_is_a_warning_with_the_name_that_v6_has(name: str, v6_name: str) -> None:
    (finding,) = read_variables({name: "x"}).findings
    assert (finding.id, finding.level, finding.path) == ("PH030", "warning", name)
    assert v6_name in finding.fix


@pytest.mark.parametrize(
    "name",
    [
        "CENTRIFUGO_VAR_SECRET",
        "CENTRIFUGO_PORT",
        "CENTRIFUGO_PORT_8000_TCP_ADDR",
        "CENTRIFUGO_SERVICE_HOST",
        "CENTRIFUGO_MAIN_SERVICE_PORT",
        "CENTRIFUGAL",
        "HOME",
    ],
)
def test_variables_for_headers_and_those_of_kubernetes_are_no_findings(name: str) -> None:
    assert read_variables({name: "tcp://10.0.0.1:8000"}) == Reading({}, ())


def test_a_placeholder_that_nothing_replaces_is_an_error() -> None:
    headers = {"a": "${SECRET}", "b": "${CENTRIFUGO_VAR_X}"}
    values = {
        "http_api": {"key": "${CENTRIFUGO_VAR_X}"},
        "client": {"allowed_origins": ["https://${HOST}"]},
        "rpc": {"proxy": {"http": {"static_headers": headers}}},
    }
    reading = read_variables({"CENTRIFUGO_VAR_X": "x"}, values)
    assert ids_in(reading) == [
        ("PH025", "http_api.key"),
        ("PH025", "client.allowed_origins"),
        ("PH025", "rpc.proxy.http.static_headers.a"),
    ]
    assert reading.findings[0].fix == "remove the key, and set the variable CENTRIFUGO_HTTP_API_KEY"


def test_nothing_is_replaced_in_the_json_of_a_list_of_proxies() -> None:
    proxies = '[{"name": "shop", "http": {"static_headers": {"A": "${CENTRIFUGO_VAR_X}"}}}]'
    (finding,) = read_variables({"CENTRIFUGO_PROXIES": proxies}).findings
    assert (finding.id, finding.path) == ("PH025", "proxies[0].http.static_headers.A")
    own = {"CENTRIFUGO_PROXIES_SHOP_HTTP_STATIC_HEADERS": '{"A": "${CENTRIFUGO_VAR_X}"}', "CENTRIFUGO_VAR_X": "x"}
    assert read_variables({"CENTRIFUGO_PROXIES": proxies} | own).findings == ()


def test_an_unset_variable_in_any_header_is_a_warning() -> None:
    proxy = {"name": "shop", "grpc": {"static_metadata": [{"key": "A", "value": "${CENTRIFUGO_VAR_X}"}]}}
    (finding,) = read_tree({"proxies": [proxy]}, {}).findings
    assert (finding.id, finding.path) == ("PH026", "proxies[0].grpc.static_metadata.A")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_yaml_may_be_utf_16_with_its_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.yaml").write_bytes("\ufeffnode: {name: é}\n".encode(encoding))
    assert read_config(tmp_path / "config.yaml", {}).config == {"node": {"name": "é"}}
