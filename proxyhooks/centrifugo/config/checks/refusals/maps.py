"""Options for maps that Centrifugo refuses: each mode allows and needs others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ....go.duration import Duration
from ...channels import MAP_TYPES
from ...findings import Finding
from ..options import ZERO, Options
from .conflicts import NamespaceCheck
from .refusal import SECOND, refusal

_WITH_EXPIRY: Final = ("ephemeral", "recoverable")
_WITH_STREAM: Final = ("recoverable", "persistent")
_DEFAULT_STREAM_TTL: Final = Duration(60 * SECOND)


def _is_map(namespace: Options) -> bool:
    return namespace.text("subscription_type") in MAP_TYPES


def map_without_mode(_: Options, namespace: Options) -> Iterator[Finding]:
    if _is_map(namespace) and not namespace.text("map.mode"):
        kind = namespace.text("subscription_type")
        yield refusal(namespace, "map.mode", f"the subscription_type {kind} needs a mode", '"mode": "ephemeral"')


def key_ttl_and_mode(_: Options, namespace: Options) -> Iterator[Finding]:
    mode, ttl = namespace.text("map.mode"), namespace.duration("map.key_ttl")
    if mode in _WITH_EXPIRY and ttl <= ZERO:
        text = f"the map mode {mode} needs a positive key_ttl"
        yield refusal(namespace, "map.key_ttl", text, '"key_ttl": "1h"')
    elif mode == "persistent" and ttl != ZERO:
        text = "the keys of persistent maps do not expire, so they have no key_ttl"
        yield refusal(namespace, "map.key_ttl", text, "remove key_ttl, or choose another mode")


def persistent_presence(_: Options, namespace: Options) -> Iterator[Finding]:
    kind = namespace.text("subscription_type")
    if namespace.text("map.mode") == "persistent" and kind in ("map_clients", "map_users"):
        text = f"the subscription_type {kind} needs keys that expire, and those of persistent maps do not"
        yield refusal(namespace, "map.mode", text, '"mode": "ephemeral", "key_ttl": "60s"')


def stream_of_an_ephemeral_map(_: Options, namespace: Options) -> Iterator[Finding]:
    if namespace.text("map.mode") != "ephemeral":
        return
    is_set = {
        "stream_size": namespace.number("map.stream_size") > 0,
        "stream_ttl": namespace.duration("map.stream_ttl") != ZERO,
        "meta_ttl": namespace.duration("map.meta_ttl") != ZERO,
    }
    for key in (key for key, value in is_set.items() if value):
        text = f"ephemeral maps have no stream, and {key} is set"
        yield refusal(namespace, f"map.{key}", text, f'remove {key}, or "mode": "recoverable"')


def stream_limits(_: Options, namespace: Options) -> Iterator[Finding]:
    if namespace.text("map.mode") not in _WITH_STREAM:
        return
    if namespace.number("map.stream_size") < 0:
        yield refusal(namespace, "map.stream_size", "stream_size is negative", '"stream_size": 100')
    stream_ttl, meta_ttl = namespace.duration("map.stream_ttl"), namespace.duration("map.meta_ttl")
    for key, ttl in (("map.stream_ttl", stream_ttl), ("map.meta_ttl", meta_ttl)):
        if ttl < ZERO:
            yield refusal(namespace, key, f"{ttl} is negative", "write a positive duration")
    needed = stream_ttl if stream_ttl != ZERO else _DEFAULT_STREAM_TTL
    if ZERO < meta_ttl < needed:
        text = f"a meta_ttl of {meta_ttl} is shorter than the stream_ttl of {needed}"
        yield refusal(namespace, "map.meta_ttl", text, f'"meta_ttl": "{needed}"')


def removal_without_map(_: Options, namespace: Options) -> Iterator[Finding]:
    if namespace.is_on("map.remove_client_on_unsubscribe") and not _is_map(namespace):
        text = "remove_client_on_unsubscribe needs a subscription_type for maps"
        yield refusal(namespace, "map.remove_client_on_unsubscribe", text, '"subscription_type": "map"')


def client_key_beside_proxy(_: Options, namespace: Options) -> Iterator[Finding]:
    for key in ("map.publish_proxy_enabled", "map.remove_proxy_enabled"):
        if namespace.text("map.client_key") and namespace.is_on(key):
            text = f"client_key cannot be set beside {key}: the hook chooses the keys"
            yield refusal(namespace, "map.client_key", text, "remove client_key, or switch the proxy off")


def page_sizes(_: Options, namespace: Options) -> Iterator[Finding]:
    sizes = {name: namespace.number(f"map.{name}_page_size") for name in ("min", "default", "max")}
    for name, size in sizes.items():
        if size < 0:
            yield refusal(namespace, f"map.{name}_page_size", f"{size} is negative", "write a positive number")
    for smaller, larger in (("min", "default"), ("default", "max"), ("min", "max")):
        if sizes[smaller] > sizes[larger] > 0:
            text = f"{smaller}_page_size, {sizes[smaller]}, is more than {larger}_page_size, {sizes[larger]}"
            yield refusal(namespace, f"map.{smaller}_page_size", text, f"write at most {sizes[larger]}")


MAP_CHECKS: Final[tuple[NamespaceCheck, ...]] = (
    map_without_mode,
    key_ttl_and_mode,
    persistent_presence,
    stream_of_an_ephemeral_map,
    stream_limits,
    removal_without_map,
    client_key_beside_proxy,
    page_sizes,
)
