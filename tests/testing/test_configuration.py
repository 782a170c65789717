"""The test client under a configuration of Centrifugo: what it asks the application, and what it decides itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import (
    ConnectResult,
    MapPublishResult,
    ProxyHooks,
    PublishResult,
    RPCResult,
    SharedPollRefreshResult,
    SubRefreshResult,
    SubscribeOptions,
    SubscribeRequest,
    SubscribeResult,
    errors,
    read_request,
    result_response,
)
from proxyhooks.testing import Exchange, ProxyClient

ON = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
CONNECT = {"proxy": {"connect": {"enabled": True}}}


def configuration(*namespaces: dict[str, Any], **channel: Any) -> dict[str, Any]:
    return {"client": CONNECT, "channel": {"namespaces": list(namespaces), **channel}}


@pytest.fixture
def hooks(app: Flask) -> ProxyHooks:
    """Hooks for ``chat:...``; the user is 42."""
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))

    @hooks.subscribe("chat:<path:rest>")
    def subscribe(req: SubscribeRequest, rest: str) -> SubscribeResult:
        if rest.startswith("locked"):
            raise errors.PermissionDenied
        return SubscribeResult()

    hooks.publish("chat:<path:rest>")(lambda req, rest: PublishResult())
    return hooks


def connected(app: Flask, **options: Any) -> ProxyClient:
    client = ProxyClient(app, **options)
    assert client.connect().allowed
    return client


def outcome(exchange: Exchange) -> tuple[int | str, bool]:
    """The code or ``allowed``, and whether the application was asked."""
    return exchange.code or exchange.outcome, exchange.request is not None


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("chat:locked#42", (103, True)),
        ("chat:room#7", ("allowed", True)),
        ("chat:room", ("allowed", True)),
        ("$chat:room", (103, False)),
        ("news:1", (102, False)),
        ("news", (103, False)),
        ("chat:\u00e4", (107, False)),
        ("chat:" + "x" * 251, (107, False)),
        ("", (3501, False)),
    ],
)
def test_it_asks_about_what_the_written_configuration_lets_through(
    app: Flask, hooks: ProxyHooks, channel: str, expected: tuple[int | str, bool]
) -> None:
    client = connected(app)
    exchange = client.subscribe(channel)
    assert outcome(exchange) == expected
    assert (channel in client.channels) == exchange.allowed


def test_a_channel_with_users_means_something_only_where_the_option_is_on(app: Flask, hooks: ProxyHooks) -> None:
    config = configuration({"name": "chat", "allow_user_limited_channels": True, **ON})
    client = connected(app, config=config)
    assert outcome(client.subscribe("chat:locked#42")) == ("allowed", False)
    assert outcome(client.subscribe("chat:room#7")) == (103, False)
    assert outcome(client.subscribe("chat:room#7,42")) == ("allowed", False)
    assert outcome(client.subscribe("chat:locked")) == (103, True)


@pytest.mark.parametrize("event", ["subscribe", "publish"])
def test_what_no_switch_lets_through_is_refused_with_103(app: Flask, hooks: ProxyHooks, event: str) -> None:
    client = connected(app, config=configuration({"name": "chat"}))
    data = {"data": 1} if event == "publish" else {}
    exchange = getattr(client, event)("chat:room", **data)
    assert outcome(exchange) == (103, False)
    off = f"{event}_proxy_enabled is off for the namespace 'chat' in config"
    assert exchange.why == f"{off}, and no allow_{event}_... option allows it"


def test_options_that_allow_without_asking_do_so(app: Flask, hooks: ProxyHooks) -> None:
    options = {"allow_subscribe_for_client": True, "allow_publish_for_subscriber": True}
    client = connected(app, config=configuration({"name": "chat", **options}))
    assert outcome(client.publish("chat:locked", 1)) == (103, False)
    assert outcome(client.subscribe("chat:locked")) == ("allowed", False)
    assert outcome(client.publish("chat:locked", 1)) == ("allowed", False)


def test_the_configuration_can_be_a_file(app: Flask, hooks: ProxyHooks, tmp_path: Path) -> None:
    toml = tmp_path / "config.toml"
    toml.write_text('[Client.proxy.CONNECT]\nenabled = "true"\n[[channel.namespaces]]\nname = "chat"\n')
    assert outcome(connected(app, config=toml).subscribe("chat:1")) == (103, False)
    written = tmp_path / "config.json"
    written.write_text(json.dumps(configuration({"name": "chat", **ON})))
    assert outcome(connected(app, config=str(written)).subscribe("chat:1")) == ("allowed", True)
    written.write_text(json.dumps(configuration({"name": "chats", **ON})))
    assert outcome(connected(app, config=written).subscribe("chat:1")) == (102, False)


def test_variables_override_the_file(
    app: Flask, hooks: ProxyHooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(configuration({"name": "chat", **ON})))
    assert connected(app, config=path).subscribe("chat:1").allowed
    monkeypatch.setitem(os.environ, "CENTRIFUGO_CHANNEL_PRIVATE_PREFIX", "chat:1")
    monkeypatch.setitem(os.environ, "CENTRIFUGO_CHANNEL_MAX_LENGTH", "0")
    client = connected(app, config=path)
    assert client.subscribe("chat:1").refused_with(103)
    assert client.subscribe("chat:" + "x" * 250).allowed
    assert client.subscribe("chat:" + "x" * 251).refused_with(107)  # a zero means the default


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({"channel": {"max_length": "long"}}, "config: channel.max_length is 'long'"),
        ({"channel": []}, "config: channel is a list"),
        ({"rpc": {"proxy": {"http": {"static_headers": {"A": 1}}}}}, "config: the value of a is not a string"),
        ({"http_api": {"key": "s3cret-key"}, "engine": "s3cret-key"}, r"config: engine is '\*\*\*'"),
    ],
)
def test_a_configuration_that_centrifugo_cannot_read_raises(
    app: Flask, hooks: ProxyHooks, config: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        ProxyClient(app, config=config)


def test_symbols_and_lengths_are_those_of_the_configuration(app: Flask, hooks: ProxyHooks) -> None:
    config = configuration(
        {"name": "chat", "allow_user_limited_channels": True, **ON},
        private_prefix="!",
        namespace_boundary="/",
        user_boundary="@",
        user_separator="+",
        max_length=20,
        without_namespace=ON,
    )
    client = connected(app, config=config)
    assert outcome(client.subscribe("!chat/a")) == (103, False)
    assert outcome(client.subscribe("chat/a@7+42")) == ("allowed", False)
    assert outcome(client.subscribe("chat/a@7,42")) == (103, False)
    assert outcome(client.subscribe("chat:locked#42")) == (103, True)
    assert outcome(client.subscribe("chat:" + "x" * 20)) == (107, False)


# Namespaces that no pattern names


@pytest.mark.parametrize("named_in", ["channels", "subs"])
def test_a_connect_result_that_names_a_missing_namespace_is_refused_with_the_remedy(app: Flask, named_in: str) -> None:
    in_channels = ConnectResult(user="42", channels=["personal:42"])
    in_subs = ConnectResult(user="42", subs={"personal:42": SubscribeOptions()})
    result = in_channels if named_in == "channels" else in_subs
    ProxyHooks(app).connect(lambda req: result)
    client = ProxyClient(app)
    exchange = client.connect()
    assert exchange.refused_with(errors.UnknownChannel)
    assert not client.connected
    assert "'personal:42' is in the namespace 'personal', which is not defined" in exchange.why
    assert "--namespace personal" in exchange.why
    assert exchange.reply is not None
    assert ProxyClient(app, transport="uni_sse").connect().outcome == "disconnected"
    assert connected(app, namespaces=["personal"]).channels == ["personal:42"]


def test_a_hook_for_every_channel_needs_the_namespaces(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.subscribe(lambda req: SubscribeResult())
    refused = connected(app).subscribe("news:1")
    assert outcome(refused) == (102, False)
    assert "ProxyClient(namespaces=['news'])" in refused.why
    client = connected(app, namespaces=["news"])
    assert outcome(client.subscribe("news:1")) == ("allowed", True)
    assert outcome(client.subscribe("top")) == ("allowed", True)


def test_a_name_that_centrifugo_refuses_has_no_such_remedy(app: Flask, hooks: ProxyHooks) -> None:
    assert "a name that Centrifugo refuses" in connected(app).subscribe("x:1").why
    with pytest.raises(ValueError, match="refuses the name 'x' of a namespace"):
        ProxyClient(app, namespaces=["x"])


def test_namespaces_and_a_configuration_exclude_each_other(app: Flask, hooks: ProxyHooks) -> None:
    with pytest.raises(ValueError, match="define them in config"):
        ProxyClient(app, namespaces=["news"], config={})


# Other events


def test_publications_need_data(app: Flask, hooks: ProxyHooks) -> None:
    client = connected(app)
    assert outcome(client.publish("chat:1")) == (107, False)
    assert outcome(client.publish("chat:1", None)) == ("allowed", True)


def test_publications_have_the_format_of_the_configuration(app: Flask, hooks: ProxyHooks) -> None:
    config = configuration({"name": "chat", **ON}, publication_data_format="json_object")
    client = connected(app, config=config)
    assert outcome(client.publish("chat:1", [1])) == (107, False)
    assert outcome(client.publish("chat:1", b"{]")) == (107, False)
    assert outcome(client.publish("chat:1", {"a": 1})) == ("allowed", True)


def test_methods_without_a_hook_are_refused_as_centrifugo_does(app: Flask, hooks: ProxyHooks) -> None:
    assert outcome(connected(app).rpc("order")) == (108, False)


def test_methods_have_namespaces(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.rpc("users:list")(lambda req: RPCResult())
    client = connected(app)
    assert outcome(client.rpc("users:list")) == ("allowed", True)
    assert outcome(client.rpc("users:other")) == (104, True)
    assert outcome(client.rpc("rooms:list")) == (104, False)
    assert outcome(client.rpc("list")) == (108, False)


def test_maps_and_polls_are_as_the_configuration_has_them(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.map_publish("board:<x>")(lambda req, x: MapPublishResult())
    hooks.shared_poll_refresh("poll:<x>")(lambda req, x: SharedPollRefreshResult(items=[]))
    hooks.subscribe(lambda req: SubscribeResult())
    client = connected(app)
    assert outcome(client.map_publish("board:1", "k", 1)) == ("allowed", True)
    assert outcome(client.map_remove("board:1", "k")) == (103, False)
    assert outcome(client.subscribe("board:1")) == (103, False)
    assert outcome(client.subscribe("poll:1")) == ("allowed", True)
    poll = {"name": "poll", "subscription_type": "shared_poll", "allow_subscribe_for_client": True}
    variables = {"shared_poll": {"hmac_secret_key": "key"}}
    assert outcome(connected(app, config=configuration(poll) | variables).subscribe("poll:1")) == ("allowed", False)
    board = {"name": "board", "subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1h"}, **ON}
    exchange = connected(app, config=configuration(board)).subscribe("board:1")
    assert outcome(exchange) == (107, True)
    assert "v6.9.1 refuses every subscription to a map" in exchange.why


def test_subscriptions_end_where_nobody_is_asked_to_extend_them(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.subscribe("chat:<x>")(lambda req, x: SubscribeResult(expire_at=9_999_999_999))
    hooks.subscribe("news:<x>")(lambda req, x: SubscribeResult(expire_at=9_999_999_999))
    hooks.sub_refresh("chat:<x>")(lambda req, x: SubRefreshResult(expire_at=9_999_999_999))
    client = connected(app)
    assert client.subscribe("chat:1").allowed
    assert client.subscribe("news:1").allowed
    assert outcome(client.sub_refresh("chat:1")) == ("allowed", True)
    assert outcome(client.sub_refresh("news:1")) == (2501, False)
    assert client.channels == ["chat:1"]
    assert outcome(client.refresh()) == (3005, False)
    assert not client.connected


def test_a_client_has_a_limited_number_of_channels(app: Flask, hooks: ProxyHooks) -> None:
    client = connected(
        app, config={"channel": {"namespaces": [{"name": "chat", **ON}]}, "client": CONNECT | {"channel_limit": 1}}
    )
    assert client.subscribe("chat:1").allowed
    assert outcome(client.subscribe("chat:2")) == (106, False)


def test_without_a_connect_proxy_a_client_needs_a_token(app: Flask, hooks: ProxyHooks) -> None:
    client = ProxyClient(app, config={})
    assert outcome(client.connect()) == (3501, False)
    anonymous = ProxyClient(app, config={"client": {"allow_anonymous_connect_without_token": True}})
    assert outcome(anonymous.connect()) == ("allowed", False)
    assert (anonymous.connected, anonymous.user) == (True, "")


def test_hooks_that_come_later_are_seen_by_the_next_connection(app: Flask) -> None:
    hooks = ProxyHooks(app)
    client = ProxyClient(app)
    assert client.connect().disconnected_with(3501)
    hooks.connect(lambda req: ConnectResult(user="42"))
    assert client.connect().allowed


# Views of one's own


def test_views_are_asked_about_every_channel(app: Flask) -> None:
    @app.post("/connect")
    def connect() -> Any:
        return result_response(ConnectResult(user="42"))

    @app.post("/subscribe")
    def subscribe() -> Any:
        return result_response(SubscribeResult(data=read_request(SubscribeRequest).channel))

    urls = {"connect": "/connect", "subscribe": "/subscribe"}
    client = connected(app, urls=urls)
    for channel in ("chat:1", "news", "x:1", "chat:locked#7"):
        assert outcome(client.subscribe(channel)) == ("allowed", True)
    assert outcome(client.subscribe("$chat:1")) == (103, False)
    assert outcome(connected(app, urls=urls, config=configuration()).subscribe("chat:1")) == (102, False)
