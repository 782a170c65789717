"""How Centrifugo reads channels and methods: their namespace, its options, and the symbols with a meaning."""

from __future__ import annotations

from typing import Final

from ..go.regex import compile_go_regex
from .keys import default_of, setting
from .tree import Config, objects_at, value_at

MAP_TYPES: Final = ("map", "map_clients", "map_users")
"""The values of ``subscription_type`` for maps."""


class Channels:
    """The settings of a configuration that concern channels and methods."""

    def __init__(self, config: Config, undefined: Config | None = None) -> None:
        """:param undefined: the options of namespaces that are not defined; ``None``: Centrifugo refuses them."""
        self.private_prefix: str = setting(config, "channel.private_prefix")
        self.boundary: str = setting(config, "channel.namespace_boundary")
        self.user_boundary: str = setting(config, "channel.user_boundary")
        self.user_separator: str = setting(config, "channel.user_separator")
        # A zero, which only a variable can set, means the default.
        self.max_length: int = setting(config, "channel.max_length") or default_of("channel.max_length")
        """Bytes; a negative length is no limit."""
        self.rpc_boundary: str = setting(config, "rpc.namespace_boundary")
        self._options = _options_by_namespace(config, "channel")
        self._rpc_options = _options_by_namespace(config, "rpc")
        self._undefined = undefined

    def options_of(self, namespace: str) -> Config | None:
        """The options of a namespace, ``""`` for ``without_namespace``; ``None`` if it is not defined."""
        return self._options.get(namespace, self._undefined)

    def options_for(self, channel: str) -> Config | None:
        """The options of the namespace of a channel; ``None`` if it is not defined."""
        return self.options_of(self.namespace_of(channel))

    def rpc_options_of(self, namespace: str) -> Config | None:
        return self._rpc_options.get(namespace, self._undefined)

    @property
    def calls_rpc_proxies(self) -> bool:
        """Whether the rpc proxy is on in any namespace."""
        return any(options.get("proxy_enabled") for options in self._rpc_options.values())

    def namespace_of(self, channel: str) -> str:
        return self._split(channel)[0]

    def is_valid_name(self, channel: str) -> bool:
        """Whether Centrifugo accepts the name of a channel, whose namespace must be defined."""
        namespace, rest = self._split(channel)
        regex = (self.options_of(namespace) or {}).get("channel_regex")
        if not regex:
            return channel.isascii()
        compiled = compile_go_regex(regex)
        return compiled is None or compiled.search(rest) is not None

    def _split(self, channel: str) -> tuple[str, str]:
        """The namespace of a channel, and the rest of it."""
        namespace, boundary, rest = channel.removeprefix(self.private_prefix).partition(self.boundary)
        return (namespace, rest) if boundary else ("", channel)

    def method_namespace(self, method: str) -> str:
        namespace, boundary, _ = method.partition(self.rpc_boundary)
        return namespace if boundary else ""

    def is_private(self, channel: str) -> bool:
        """Whether a client needs a token for a subscription."""
        return channel.startswith(self.private_prefix)

    def is_too_long(self, channel: str) -> bool:
        return 0 <= self.max_length < len(channel.encode())

    def users_of(self, channel: str) -> list[str] | None:
        """The users that a channel names, such as 7 and 42 for ``chat:x#7,42``; ``None`` if it names none.

        It has a meaning in namespaces with ``allow_user_limited_channels`` only.
        """
        _, boundary, users = channel.rpartition(self.user_boundary)
        return users.split(self.user_separator) if boundary else None


def _options_by_namespace(config: Config, section: str) -> dict[str, Config]:
    without = value_at(config, f"{section}.without_namespace")
    named = {str(options.get("name", "")): options for _, options in objects_at(config, f"{section}.namespaces")}
    return {"": without if isinstance(without, dict) else {}} | named
