"""Options of a namespace that Centrifugo refuses next to each other: history, recovery, proxies, shared polls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ....go.duration import Duration
from ....go.regex import problem_in_go
from ...findings import Finding
from ...keys import default_of
from ..options import ZERO, Options
from .references import polls
from .refusal import refusal, whole_seconds

NamespaceCheck: TypeAlias = Callable[[Options, Options], Iterator[Finding]]
"""A check of the configuration as a whole and of one namespace in it."""


def fraction_of_a_second(_: Options, namespace: Options) -> Iterator[Finding]:
    for key in ("history_ttl", "history_meta_ttl"):
        yield from whole_seconds(namespace, key)


def half_a_history(_: Options, namespace: Options) -> Iterator[Finding]:
    has_size, has_ttl = namespace.number("history_size") != 0, namespace.duration("history_ttl") != ZERO
    if has_size and not has_ttl:
        text = "history_size is set without history_ttl, and a history needs both"
        yield refusal(namespace, "history_size", text, '"history_ttl": "300s"')
    elif has_ttl and not has_size:
        text = "history_ttl is set without history_size, and a history needs both"
        yield refusal(namespace, "history_ttl", text, '"history_size": 100')


def history_outlives_its_meta(root: Options, namespace: Options) -> Iterator[Finding]:
    own, everywhere = namespace.duration("history_meta_ttl"), root.duration("channel.history_meta_ttl")
    ttl, meta = namespace.duration("history_ttl"), own if own != ZERO else everywhere
    if meta < ttl:
        text = f"a history_ttl of {ttl} is longer than the history_meta_ttl of {meta}"
        usual: Duration = default_of("channel.history_meta_ttl")
        fix = f'"history_meta_ttl": "{max(ttl, usual)}", or a shorter history_ttl'
        yield refusal(namespace, "history_ttl", text, fix)


def recovery_without_history(_: Options, namespace: Options) -> Iterator[Finding]:
    has_history = namespace.number("history_size") != 0 and namespace.duration("history_ttl") != ZERO
    if namespace.is_on("force_recovery") and not has_history:
        text = "force_recovery needs history_size and history_ttl"
        yield refusal(namespace, "force_recovery", text, '"history_size": 100, "history_ttl": "300s"')


def cache_recovery_in_another_mode(_: Options, namespace: Options) -> Iterator[Finding]:
    in_cache_mode = namespace.is_on("force_recovery") and namespace.text("force_recovery_mode") == "cache"
    if namespace.is_on("auto_cache_recover") and not in_cache_mode:
        text = "auto_cache_recover needs force_recovery, and cache as its mode"
        yield refusal(namespace, "auto_cache_recover", text, '"force_recovery": true, "force_recovery_mode": "cache"')


def stream_beside_other_proxies(_: Options, namespace: Options) -> Iterator[Finding]:
    others = ("subscribe_proxy_enabled", "publish_proxy_enabled", "sub_refresh_proxy_enabled")
    on = [key for key in others if namespace.is_on(key)]
    if namespace.is_on("subscribe_stream_proxy_enabled") and on:
        text = f"subscribe_stream_proxy_enabled cannot be on beside {' and '.join(on)}"
        yield refusal(namespace, "subscribe_stream_proxy_enabled", text, "switch one of the two off")


def polls_without_versions(_: Options, namespace: Options) -> Iterator[Finding]:
    mode = namespace.text("shared_poll.mode")
    if polls(namespace) and namespace.is_on("shared_poll.publish_enabled") and mode in ("", "versionless"):
        text = "shared_poll.publish_enabled needs versions"
        yield refusal(namespace, "shared_poll.publish_enabled", text, '"mode": "versioned"')


def malformed_regex(_: Options, namespace: Options) -> Iterator[Finding]:
    regex = namespace.text("channel_regex")
    if regex and (problem := problem_in_go(regex)):
        text = f"{regex!r} is no regular expression of Go ({problem})"
        yield refusal(namespace, "channel_regex", text, "write it with the syntax of RE2")


NAMESPACE_CONFLICTS: Final[tuple[NamespaceCheck, ...]] = (
    fraction_of_a_second,
    half_a_history,
    history_outlives_its_meta,
    recovery_without_history,
    cache_recovery_in_another_mode,
    stream_beside_other_proxies,
    polls_without_versions,
    malformed_regex,
)
