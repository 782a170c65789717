"""Checks of the namespaces: their switches against the hooks, the hooks against the switches, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...._dispatch.events import EVENTS, Event
from ..findings import Finding
from ..names import NAME
from .context import Context, Switch
from .options import namespaces_in


def no_endpoint(context: Context, switch: Switch) -> Iterator[Finding]:
    """Only the default proxy of methods: Centrifugo itself refuses the others if they have no endpoint."""
    proxy = context.root.below(switch.event.proxy)
    if switch.event.section == "rpc" and switch.uses_default_proxy and not proxy.text("endpoint"):
        text = f"{switch.event.name} is switched on, and {proxy.path} has no endpoint: every call fails"
        yield Finding(id="PH018", path=switch.path, text=text, fix=context.endpoint_fix(switch.event))


def no_pattern_matches(context: Context, switch: Switch) -> Iterator[Finding]:
    served = [context.namespace_of(hook) for hook in context.backend.hooks_by_event().get(switch.event.name, [])]
    if served and switch.namespace not in served and None not in served:
        where = _describe(switch.event, switch.namespace)
        text = f"{switch.event.name} is switched on for {where}, and no hook has a pattern there: every call is refused"
        yield Finding(id="PH002", path=switch.path, text=text, fix="write a hook, or switch the event off")


def map_operation(_: Context, switch: Switch) -> Iterator[Finding]:
    if switch.event.subscription_type == "map":
        text = "Centrifugo v6.9.1 carries out an allowed map operation and reports it to its client as error 107"
        fix = "let clients ignore 107 for maps, or test a newer version"
        yield Finding(id="PH022", path=switch.path, text=text, fix=fix)


SWITCH_CHECKS: Final = (no_endpoint, no_pattern_matches, map_operation)


def namespace_not_defined(context: Context) -> Iterator[Finding]:
    for event, namespace, is_defined in _served_namespaces(context):
        # No namespace can have a name that Centrifugo refuses.
        if not is_defined and NAME.fullmatch(namespace):
            text = f"{event.name} hooks are in the namespace {namespace!r}, which is not defined: clients get error 102"
            fix = f'add {{"name": "{namespace}", {_switch_as_written(event)}}}'
            yield Finding(id="PH003", path=f"{event.section}.namespaces", text=text, fix=fix)


def hook_never_called(context: Context) -> Iterator[Finding]:
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client" and not context.root.is_on(f"{event.proxy}.enabled"):
            text = f"{name} has a hook, {hooks[0].source_location}, and its proxy is not enabled"
            yield Finding(id="PH004", path=event.proxy, text=text, fix='"enabled": true')
    switched_on = {(switch.event.name, switch.namespace) for switch in context.switches}
    for event, namespace, is_defined in _served_namespaces(context):
        if is_defined and (event.name, namespace) not in switched_on:
            state = f"{event.option} is off" if event.option else f"subscription_type is not {event.subscription_type}"
            text = f"{event.name} hooks are never called for {_describe(event, namespace)}: {state} there"
            yield Finding(id="PH004", path=f"{event.section}.namespaces", text=text, fix=_switch_as_written(event))


HOOK_CHECKS: Final = (namespace_not_defined, hook_never_called)


def _served_namespaces(context: Context) -> Iterator[tuple[Event, str, bool]]:
    """Each event and namespace with hooks, and whether the namespace is defined.

    ``""``: channels or methods without a namespace; a hook for every channel or method counts as one of these.
    """
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client":
            continue
        defined = {options.name for options in namespaces_in(context.root, event.section)}
        served = {context.namespace_of(hook) for hook in hooks}
        if None in served and event.name not in {switch.event.name for switch in context.switches}:
            served.add("")
        for namespace in sorted(namespace for namespace in served if namespace is not None):
            yield event, namespace, namespace in defined


def _switch_as_written(event: Event) -> str:
    """The option that switches an event on, as it is written into a namespace."""
    return f'"{event.option}": true' if event.option else f'"subscription_type": "{event.subscription_type}"'


def _describe(event: Event, namespace: str) -> str:
    return f"the namespace {namespace!r}" if namespace else f"{event.routed_on}s without a namespace"
