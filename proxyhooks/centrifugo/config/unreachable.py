"""Why Centrifugo never asks about the channels or methods of a pattern, whatever its switches are."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..._dispatch.events import Event
from ..._dispatch.patterns import ChannelPattern
from .channels import Channels
from .names import NAME, NAME_RULE

_CHECKS_NAMES: Final = ("subscribe", "sub_refresh", "publish", "map_publish", "map_remove", "shared_poll_refresh")
"""The events of channels whose names Centrifugo checks."""
_CHECKS_LENGTH: Final = ("subscribe", "sub_refresh")
_LENGTH_OF_UUID: Final = 36


class Unreachable(NamedTuple):
    why: str
    """What is wrong with each channel or method of the pattern; follows "the pattern '...':"."""
    fix: str


def unreachable(event: Event, pattern: ChannelPattern, channels: Channels) -> Unreachable | None:
    """Why Centrifugo never asks about the channels or methods of a pattern; None if it may."""
    if event.routed_on == "method":
        return _refused_namespace(pattern.namespace_in(channels.rpc_boundary, ""))
    namespace = pattern.namespace_in(channels.boundary, channels.private_prefix)
    if (refused := _refused_namespace(namespace)) is not None:
        return refused
    options = {} if namespace is None else channels.options_of(namespace) or {}
    if event.name == "subscribe":
        prefix, user_boundary = channels.private_prefix, channels.user_boundary
        if isinstance(pattern.parts[0], str) and pattern.parts[0].startswith(prefix):
            why = f"a channel that starts with {prefix} needs a subscription token, with which no hook is asked"
            return Unreachable(why, f"leave out the {prefix}, or set channel.private_prefix to another text")
        if options.get("allow_user_limited_channels") and _contains(pattern, user_boundary):
            why = f"Centrifugo itself decides about channels with {user_boundary}: allow_user_limited_channels is on"
            return Unreachable(why, '"allow_user_limited_channels": false')
    is_poll = options.get("subscription_type") == "shared_poll"
    if event.name in _CHECKS_LENGTH and not is_poll and 0 <= channels.max_length < (length := _min_length(pattern)):
        why = f"a channel has {length} bytes or more, and channel.max_length is {channels.max_length}"
        return Unreachable(why, f'"max_length": {length}, or a shorter pattern')
    if event.name in _CHECKS_NAMES:
        return _invalid_name(pattern, options.get("channel_regex"), channels)
    return None


def _refused_namespace(namespace: str | None) -> Unreachable | None:
    if not namespace or NAME.fullmatch(namespace):
        return None
    return Unreachable(f"Centrifugo refuses the namespace {namespace!r}", f"a name is {NAME_RULE}")


def _invalid_name(pattern: ChannelPattern, regex: str | None, channels: Channels) -> Unreachable | None:
    if not regex and not all(part.isascii() for part in pattern.parts if isinstance(part, str)):
        why = "Centrifugo refuses channels with characters outside of ASCII where there is no channel_regex"
        return Unreachable(why, "use ASCII, or a channel_regex that matches the channels")
    if regex and not pattern.variables and not channels.is_valid_name(pattern.text):
        return Unreachable(f"the channel_regex {regex!r} does not match it", "change one of the two")
    return None


def _contains(pattern: ChannelPattern, text: str) -> bool:
    return any(text in part for part in pattern.parts if isinstance(part, str))


def _min_length(pattern: ChannelPattern) -> int:
    """The bytes of the shortest channel that matches."""
    return sum(
        len(part.encode()) if isinstance(part, str) else _LENGTH_OF_UUID if part.kind == "uuid" else 1
        for part in pattern.parts
    )
