"""A real client and a test client of the same application, under the same configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from proxyhooks.centrifugo.config.reading import read_config
from proxyhooks.testing import Exchange, ProxyClient
from tests.real_centrifugo.client import Client, Message
from tests.support.paths import SECRET

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


def complete(configuration: dict[str, Any], backend_port: int, port: int, *, connect: bool = True) -> dict[str, Any]:
    """The configuration with proxies, and what a server needs."""

    def proxy(event: str) -> dict[str, Any]:
        headers = {"X-Proxyhooks-Secret": SECRET}
        endpoint = f"http://127.0.0.1:{backend_port}/centrifugo/{event}"
        return {"endpoint": endpoint, "http": {"static_headers": headers}}

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
