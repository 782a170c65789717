"""Settings of Centrifugo that change what the package assumes, from the file and from variables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxyhooks import ChannelPattern
from proxyhooks.centrifugo.config.backend import Backend
from proxyhooks.centrifugo.config.checks import check, refused_by_centrifugo
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading import read_tree
from proxyhooks.centrifugo.config.tree import set_value
from tests.support.backends import backend

URL = "http://127.0.0.1:8070/centrifugo"
CONNECT = {"enabled": True, "endpoint": f"{URL}/connect", "timeout": "3s"}


def findings_in(
    values: dict[str, Any], app: Backend, *ids: str, environ: dict[str, str] | None = None
) -> list[Finding]:
    reading = read_tree({"client": {"allowed_origins": ["*"]}} | values, environ or {})
    assert reading.findings == ()
    findings = check(reading.config, app, environ=environ or {})
    return [finding for finding in findings if finding.id in ids]


def channels(namespace: str, **settings: Any) -> dict[str, Any]:
    proxy = {"subscribe": {"endpoint": f"{URL}/subscribe"}}
    namespaces = [{"name": namespace, "subscribe_proxy_enabled": True}]
    return {"channel": {"proxy": proxy, "namespaces": namespaces} | settings}


@pytest.mark.parametrize(
    ("pattern", "settings"),
    [
        ("chat:<x>", {}),
        ("$chat:<x>", {}),
        ("chat/<x>", {"namespace_boundary": "/"}),
        ("chat::<x>", {"namespace_boundary": "::"}),
        ("!chat:<x>", {"private_prefix": "!"}),
        ("chat:<x>", {"namespace_boundary": "", "private_prefix": ""}),  # these are the defaults
    ],
)
def test_the_namespace_of_a_pattern_ends_at_the_configured_boundary(pattern: str, settings: dict[str, Any]) -> None:
    assert findings_in(channels("chat", **settings), backend(("subscribe", pattern)), "PH002", "PH003", "PH004") == []


def test_a_pattern_of_another_boundary_is_in_no_namespace() -> None:
    found = findings_in(channels("chat", namespace_boundary="/"), backend(("subscribe", "chat:<x>")), "PH002", "PH004")
    assert {(finding.id, finding.path) for finding in found} == {
        ("PH002", "channel.namespaces[0].subscribe_proxy_enabled"),
        ("PH004", "channel.without_namespace"),
    }


def test_the_boundary_of_a_variable_counts() -> None:
    environ = {"CENTRIFUGO_CHANNEL_NAMESPACE_BOUNDARY": "/"}
    app = backend(("subscribe", "chat/<x>"))
    assert findings_in(channels("chat"), app, "PH002", "PH003", "PH004", environ=environ) == []


def test_methods_have_a_boundary_of_their_own_and_no_private_prefix() -> None:
    rpc = {"proxy": {"endpoint": f"{URL}/rpc"}, "namespaces": [{"name": "users", "proxy_enabled": True}]}
    ids = ("PH002", "PH003", "PH004")
    assert findings_in({"rpc": rpc | {"namespace_boundary": "."}}, backend(("rpc", "users.<x>")), *ids) == []
    assert findings_in({"rpc": rpc}, backend(("rpc", "$users:<x>")), *ids)


@pytest.mark.parametrize("enabled", [False, "false", "0", 0, None])
def test_a_connect_proxy_that_is_not_enabled_is_never_called(enabled: Any) -> None:
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT | {"enabled": enabled}}}}
    (finding,) = findings_in(values, backend(("connect", None)), "PH004")
    assert (finding.path, finding.fix) == ("client.proxy.connect", '"enabled": true')


def test_a_hook_for_every_channel_is_called_where_one_namespace_has_its_switch() -> None:
    assert findings_in(channels("chat"), backend(("subscribe", None)), "PH004") == []
    (finding,) = findings_in({}, backend(("subscribe", None)), "PH004")
    assert finding.fix == '"subscribe_proxy_enabled": true'


def polls_in(*namespaces: dict[str, Any]) -> dict[str, Any]:
    proxy = {"shared_poll_refresh": {"endpoint": f"{URL}/shared_poll_refresh"}}
    return {"channel": {"proxy": proxy, "namespaces": [*namespaces]}, "shared_poll": {"hmac_secret_key": "k"}}


def test_the_type_of_a_namespace_is_the_switch_of_polls() -> None:
    app = backend(("shared_poll_refresh", "poll:<x>"))
    poll = {"name": "poll", "subscription_type": "shared_poll"}
    assert findings_in(polls_in(poll), app, "PH002", "PH004") == []
    (finding,) = findings_in(polls_in({"name": "poll"}), app, "PH004")
    options = '"allow_subscribe_for_client": true, "shared_poll": {"refresh_interval": "10s"}'
    assert finding.fix == f'"subscription_type": "shared_poll", {options}'
    (finding,) = findings_in(polls_in(poll | {"name": "news"}, poll), app, "PH002")
    assert finding.path == "channel.namespaces[0].subscription_type"


def test_the_named_proxy_of_polls_is_checked() -> None:
    namespace = {"name": "poll", "subscription_type": "shared_poll", "shared_poll": {"proxy_name": "shop"}}
    values = {
        "channel": {"namespaces": [namespace]},
        "proxies": [{"name": "shop", "endpoint": f"{URL}/other"}],
        "shared_poll": {"hmac_secret_key": "k"},
    }
    (finding,) = findings_in(values, backend(("shared_poll_refresh", "poll:<x>")), "PH005")
    assert finding.path == "proxies[0].endpoint"


@pytest.mark.parametrize(
    ("key", "environ"),
    [
        ("hmac_secret_key", {"CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": "t0ken"}),
        ("jwks_public_endpoint", {"CENTRIFUGO_CLIENT_TOKEN_JWKS_PUBLIC_ENDPOINT": "https://a.example/jwks"}),
    ],
)
def test_a_key_for_tokens_is_reported_from_a_variable_too(key: str, environ: dict[str, str]) -> None:
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT}}}
    (finding,) = findings_in(values, backend(("connect", None)), "PH023", environ=environ)
    assert (finding.path, finding.level) == (f"client.token.{key}", "info")
    assert "t0ken" not in repr(finding)


def test_options_of_tokens_without_a_key_are_not_reported() -> None:
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT}, "token": {"audience": "a"}}}
    assert findings_in(values, backend(("connect", None)), "PH023") == []


def test_transforms_are_reported_from_a_variable_too() -> None:
    variable = "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATUS_TO_CODE_TRANSFORMS"
    environ = {variable: '[{"status_code": 500, "to_error": {"code": 101}}]'}
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT}}}
    (finding,) = findings_in(values, backend(("connect", None)), "PH014", environ=environ)
    assert finding.path == "client.proxy.connect.http.status_to_code_transforms[0]"


def test_a_transform_without_a_status_has_no_effect() -> None:
    transforms = [{"to_error": {"code": 101}}]
    proxy = {"endpoint": f"{URL}/rpc", "http": {"status_to_code_transforms": transforms}}
    assert findings_in({"rpc": {"proxy": proxy}}, backend(("rpc", None)), "PH014") == []


def test_a_temporary_error_must_not_keep_one_way_clients_away() -> None:
    transforms = [
        {"code": 100, "to": {"code": 4503}},
        {"code": 100, "to": {"code": 4001}},
        {"code": 103, "to": {"code": 4503}},
    ]
    for enabled in (True, False):
        mapped = {"enabled": enabled, "transforms": transforms}
        values = {"client": {"allowed_origins": ["*"], "connect_code_to_unidirectional_disconnect": mapped}}
        found = [finding.path for finding in findings_in(values, backend(), "PH014")]
        assert found == ["client.connect_code_to_unidirectional_disconnect.transforms[0].to.code"] * enabled


@pytest.mark.parametrize("headers", ["X-Proxyhooks-Secret", ["cookie", "x-proxyhooks-secret"]])
def test_a_header_of_the_client_that_overrides_the_secret_is_found(headers: Any) -> None:
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT | {"http_headers": headers}}}}
    (finding,) = findings_in(values, backend(("connect", None)), "PH009")
    assert finding.path == "client.proxy.connect.http_headers"


def test_no_fix_forwards_the_header_of_the_secret() -> None:
    values = {
        "client": {"proxy": {"connect": CONNECT | {"http_headers": "X-Proxyhooks-Secret"}}, "allowed_origins": ["*"]}
    }
    (finding,) = findings_in(values, backend(("connect", None), http_headers=("Cookie",)), "PH019")
    assert finding.fix == '"http_headers": ["Cookie"]'


@pytest.mark.parametrize("form", ["object", "list"])
@pytest.mark.parametrize("name", ["X-Proxyhooks-Secret", "x-proxyhooks-secret"])
def test_the_secret_is_found_in_both_forms_of_static_headers(form: str, name: str) -> None:
    headers = {name: "s3cret"} if form == "object" else [{"key": name, "value": "s3cret"}]
    values = {
        "client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT | {"http": {"static_headers": headers}}}}
    }
    assert findings_in(values, backend(("connect", None)), "PH007", "PH008") == []


@pytest.mark.parametrize("endpoint", ["grpc://h:1", "HTTP://h/centrifugo/connect", " http://h/centrifugo/connect", "h"])
def test_an_endpoint_of_grpc_has_one_finding(endpoint: str) -> None:
    values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": {"enabled": True, "endpoint": endpoint}}}}
    config = read_tree(values, {}).config
    (finding,) = check(config, backend(("connect", None)), environ={}, base_url="http://h")
    assert (finding.id, finding.path) == ("PH006", "client.proxy.connect.endpoint")
    assert "gRPC" in finding.text


def test_hosts_are_compared_without_case_and_password() -> None:
    for endpoint, ids in [
        ("http://user:pass@H:80/centrifugo/connect", set()),
        ("http://pass@other/centrifugo/connect", {"PH006"}),
    ]:
        values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT | {"endpoint": endpoint}}}}
        findings = check(read_tree(values, {}).config, backend(("connect", None)), environ={}, base_url="http://h:80")
        assert {finding.id for finding in findings} & {"PH005", "PH006"} == ids
        assert "pass" not in repr(findings)


def test_a_variable_in_an_endpoint_is_left_to_the_reader() -> None:
    endpoints = ["${BACKEND}", "http://${BACKEND}/centrifugo/connect"]
    for endpoint in endpoints:
        values = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT | {"endpoint": endpoint}}}}
        reading = read_tree(values, {})
        assert [finding.id for finding in reading.findings] == ["PH025"]
        findings = check(reading.config, backend(("connect", None)), environ={}, base_url="http://127.0.0.1:8070")
        assert not {finding.id for finding in findings} & {"PH005", "PH006"}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"engine": {"type": "nats"}}, "engine.type"),
        ({"presence_manager": {"enabled": True, "type": "nats"}}, "presence_manager.type"),
        (
            {
                "channel": {
                    "proxy": {"subscribe_stream": {"endpoint": f"{URL}/subscribe_stream"}},
                    "without_namespace": {"subscribe_stream_proxy_enabled": True},
                }
            },
            "channel.without_namespace.subscribe_stream_proxy_enabled",
        ),
    ],
)
def test_what_centrifugo_finds_only_when_it_starts_is_an_error(values: dict[str, Any], path: str) -> None:
    (finding,) = findings_in(values, backend(), "PH031")
    assert finding.path == path
    assert "does not start" in finding.text


def test_a_missing_namespace_is_one_finding_with_all_its_switches() -> None:
    app = backend(("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("map_publish", "game:<x>"), ("rpc", "docs:get"))
    chat, game, docs = findings_in({}, app, "PH003")
    assert chat.path == game.path == "channel.namespaces"
    assert docs.path == "rpc.namespaces"
    assert chat.fix == 'add {"name": "chat", "subscribe_proxy_enabled": true, "publish_proxy_enabled": true}'
    mapped = '"map": {"mode": "ephemeral", "key_ttl": "1h", "publish_proxy_enabled": true}'
    assert game.fix == f'add {{"name": "game", "subscription_type": "map", {mapped}}}'
    assert docs.fix == 'add {"name": "docs", "proxy_enabled": true}'
    assert [text.text.rpartition(" ")[2] for text in (chat, game, docs)] == ["102", "102", "104"]


def test_a_missing_namespace_of_a_declared_publication_is_found() -> None:
    patterns = tuple(map(ChannelPattern, ("shop:<x>", "chat:<x>", "news", "<x>")))
    app = backend(("subscribe", "chat:<x>"), publications=patterns)
    shop, chat = findings_in({}, app, "PH003")
    assert shop.fix == 'add {"name": "shop"}'
    assert "subscribe_proxy_enabled" in chat.fix
    values = {"channel": {"namespaces": [{"name": "shop"}, {"name": "chat"}]}}
    assert findings_in(values, app, "PH003") == []


def test_a_hook_that_is_never_called_has_the_place_where_it_is_switched_on() -> None:
    app = backend(("subscribe", "chat:<x>"), ("publish", "news"), ("rpc", "ping"))
    values = {"channel": {"namespaces": [{"name": "news"}, {"name": "chat"}]}}
    findings = findings_in(values, app, "PH004")
    places = ["channel.namespaces[1]", "channel.without_namespace", "rpc.without_namespace"]
    assert sorted(finding.path for finding in findings) == places


@pytest.mark.parametrize(
    ("event", "options", "option"),
    [
        ("subscribe", {"subscribe_stream_proxy_enabled": True}, "subscribe_stream_proxy_enabled"),
        (
            "map_publish",
            {"subscription_type": "map", "map": {"mode": "ephemeral", "client_key": "user_id"}},
            "client_key",
        ),
    ],
)
def test_a_switch_that_centrifugo_would_refuse_says_what_is_in_its_way(
    event: str, options: dict[str, Any], option: str
) -> None:
    values = {"channel": {"namespaces": [{"name": "chat"} | options]}}
    (finding,) = findings_in(values, backend((event, "chat:<x>")), "PH004")
    assert "but only after this:" in finding.fix
    assert option in finding.fix


@pytest.mark.parametrize("is_on", [True, False])
def test_no_advice_switches_on_the_subscribe_proxy_of_maps(is_on: bool) -> None:
    maps = {"name": "maps", "subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}}
    values = {
        "channel": {
            "proxy": {"subscribe": {"endpoint": f"{URL}/subscribe"}},
            "namespaces": [maps | {"subscribe_proxy_enabled": is_on}],
        }
    }
    (finding,) = findings_in(values, backend(("subscribe", "maps:<x>")), "PH004", "PH022")
    assert finding.id == ("PH022" if is_on else "PH004")
    assert "refuses every map subscription with 107" in finding.text
    assert finding.fix.endswith("or all of them with allow_subscribe_for_client")
    assert '"subscribe_proxy_enabled": true' not in finding.fix


def test_the_subscribe_proxy_of_other_namespaces_has_no_finding_about_maps() -> None:
    maps = {"name": "maps", "subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}}
    values = channels("chat")
    values["channel"]["namespaces"].append(maps)
    assert findings_in(values, backend(("subscribe", "chat:<x>")), "PH004", "PH022") == []


@pytest.mark.parametrize("existing", [None, {}, {"subscription_type": "map", "map": {"mode": "persistent"}}])
@pytest.mark.parametrize("events", [["subscribe", "publish"], ["map_publish"], ["map_publish", "subscribe"]])
def test_centrifugo_takes_what_a_fix_adds_to_a_namespace(events: list[str], existing: dict[str, Any] | None) -> None:
    app = backend(*((event, "chat:<x>") for event in events))
    proxies = {event: {"endpoint": f"{URL}/{event}"} for event in ("subscribe", "publish", "map_publish")}
    namespace = {"name": "chat"} | (existing or {})
    channel: dict[str, Any] = {"proxy": proxies, "namespaces": [] if existing is None else [namespace]}
    before = {finding.path for finding in refused_by_centrifugo(read_tree({"channel": channel}, {}).config)}
    for finding in findings_in({"channel": channel}, app, "PH003", "PH004"):
        if not finding.fix.startswith(("add ", '"')):  # it adds nothing
            continue
        is_new = finding.fix.startswith("add ")
        added = json.loads(finding.fix.removeprefix("add ") if is_new else f"{{{finding.fix}}}")
        for key, value in added.items():
            set_value(namespace, key, value)
    channel["namespaces"] = [namespace]
    after = {finding.path for finding in refused_by_centrifugo(read_tree({"channel": channel}, {}).config)}
    assert after == before
    assert findings_in({"channel": channel}, app, "PH003") == []
