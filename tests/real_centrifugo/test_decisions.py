"""The test client decides as Centrifugo does under the same configuration, and asks the application about the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import (
    ConnectResult,
    MapPublishResult,
    MapRemoveResult,
    ProxyHooks,
    PublishResult,
    RPCResult,
    SubscribeOptions,
    SubscribeResult,
    errors,
)
from proxyhooks.centrifugo.config.channels import Channels
from proxyhooks.centrifugo.config.reader import read_config
from proxyhooks.testing import Exchange, ProxyClient
from tests.real_centrifugo.client import Client, Message
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import SECRET
from tests.support.servers import free_port, server_environment, serving_in_thread

ON = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
LIMITED = {"allow_user_limited_channels": True}
MAP = {"mode": "ephemeral", "key_ttl": "60s"}
MAP_ON = {"subscription_type": "map", "map": MAP | {"publish_proxy_enabled": True, "remove_proxy_enabled": True}}
NAMESPACES: dict[str, dict[str, Any]] = {
    "on": ON,
    "off": {},
    "limited": LIMITED | ON,
    "limited_off": LIMITED,
    "clients": {"allow_subscribe_for_client": True, "allow_publish_for_client": True},
    "anonymous": {
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "allow_publish_for_subscriber": True,
        "allow_publish_for_anonymous": True,
    },
    "both": LIMITED | ON | {"allow_subscribe_for_client": True, "allow_publish_for_client": True},
    "regex": ON | {"channel_regex": r"^([a-z\x{e4}]+|[[:digit:]]\s|[]x])$"},
    "regex_off": {"channel_regex": "^a"},
    "json": ON | {"publication_data_format": "json"},
    "object": ON | {"publication_data_format": "json_object"},
    "binary": ON | {"publication_data_format": "binary"},
    "map": MAP_ON,
    "map_asked": MAP_ON | ON,
    "map_clients": {
        "subscription_type": "map",
        "allow_subscribe_for_client": True,
        "map": MAP | {"allow_publish_for_client": True, "allow_remove_for_client": True},
    },
    "map_subscribers": {
        "subscription_type": "map",
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "map": MAP
        | {
            "client_key": "user_id",
            "allow_publish_for_subscriber": True,
            "allow_publish_for_anonymous": True,
            "allow_remove_for_subscriber": True,
            "allow_remove_for_anonymous": True,
        },
    },
    "map_users": {"subscription_type": "map_users", "map": MAP, "allow_subscribe_for_client": True},
    "poll": ON | {"subscription_type": "shared_poll"},
    "poll_clients": {"subscription_type": "shared_poll", "allow_subscribe_for_client": True},
}
RESTS = (
    "",
    "1",
    "a",
    "x\n",
    "1 ",
    "1\v",
    "]",
    "\u00e4",
    "locked",
    "locked#42",
    "room#7",
    "a#7,42",
    "a#42#7",
    "a#",
    "$a",
)
SYMBOLS = ("", "$", "$a", ":", ":a", "#42", "#7", "on")
CHANNELS = [
    *(f"{namespace}:{rest}" for namespace in NAMESPACES for rest in RESTS),
    *(f"${name}:{rest}" for name in ("on", "limited", "off", "anonymous", "map") for rest in ("1", "\u00e4", "a#42")),
    *(f"{name}:{rest}" for name in ("no", "$no") for rest in ("1", "\u00e4", "a#42")),
    *(*SYMBOLS, "a", "\u00e4", "x" * 255, "x" * 256, "\u00e4" * 128),
    *(f"{namespace}:{'x' * 255}" for namespace in ("on", "off", "no", "map", "poll", "anonymous")),
]
METHODS = ["", "a", "locked", "on:a", "on:locked", "off:a", "no:a", "$on:a", "on::a", ":a", "ping", "\u00e4"]
CONNECTIONS: list[dict[str, list[str]]] = [
    {"channels": ["on:1", "a", "$a", "\u00e4", "off:1", "on:" + "x" * 300]},
    {"channels": ["on:1", "no:1"]},
    {"subs": ["no:1"]},
    {"subs": ["$no:1"]},
    {"subs": ["on:1", "limited:a#7"], "channels": ["on:1"]},
    {"channels": [f"a{number}" for number in range(129)]},
    {"channels": [f"a{number}" for number in range(100)], "subs": [f"a{number}" for number in range(28, 128)]},
]
RPC = {"namespaces": [{"name": "on", "proxy_enabled": True}, {"name": "off"}]}
DEFINED = [{"name": name, **options} for name, options in NAMESPACES.items()]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "usual": {"channel": {"without_namespace": ON, "namespaces": DEFINED}, "rpc": RPC},
    "all off": {"channel": {"namespaces": [{"name": "on"}]}, "rpc": {"ping": {"enabled": True}}},
    "insecure": {
        "client": {"insecure": True},
        "channel": {"namespaces": DEFINED},
        "rpc": {"without_namespace": {"proxy_enabled": True}, "ping": {"enabled": True, "method": "a"}},
    },
    "other symbols": {
        "client": {"channel_limit": 12},
        "channel": {
            "without_namespace": ON | LIMITED,
            "namespaces": DEFINED,
            "private_prefix": "l",
            "namespace_boundary": "d:",
            "user_boundary": "d#",
            "user_separator": "7",
            "max_length": 12,
            "publication_data_format": "json_object",
        },
        "rpc": RPC | {"namespace_boundary": "::"},
    },
    "unset symbols": {
        "channel": {
            "without_namespace": ON | LIMITED,
            "namespaces": DEFINED,
            "private_prefix": "",
            "namespace_boundary": "",
            "user_boundary": "",
            "user_separator": "",
            "max_length": -1,
        },
        "rpc": RPC | {"namespace_boundary": ""},
    },
    "personal": {
        "client": {"subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "on"}},
        "channel": {"namespaces": DEFINED},
    },
}
NO_CONNECT_PROXY: dict[str, dict[str, Any]] = {
    "tokens": {},
    "anonymous": {"allow_anonymous_connect_without_token": True},
    "insecure": {"insecure": True},
}
TYPES = {"map": 1, "map_clients": 2, "map_users": 3, "shared_poll": 4}

Seen = tuple[Any, list[Any]]
"""The code, or None if it is allowed, and what the application was asked about."""


class Backend:
    """An application that allows all but what is locked, and records what it is asked."""

    def __init__(self) -> None:
        self.app = Flask("backend")
        self.app.config.update(PROXYHOOKS_SECRETS=[SECRET])
        self.asked: list[tuple[str, str]] = []
        hooks = ProxyHooks(self.app)

        @hooks.connect
        def connect(req: Any) -> ConnectResult:
            data = req.data or {}
            subs = {channel: SubscribeOptions() for channel in data.get("subs", ())}
            return ConnectResult(user=data.get("user", "42"), channels=data.get("channels"), subs=subs or None)

        hooks.subscribe(self.hook("subscribe", SubscribeResult()))
        hooks.publish(self.hook("publish", PublishResult()))
        hooks.map_publish(self.hook("map_publish", MapPublishResult()))
        hooks.map_remove(self.hook("map_remove", MapRemoveResult()))
        hooks.rpc(self.hook("rpc", RPCResult()))

    def hook(self, event: str, result: Any) -> Any:
        def answer(req: Any) -> Any:
            name = req.method if event == "rpc" else req.channel
            self.asked.append((event, name))
            if "locked" in name:
                raise errors.PermissionDenied
            return result

        return answer

    def asked_since(self, count: int) -> list[tuple[str, str]]:
        return self.asked[count:]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return Backend()


@pytest.fixture(scope="module")
def backend_port(backend: Backend) -> Iterator[int]:
    with serving_in_thread(backend.app) as port:
        yield port


def complete(configuration: dict[str, Any], backend_port: int, port: int, *, connect: bool = True) -> dict[str, Any]:
    """The configuration with proxies, and what a server needs."""

    def proxy(event: str) -> dict[str, Any]:
        headers = {"X-Proxyhooks-Secret": SECRET}
        endpoint = f"http://127.0.0.1:{backend_port}/centrifugo/{event}"
        return {"endpoint": endpoint, "timeout": "5s", "http": {"static_headers": headers}}

    channel_events = ("subscribe", "publish", "map_publish", "map_remove", "shared_poll_refresh")
    client = configuration.get("client", {}) | {"proxy": {"connect": {"enabled": connect, **proxy("connect")}}}
    channel = configuration.get("channel", {}) | {"proxy": {event: proxy(event) for event in channel_events}}
    return {
        "client": client,
        "channel": channel,
        "rpc": configuration.get("rpc", {}) | {"proxy": proxy("rpc")},
        "http_server": {"address": "127.0.0.1", "port": port},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "shared_poll": {"hmac_secret_key": "key"},
    }


class Pair:
    """A real client and a test client of one configuration."""

    def __init__(self, backend: Backend, address: str, config: Path, user: str) -> None:
        self.backend, self.address, self.config, self.user = backend, address, config, user
        self.channels = Channels(read_config(config, {}).config)
        self.connect({"user": user})

    def connect(self, data: dict[str, Any], wishes: tuple[str, ...] = ()) -> tuple[Any, Any]:
        """What became of the two connections."""
        self.real = Client(self.address)
        self.played = ProxyClient(self.backend.app, config=self.config)
        entered = self.real.ask("connect", data=data, subs={channel: {} for channel in wishes})
        played = self.played.connect(data, channels=wishes)
        real_channels = sorted(entered.get("connect", {}).get("subs", {}))
        return (code_of_reply(entered), real_channels), (played.code, sorted(self.played.channels))

    def ask(self, command: str, name: str, **more: Any) -> tuple[Seen, Seen]:
        """What the two clients see of one operation; a client that is disconnected comes back."""
        before = len(self.backend.asked)
        real = code_of_reply(self.real_operation(command, name, **more))
        real_asked = self.backend.asked_since(before)
        before = len(self.backend.asked)
        played = self.played_operation(command, name, **more)
        played_code = played.code
        if played.allowed and played.request and command in ("map_publish", "map_remove"):
            played_code = 107  # v6.9.1 carries the change out, and says to its client that it was refused
        pair = (real, real_asked), (played_code, self.backend.asked_since(before))
        if self.real.closed or not self.played.connected:
            self.close()
            self.connect({"user": self.user})
        return pair

    def real_operation(self, command: str, name: str, **more: Any) -> Message:
        if command == "rpc":
            return self.real.ask("rpc", method=name)
        if command == "subscribe":
            options = self.channels.options_of(self.channels.namespace_of(name)) or {}
            return self.real.ask("subscribe", channel=name, type=TYPES.get(options.get("subscription_type", ""), 0))
        kind = {"map_publish": {"type": 1}, "map_remove": {"type": 1, "removed": True}}.get(command, {})
        return self.real.ask("publish", channel=name, **kind, **more)

    def played_operation(self, command: str, name: str, **more: Any) -> Exchange:
        exchange: Exchange = getattr(self.played, command)(name, **more)
        return exchange

    def unsubscribe(self, channel: str) -> None:
        if channel in self.played.channels:
            self.real.ask("unsubscribe", channel=channel)
            self.played.unsubscribe(channel)

    def close(self) -> None:
        self.real.close()


def code_of_reply(reply: Message) -> int | None:
    """The code of an error or a disconnect."""
    if "closed" in reply:
        code: int = reply["closed"][0]
        return code
    error = reply.get("error")
    return None if error is None else error["code"]


def operations(channels: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for channel in channels:
        yield "publish", channel, {"data": {}}
        yield "map_publish", channel, {"key": "k", "data": 1}
        yield "subscribe", channel, {}
        # The options for subscribers, and the second subscription.
        yield "publish", channel, {"data": {}}
        yield "map_publish", channel, {"key": "k", "data": 1}
        if channel.endswith(":1"):
            yield "subscribe", channel, {}
            yield "map_publish", channel, {"key": "", "data": 1}
            for data in (None, [1], "a"):
                yield "publish", channel, {"data": data}
            yield "publish", channel, {}
        yield "map_remove", channel, {"key": "k"}
    for method in METHODS:
        yield "rpc", method, {}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_decides_as_centrifugo_and_asks_the_application_about_the_same(
    backend: Backend, backend_port: int, tmp_path: Path, name: str
) -> None:
    port, config = free_port(), tmp_path / "config.json"
    config.write_text(json.dumps(complete(CONFIGURATIONS[name], backend_port, port)))
    # All channels with the usual configuration; elsewhere enough to meet each of its options.
    channels = CHANNELS if name == "usual" else CHANNELS[::4]
    different: list[Any] = []
    count = 0
    with running_centrifugo(config, port, tmp_path / "log", env=server_environment()):
        for user in ("42", ""):
            with closing(Pair(backend, f"127.0.0.1:{port}", config, user)) as pair:
                for operation, target, more in operations(channels):
                    real, played = pair.ask(operation, target, **more)
                    count += 1
                    if real != played:
                        different.append((user, operation, target[:30], more, real, played))
                    if operation == "map_remove":
                        pair.unsubscribe(target)
        for data in CONNECTIONS:
            real_entered, played_entered = pair.connect(data)
            if real_entered != played_entered:
                different.append(("connect", data, real_entered, played_entered))
            pair.close()
    assert count > 900
    assert not different, "\n".join(map(str, different[:40]))


@pytest.mark.parametrize("name", NO_CONNECT_PROXY)
def test_a_client_without_a_token_gets_what_centrifugo_gives_it(
    backend: Backend, backend_port: int, tmp_path: Path, name: str
) -> None:
    port, config = free_port(), tmp_path / "config.json"
    configuration = {"client": NO_CONNECT_PROXY[name], "channel": {"namespaces": DEFINED}}
    config.write_text(json.dumps(complete(configuration, backend_port, port, connect=False)))
    with running_centrifugo(config, port, tmp_path / "log", env=server_environment()):
        pair = Pair(backend, f"127.0.0.1:{port}", config, "")
        pair.close()
        for wishes in ((), ("anonymous:1", "clients:1", "on:1", "$off:1", "off:\u00e4", "both:a#"), ("no:1",)):
            real, played = pair.connect({}, wishes)
            pair.close()
            assert real == played, wishes
