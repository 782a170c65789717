"""Checks of the namespaces: their switches against the hooks, the hooks against the switches, and their names."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Final

from ...._dispatch.events import EVENTS, Event
from ..findings import Finding
from ..names import NAME
from ..reading import read_tree
from ..switches import MAP_ACCESS, MAP_SUBSCRIPTIONS_REFUSED, events_to_switch_on, type_options
from ..tree import Config, set_value, value_at
from .context import Context, Switch
from .options import Options, namespaces_in
from .refusals import refused_in_namespace

_UNKNOWN_NAMESPACE: Final = {"channel": 102, "rpc": 104}
"""The error that clients get for a channel or a method of an unknown namespace."""


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


def map_operation(context: Context, switch: Switch) -> Iterator[Finding]:
    if switch.event.subscription_type == "map":
        text = "Centrifugo v6.9.1 carries out an allowed map operation and reports it to its client as error 107"
        fix = "let clients ignore 107 for maps, or test a newer version"
        yield Finding(id="PH022", path=switch.path, text=text, fix=fix)
    elif switch.event.opens == "subscription" and any(
        _is_for_maps(options) for options in namespaces_in(context.root, "channel") if options.name == switch.namespace
    ):
        text = f"{MAP_SUBSCRIPTIONS_REFUSED}, and it is on here"
        yield Finding(id="PH022", path=switch.path, text=text, fix=f"switch it off, and {MAP_ACCESS}")


SWITCH_CHECKS: Final = (no_endpoint, no_pattern_matches, map_operation)


def namespace_not_defined(context: Context) -> Iterator[Finding]:
    missing: dict[tuple[str, str], list[Event]] = {}
    for event, namespace, options in _served_namespaces(context):
        # No namespace can have a name that Centrifugo refuses.
        if options is None and NAME.fullmatch(namespace):
            missing.setdefault((event.section, namespace), []).append(event)
    with_hooks = {namespace for section, namespace in missing if section == "channel"}
    for namespace in sorted(_published_namespaces(context) - with_hooks):
        text = f"publications are declared for the namespace {namespace!r}, which is not defined: the API answers 102"
        yield Finding(id="PH003", path="channel.namespaces", text=text, fix=f'add {{"name": "{namespace}"}}')
    for (section, namespace), events in missing.items():
        names, code = " and ".join(event.name for event in events), _UNKNOWN_NAMESPACE[section]
        text = f"{names} hooks are in the namespace {namespace!r}, which is not defined: clients get error {code}"
        fix = f'add {{"name": "{namespace}", {_as_written(_switches(events))}}}'
        yield Finding(id="PH003", path=f"{section}.namespaces", text=text, fix=fix)


def hook_never_called(context: Context) -> Iterator[Finding]:
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client" and not context.root.is_on(f"{event.proxy}.enabled"):
            text = f"{name} has a hook, {hooks[0].source_location}, and its proxy is not enabled"
            yield Finding(id="PH004", path=event.proxy, text=text, fix='"enabled": true')
    switched_on = {(switch.event.name, switch.namespace) for switch in context.switches}
    for event, namespace, options in _served_namespaces(context):
        if options is not None and (event.name, namespace) not in switched_on:
            where = _describe(event, namespace)
            if event.opens == "subscription" and _is_for_maps(options):
                text = (
                    f"{event.name} hooks are never called for {where}: {MAP_SUBSCRIPTIONS_REFUSED}, so it is off there"
                )
                yield Finding(id="PH004", path=options.path, text=text, fix=f"remove the hooks, and {MAP_ACCESS}")
                continue
            state = f"{event.option} is off" if event.option else f"subscription_type is not {event.subscription_type}"
            text = f"{event.name} hooks are never called for {where}: {state} there"
            switches = _switches([event], options.values)
            fix = _as_written(switches)
            if obstacle := _obstacle(context, options, switches):
                fix = f"{fix}, but only after this: {obstacle.text}; {obstacle.fix}"
            yield Finding(id="PH004", path=options.path, text=text, fix=fix)


HOOK_CHECKS: Final = (namespace_not_defined, hook_never_called)


def _served_namespaces(context: Context) -> Iterator[tuple[Event, str, Options | None]]:
    """Each event and namespace with hooks, and the namespace's options; ``None`` if it is not defined.

    ``""``: channels or methods without a namespace; a hook for every channel or method counts as one of these.
    """
    for name, hooks in context.backend.hooks_by_event().items():
        event = EVENTS[name]
        if event.section == "client":
            continue
        defined = {options.name: options for options in namespaces_in(context.root, event.section)}
        served = {context.namespace_of(hook) for hook in hooks}
        if None in served and event.name not in {switch.event.name for switch in context.switches}:
            served.add("")
        for namespace in sorted(namespace for namespace in served if namespace is not None):
            yield event, namespace, defined.get(namespace)


def _published_namespaces(context: Context) -> set[str]:
    """The namespaces that are not defined, and that the backend publishes to."""
    defined = {options.name for options in namespaces_in(context.root, "channel")}
    boundary, prefix = context.root.text("channel.namespace_boundary"), context.root.text("channel.private_prefix")
    served = {pattern.namespace_in(boundary, prefix) for pattern in context.backend.publications}
    return {name for name in served - defined if name is not None and NAME.fullmatch(name)}


def _obstacle(context: Context, options: Options, switches: Config) -> Finding | None:
    """What Centrifugo would refuse if the switches were added to the namespace with these options."""
    if not options.path.startswith("channel."):
        return None
    values = copy.deepcopy(options.values)
    typed = read_tree({"channel": {"without_namespace": switches}}, {}).config
    for key, value in typed["channel"]["without_namespace"].items():
        set_value(values, key, value)
    before = refused_in_namespace(context.root, options)
    after = refused_in_namespace(context.root, Options(values, options.path))
    return next((finding for finding in after if finding not in before), None)


def _switches(events: Iterable[Event], existing: Config | None = None) -> Config:
    """The options that switch the events on, without those that the namespace has."""
    events = list(events)
    switches = type_options(events)
    if existing is not None and value_at(existing, "map.mode"):
        switches.pop("map", None)  # a mode that lets entries expire, and another one may not
    for event in events_to_switch_on(events):
        if event.option:
            set_value(switches, event.option, True)
    return _missing(switches, existing or {})


def _missing(wanted: Config, existing: Config) -> Config:
    missing: Config = {}
    for key, value in wanted.items():
        if isinstance(value, dict):
            if below := _missing(value, existing.get(key, {})):
                missing[key] = below
        elif key not in existing or (existing[key] != value and (value is True or key == "subscription_type")):
            missing[key] = value
    return missing


def _as_written(switches: Config) -> str:
    return json.dumps(switches)[1:-1]


def _is_for_maps(options: Options) -> bool:
    return options.text("subscription_type") == "map"


def _describe(event: Event, namespace: str) -> str:
    return f"the namespace {namespace!r}" if namespace else f"{event.routed_on}s without a namespace"
