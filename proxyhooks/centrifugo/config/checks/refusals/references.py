"""Options that refer to something that is not there: a proxy, its endpoint, a namespace, a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ....._dispatch.events import EVENTS
from ...findings import Finding
from ...keys import variable_of
from ...names import DEFAULT_PROXY
from ..options import Options, namespaces_in

_POLL_KEY: Final = "shared_poll.hmac_secret_key"


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Options of a namespace that have Centrifugo call a proxy."""

    switch: str
    name: str
    default: str
    """The path of the proxy with the name ``default``."""


CHANNEL_PROXIES: Final = (
    *(
        ProxyOptions(event.option, event.proxy_name_option, event.proxy)
        for event in EVENTS.values()
        if event.section == "channel" and event.option and not event.pro
    ),
    ProxyOptions("subscribe_stream_proxy_enabled", "subscribe_stream_proxy_name", "channel.proxy.subscribe_stream"),
)


def used_proxies(root: Options) -> Iterator[tuple[Options, str]]:
    """The proxies whose options Centrifugo validates, each once for each option that uses it, with its path."""
    for key in ("client.proxy.connect", "client.proxy.refresh"):
        if root.is_on(f"{key}.enabled"):
            yield root.below(key), f"{key}.enabled"
    for proxy in root.each("proxies"):
        yield proxy, proxy.path
    for options in namespaces_in(root, "channel"):
        for use in CHANNEL_PROXIES:
            if options.is_on(use.switch) and options.text(use.name) == DEFAULT_PROXY:
                yield root.below(use.default), options.path_of(use.switch)
        if polls(options) and options.text("shared_poll.proxy_name") in ("", DEFAULT_PROXY):
            yield root.below("channel.proxy.shared_poll_refresh"), options.path_of("subscription_type")


def polls(namespace: Options) -> bool:
    return namespace.text("subscription_type") == "shared_poll"


def no_endpoint(root: Options) -> Iterator[Finding]:
    for proxy, used_by in used_proxies(root):
        if not proxy.text("endpoint"):
            text = f"{proxy.path} has no endpoint, so Centrifugo does not start"
            yield Finding(id="PH018", path=used_by, text=text, fix=f"set {proxy.path}.endpoint")


def no_timeout(root: Options) -> Iterator[Finding]:
    """A zero in the file means the default, and one in a variable of the proxy means zero."""
    for proxy in {proxy.path: proxy for proxy, _ in used_proxies(root)}.values():
        if not proxy.duration("timeout"):
            text = f"the timeout of {proxy.path} is zero, so Centrifugo does not start"
            yield Finding(id="PH031", path=proxy.path_of("timeout"), text=text, fix="set the variable to 3s")


def no_such_proxy(root: Options) -> Iterator[Finding]:
    defined = [proxy.name for proxy in root.each("proxies")]
    for options in namespaces_in(root, "channel"):
        keys = [use.name for use in CHANNEL_PROXIES] + ["shared_poll.proxy_name"] * polls(options)
        for key in keys:
            yield from _check_proxy_name(options, key, defined)
    for options in namespaces_in(root, "rpc"):
        yield from _check_proxy_name(options, "proxy_name", defined)


def _check_proxy_name(options: Options, key: str, defined: list[str]) -> Iterator[Finding]:
    name = options.text(key)
    if name and name != DEFAULT_PROXY and name not in defined:
        text = f"there is no proxy named {name!r} in proxies, so Centrifugo does not start"
        fix = f"define it there, or use one of {', '.join(sorted(defined))}" if defined else "define it there"
        yield Finding(id="PH018", path=options.path_of(key), text=text, fix=fix)


def no_personal_namespace(root: Options) -> Iterator[Finding]:
    personal = root.below("client.subscribe_to_user_personal_channel")
    name = personal.text("personal_channel_namespace")
    if personal.is_on("enabled") and name and name not in _namespace_names(root):
        yield Finding(
            id="PH031",
            path=personal.path_of("personal_channel_namespace"),
            text=f"there is no namespace named {name!r}, so Centrifugo does not start",
            fix=f'add {{"name": "{name}"}} to channel.namespaces',
        )


def no_presence_namespace(root: Options) -> Iterator[Finding]:
    """The channel of a presence map must be in a namespace whose subscription_type is that kind of map."""
    boundary = root.text("channel.namespace_boundary")
    names = _namespace_names(root)
    by_name = {namespace.name: namespace for namespace in reversed([*root.each("channel.namespaces")])}
    by_name[""] = without = root.below("channel.without_namespace")
    for options in namespaces_in(root, "channel"):
        for kind in ("map_clients", "map_users"):
            key = f"{kind}_presence_channel_prefix"
            prefix = options.text(key)
            name, found, _ = prefix.partition(boundary)
            target = by_name.get(name if found else "")
            if not prefix:
                continue
            if target is None:
                text = f"{prefix!r} is in the namespace {name!r}, which is not defined, so Centrifugo does not start"
                fix = f'add {{"name": "{name}", "subscription_type": "{kind}", ...}} to channel.namespaces'
            elif target.text("subscription_type") != kind:
                text = f"{prefix!r} is in {target.path}, whose subscription_type is not {kind}: Centrifugo refuses that"
                fix = f'"subscription_type": "{kind}" in {target.path}, or another prefix'
            elif options.path != without.path and (name if found else f"{prefix}x") not in names:
                # In namespaces, Centrifugo v6.9.1 reads a prefix without a boundary as a name, with a letter added.
                text = f"{prefix!r} has no namespace, and Centrifugo refuses that here"
                fix = f"begin it with the name of a namespace for {kind}, and {boundary}"
            else:
                continue
            yield Finding(id="PH031", path=options.path_of(key), text=text, fix=fix)


def _namespace_names(root: Options) -> list[str]:
    return [namespace.name for namespace in root.each("channel.namespaces")]


def no_poll_key(root: Options) -> Iterator[Finding]:
    if any(map(polls, namespaces_in(root, "channel"))) and not root.text(_POLL_KEY):
        yield Finding(
            id="PH031",
            path=_POLL_KEY,
            text="a namespace has shared polls, and the key that signs them is not set: Centrifugo does not start",
            fix=f"set the variable {variable_of(_POLL_KEY)}",
        )


REFERENCE_CHECKS: Final = (
    no_endpoint,
    no_timeout,
    no_such_proxy,
    no_personal_namespace,
    no_presence_namespace,
    no_poll_key,
)
