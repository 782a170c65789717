"""Checks of the namespaces: their switches against the hooks, the hooks against the switches, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...._dispatch.events import EVENTS, Event
from ..findings import Finding
from ..reader import NAME, NAME_RULE, objects_at, value_at
from .context import Context, Switch


def proxy_not_defined(context: Context, switch: Switch) -> Iterator[Finding]:
    if switch.uses_default_proxy:
        if not value_at(context.config, f"{switch.event.proxy}.endpoint"):
            text = f"{switch.event.name} is switched on, and {switch.event.proxy} has no endpoint"
            yield Finding(id="PH018", path=switch.path, text=text, fix=f"configure {switch.event.proxy}")
        return
    defined = {str(proxy.get("name")) for _, proxy in objects_at(context.config, "proxies")}
    if switch.proxy_name not in defined:
        text = f"there is no proxy named {switch.proxy_name!r} in proxies"
        fix = f"define it there, or use one of {', '.join(sorted(defined))}" if defined else "define it there"
        yield Finding(id="PH018", path=switch.path, text=text, fix=fix)


def no_pattern_matches(context: Context, switch: Switch) -> Iterator[Finding]:
    served = [hook.namespace for hook in context.backend.hooks_by_event().get(switch.event.name, [])]
    if served and switch.namespace not in served and None not in served:
        where = _describe(switch.event, switch.namespace)
        text = f"{switch.event.name} is switched on for {where}, and no hook has a pattern there: every call is refused"
        yield Finding(id="PH002", path=switch.path, text=text, fix="write a hook, or switch the event off")


def map_operation(_: Context, switch: Switch) -> Iterator[Finding]:
    if switch.event.subscription_type == "map":
        text = "Centrifugo v6.9.1 carries out an allowed map operation and reports it to its client as error 107"
        fix = "let clients ignore 107 for maps, or test a newer version"
        yield Finding(id="PH022", path=switch.path, text=text, fix=fix)


SWITCH_CHECKS: Final = (proxy_not_defined, no_pattern_matches, map_operation)


def namespace_not_defined(context: Context) -> Iterator[Finding]:
    for event, namespace, is_defined in _served_namespaces(context):
        if not is_defined:
            text = f"{event.name} hooks are in the namespace {namespace!r}, which is not defined: clients get error 102"
            fix = f'add {{"name": "{namespace}", "{event.option}": true}}'
            yield Finding(id="PH003", path=f"{event.section}.namespaces", text=text, fix=fix)


def hook_never_called(context: Context) -> Iterator[Finding]:
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client" and not value_at(context.config, f"{event.proxy}.enabled"):
            text = f"{name} has a hook, {hooks[0].source_location}, and its proxy is not enabled"
            yield Finding(id="PH004", path=event.proxy, text=text, fix='"enabled": true')
    switched_on = {(switch.event.name, switch.namespace) for switch in context.switches}
    for event, namespace, is_defined in _served_namespaces(context):
        if is_defined and event.option and (event.name, namespace) not in switched_on:
            text = f"{event.name} hooks are never called for {_describe(event, namespace)}: {event.option} is off there"
            yield Finding(id="PH004", path=f"{event.section}.namespaces", text=text, fix=f'"{event.option}": true')


def invalid_name(context: Context) -> Iterator[Finding]:
    for path in ("channel.namespaces", "rpc.namespaces", "proxies"):
        for index, item in objects_at(context.config, path):
            name = item.get("name")
            if not isinstance(name, str) or not NAME.fullmatch(name):
                text = f"Centrifugo refuses the name {name!r}: it must be {NAME_RULE}"
                yield Finding(id="PH016", path=f"{path}[{index}].name", text=text, fix="choose another name")


HOOK_CHECKS: Final = (namespace_not_defined, hook_never_called, invalid_name)


def _served_namespaces(context: Context) -> Iterator[tuple[Event, str, bool]]:
    """Each event and namespace with hooks, and whether the namespace is defined.

    ``""``: channels or methods without a namespace; a hook for every channel or method counts as one of these.
    """
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client":
            continue
        defined = {namespace for _, namespace, _ in context.namespaces(event.section)}
        for namespace in sorted({hook.namespace or "" for hook in hooks}):
            yield event, namespace, namespace in defined


def _describe(event: Event, namespace: str) -> str:
    return f"the namespace {namespace!r}" if namespace else f"{event.routed_on}s without a namespace"
