"""What Centrifugo decides by its configuration alone, without asking the application."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal
from .._wire.json import Malformed, TooComplex, loads
from .config.channels import MAP_TYPES, Channels
from .config.keys import default_of, setting
from .config.names import NAME, NAME_RULE
from .config.tree import Config, value_at
from .judge import judge
from .replies.verdict import Verdict

_BAD_REQUEST: Final = 3501
_CHANNEL_LIMIT: Final = 3505


class Decisions:
    """What one configuration decides about the operations of a client.

    A method returns None where Centrifugo asks the application. The checks of an operation are in Centrifugo's order,
    which decides the code where several of them refuse.

    :param source: what the configuration is, for the reasons.
    :param define: how a namespace is defined, with ``{namespace}`` and ``{section}``; a sentence for the reasons.
    :param undefined: the options of namespaces that are not defined; ``None``: Centrifugo refuses them.
    """

    def __init__(self, config: Config, source: str, define: str, *, undefined: Config | None = None) -> None:
        self._config, self._source, self._define = config, source, define
        self._channels = Channels(config, undefined)
        # A zero, which only a variable can set, means the default.
        self._channel_limit: int = setting(config, "client.channel_limit") or default_of("client.channel_limit")

    def connect(self, channels: Sequence[str]) -> tuple[Verdict | None, list[str]]:
        """Decide about a client without a token, and which of the channels that it asks for it gets."""
        if self._is_on("client.proxy.connect.enabled"):
            return None, []
        if not (self._is_on("client.allow_anonymous_connect_without_token") or self._is_on("client.insecure")):
            why = f"client.proxy.connect is not enabled in {self._source}, so a client needs a token"
            return _disconnected("connect", _BAD_REQUEST, why), []
        if (unknown := self._undefined_namespace(channels)) is not None:
            return _disconnected("connect", _BAD_REQUEST, unknown), []
        why = f"client.proxy.connect is not enabled in {self._source}, and anonymous clients may connect"
        return _allowed("connect", why), [channel for channel in channels if self._gets_by_asking(channel)]

    def subscribe(self, channel: str, user: str, subscribed: Collection[str]) -> Verdict | None:
        """Decide about a subscription without a token.

        :param subscribed: the channels that the client is subscribed to.
        """
        if not channel:
            return _disconnected("subscribe", _BAD_REQUEST, "a subscription needs a channel")
        channels, options = self._channels, self._channels.options_for(channel)
        if channels.is_too_long(channel) and self._subscription_type(channel) != "shared_poll":
            return _refused("subscribe", 107, f"a channel has up to {channels.max_length} bytes")
        if channel in subscribed:
            return _refused("subscribe", 105, "the client is subscribed already")
        if 0 <= self._channel_limit <= len(subscribed):
            return _refused("subscribe", 106, f"client.channel_limit is {self._channel_limit}")
        if options is None or not channels.is_valid_name(channel):
            return self._refused_name("subscribe", channel)
        if channels.is_private(channel):
            return _refused("subscribe", 103, f"a channel that starts with {channels.private_prefix} needs a token")
        users = channels.users_of(channel) if options.get("allow_user_limited_channels") else None
        if users is not None:
            if user in users:
                return _allowed("subscribe", "the channel names the user, so Centrifugo does not ask the application")
            return self._refused_unless_insecure("subscribe", f"the channel belongs to the users {users}")
        if options.get("subscribe_proxy_enabled"):
            return None
        if options.get("subscribe_stream_proxy_enabled"):
            raise LookupError(
                f"Centrifugo asks the subscribe_stream proxy about {channel!r}, and this proxy needs gRPC"
            )
        return self._by_options("subscribe", "subscribe", channel, options, user, subscribed)

    def publish(self, channel: str, payload: bytes | None, user: str, subscribed: Collection[str]) -> Verdict | None:
        if not channel:
            return _disconnected("publish", _BAD_REQUEST, "a publication needs a channel")
        options = self._channels.options_for(channel)
        if options is None or not self._channels.is_valid_name(channel):
            return self._refused_name("publish", channel)
        expected = options.get("publication_data_format") or value_at(self._config, "channel.publication_data_format")
        if (problem := _payload_problem(payload, expected)) is not None:
            return _refused("publish", 107, problem)
        if options.get("publish_proxy_enabled"):
            return None
        if options.get("subscribe_stream_proxy_enabled"):
            return _refused("publish", 108, "the client has no bidirectional stream for this channel")
        return self._by_options("publish", "publish", channel, options, user, subscribed)

    def change_map(
        self,
        event: str,
        channel: str,
        key: str,
        user: str,
        subscribed: Collection[str],
    ) -> Verdict | None:
        """Decide about a ``map_publish`` or ``map_remove``."""
        if not channel:
            return _disconnected(event, _BAD_REQUEST, "a change of a map needs a channel")
        options = self._channels.options_for(channel)
        if options is None or not self._channels.is_valid_name(channel):
            return self._refused_name(event, channel)
        operation, map_options = event.removeprefix("map_"), options.get("map", {})
        if map_options.get(f"{operation}_proxy_enabled"):
            return None
        verdict = self._by_options(event, operation, channel, map_options, user, subscribed)
        client_key = map_options.get("client_key")
        if verdict.allowed and client_key == "user_id" and not user:
            return _refused(event, 103, "map.client_key is user_id, and an anonymous client has none")
        if verdict.allowed and not (key or client_key):
            return _refused(event, 107, "a change of a map needs a key")
        if verdict.allowed and not map_options.get("mode"):
            why = "the namespace has no map.mode, so Centrifugo has no map"
            return dataclasses.replace(_refused(event, 100, why), outcome="internal_error", temporary=True)
        return verdict

    def rpc(self, method: str) -> Verdict | None:
        has_ping = self._is_on("rpc.ping.enabled")
        if has_ping and method == setting(self._config, "rpc.ping.method"):
            return _allowed("rpc", "rpc.ping is enabled, so Centrifugo itself replies")
        namespace = self._channels.method_namespace(method)
        options = self._channels.rpc_options_of(namespace)
        if options is not None and options.get("proxy_enabled"):
            return None
        if not self._channels.calls_rpc_proxies:
            return _refused("rpc", 104 if has_ping else 108, f"the rpc proxy is off everywhere in {self._source}")
        if options is None:
            return _refused("rpc", 104, self._not_defined("rpc", method, namespace))
        return _refused("rpc", 108, f"proxy_enabled is off for {_place('rpc', namespace)} in {self._source}")

    def calls_application(self, event: Literal["refresh", "sub_refresh"], channel: str | None) -> bool:
        """Whether Centrifugo asks the application to extend a connection, or the subscription to a channel."""
        if event == "refresh" or channel is None:
            return self._is_on("client.proxy.refresh.enabled")
        options = self._channels.options_for(channel) or {}
        return bool(options.get("sub_refresh_proxy_enabled"))

    def personal_channels(self, user: str) -> list[str]:
        """The channels to which Centrifugo subscribes a user when a client connects."""
        path = "client.subscribe_to_user_personal_channel"
        if not user or not self._is_on(f"{path}.enabled"):
            return []
        namespace = value_at(self._config, f"{path}.personal_channel_namespace")
        prefix = f"{namespace}{self._channels.boundary}" if namespace else ""
        return [f"{prefix}{self._channels.user_boundary}{user}"]

    def read_verdict(self, verdict: Verdict, channel: str, transport: str) -> Verdict:
        """The verdict on a reply, or what Centrifugo does in place of it under this configuration.

        :param channel: that of a subscription.
        :param transport: the client's transport.
        """
        if not verdict.allowed:
            return verdict
        if verdict.event == "connect":
            return self._read_connect_result(verdict, transport)
        if verdict.event == "subscribe" and self._subscription_type(channel) in MAP_TYPES:
            why = "Centrifugo v6.9.1 refuses every subscription to a map if it asks the subscribe proxy"
            return dataclasses.replace(_refused("subscribe", 107, why), cause=verdict.cause)
        return verdict

    def _read_connect_result(self, verdict: Verdict, transport: str) -> Verdict:
        result = verdict.result or {}
        channels = [*(result.get("channels") or ()), *(result.get("subs") or ())]
        if (unknown := self._undefined_namespace(channels)) is not None:
            # The judge knows what clients with a unidirectional transport get in place of an error.
            error = b'{"error":{"code":102,"message":"unknown channel"}}'
            return dataclasses.replace(
                judge("connect", 200, error, transport=transport),
                cause=verdict.cause,
                why=f"in the connect result, {unknown}",
            )
        count = len({*channels, *self.personal_channels(result.get("user", ""))})
        if 0 <= self._channel_limit < count:
            why = f"channels in the result: {count}; client.channel_limit is {self._channel_limit}"
            return dataclasses.replace(_disconnected("connect", _CHANNEL_LIMIT, why), cause=verdict.cause)
        return verdict

    def _subscription_type(self, channel: str) -> str | None:
        return (self._channels.options_for(channel) or {}).get("subscription_type")

    def _is_on(self, path: str) -> bool:
        return bool(value_at(self._config, path))

    def _by_options(
        self, event: str, operation: str, channel: str, options: Config, user: str, subscribed: Collection[str]
    ) -> Verdict:
        """Decide by the options ``allow_..._for_client`` and its kin, in a namespace where the proxy is off."""
        for_clients, for_subscribers = f"allow_{operation}_for_client", f"allow_{operation}_for_subscriber"
        if user or options.get(f"allow_{operation}_for_anonymous"):
            if options.get(for_clients):
                return _allowed(event, f"{for_clients} is on, so Centrifugo does not ask the application")
            if options.get(for_subscribers) and channel in subscribed:
                return _allowed(event, f"{for_subscribers} is on, so Centrifugo does not ask the application")
        where = _place("channel", self._channels.namespace_of(channel))
        prefix = "" if event == operation else "map."
        off = f"{prefix}{operation}_proxy_enabled is off for {where} in {self._source}"
        return self._refused_unless_insecure(event, f"{off}, and no {prefix}allow_{operation}_... option allows it")

    def _refused_unless_insecure(self, event: str, why: str) -> Verdict:
        return _allowed(event, "client.insecure is on") if self._is_on("client.insecure") else _refused(event, 103, why)

    def _refused_name(self, event: str, channel: str) -> Verdict:
        if (unknown := self._undefined_namespace([channel])) is not None:
            return _refused(event, 102, unknown)
        return _refused(event, 107, "the name is not ASCII, or channel_regex does not match it")

    def _gets_by_asking(self, channel: str) -> bool:
        """Whether an anonymous client gets a server-side subscription because it asks for it."""
        options = self._channels.options_for(channel) or {}
        if self._channels.is_private(channel) or options.get("subscribe_proxy_enabled"):
            return False
        names_users = options.get("allow_user_limited_channels") and self._channels.users_of(channel) is not None
        may_subscribe = options.get("allow_subscribe_for_client") and options.get("allow_subscribe_for_anonymous")
        is_let_in = (may_subscribe and not names_users) or self._is_on("client.insecure")
        return bool(is_let_in) and self._channels.is_valid_name(channel)

    def _undefined_namespace(self, channels: Sequence[str]) -> str | None:
        """Why a channel is refused with 102, for the first of them that is."""
        for channel in channels:
            namespace = self._channels.namespace_of(channel)
            if self._channels.options_of(namespace) is None:
                return self._not_defined("channel", channel, namespace)
        return None

    def _not_defined(self, section: str, name: str, namespace: str) -> str:
        if not NAME.fullmatch(namespace):
            return f"{name!r} is in the namespace {namespace!r}, a name that Centrifugo refuses: it must be {NAME_RULE}"
        define = self._define.format(section=section, namespace=namespace)
        return f"{name!r} is in the namespace {namespace!r}, which is not defined in {self._source}: {define}"


def _place(section: str, namespace: str) -> str:
    if namespace:
        return f"the namespace {namespace!r}"
    return "channels without a namespace" if section == "channel" else "methods without a namespace"


def _payload_problem(payload: bytes | None, expected: Any) -> str | None:
    """Why Centrifugo refuses the payload of a publication in a namespace with this ``publication_data_format``."""
    if expected == "binary":
        return None
    if not payload:
        return "a publication needs data"
    if expected not in ("json", "json_object"):
        return None
    try:
        is_fine = isinstance(loads(payload), dict) or expected == "json"
    except (Malformed, TooComplex):
        is_fine = False
    return None if is_fine else f"publication_data_format is {expected}, which the data is not"


def _allowed(event: str, why: str) -> Verdict:
    return Verdict(event=event, outcome="allowed", why=why)


def _refused(event: str, code: int, why: str) -> Verdict:
    return Verdict(event=event, outcome="refused", code=code, message=ERRORS[code].message, why=why)


def _disconnected(event: str, code: int, why: str) -> Verdict:
    return Verdict(
        event=event,
        outcome="disconnected",
        code=code,
        reason=DISCONNECTS[code],
        comes_back=not disconnect_is_terminal(code),
        why=why,
    )
