"""Merges a generated configuration into an existing one."""

from __future__ import annotations

import copy
from typing import Any, Final

from ..._dispatch.events import EVENTS, Event
from ..._settings.secrets import SECRET_HEADER
from .generate import IDEMPOTENCY_HEADER, ConfigOptions
from .reader import Config, value_at

_SUGGESTED: Final = ("client.connection_rate_limit", "client.concurrency", "health.enabled", "prometheus.enabled")
"""Keys that keep the operator's value unless an option sets them."""


def merge(existing: Config, generated: Config, options: ConfigOptions) -> Config:
    """Return the existing configuration with the generated one in it; both stay unchanged.

    The proxies of the events, and the switches that use them, are replaced. Everything else keeps its value and its
    place.

    :param options: those with which *generated* was generated.
    :raises ValueError: if a key of *existing* has an object where Centrifugo reads a list, or the like.
    """
    merged, generated = copy.deepcopy(existing), copy.deepcopy(generated)
    for path in _SUGGESTED:
        section, _, key = path.rpartition(".")
        # A key has the name of its option; `enabled` has none.
        if getattr(options, key, None) is None and value_at(merged, path) is not None:
            del generated[section][key]
    _remove_obsolete(merged, generated, options)
    return merge_objects(merged, generated)


def _remove_obsolete(config: Config, generated: Config, options: ConfigOptions) -> None:
    """Remove from the proxies and switches of the events what an earlier run wrote and this one does not."""
    for event in EVENTS.values():
        name = f"{options.proxy_name}_{event.name}" if options.proxy_name else "default"
        for proxy, generated_proxy in [
            (value_at(config, event.proxy), value_at(generated, event.proxy)),
            (_named(value_at(config, "proxies"), name), _named(value_at(generated, "proxies"), name)),
        ]:
            if isinstance(proxy, dict):
                _clean_proxy(proxy, generated_proxy if isinstance(generated_proxy, dict) else {})
        without, namespaces = f"{event.section}.without_namespace", f"{event.section}.namespaces"
        _switch_off(value_at(config, without), value_at(generated, without), event, name)
        for namespace in _as_list(value_at(config, namespaces)):
            generated_namespace = _named(value_at(generated, namespaces), _name_of(namespace))
            _switch_off(namespace, generated_namespace, event, name)


def _clean_proxy(proxy: Config, generated: Config) -> None:
    for key in ("http_headers", "emulated_headers", "include_connection_meta", "binary_encoding"):
        if key in generated and key in proxy:
            proxy[key] = generated[key]  # a list is replaced; merging would only add to it
        else:
            proxy.pop(key, None)
    headers, generated_headers = value_at(proxy, "http.static_headers"), value_at(generated, "http.static_headers")
    for header in (SECRET_HEADER, IDEMPOTENCY_HEADER):
        if isinstance(headers, dict) and header not in (generated_headers or {}):
            headers.pop(header, None)


def _switch_off(namespace: Any, generated: Any, event: Event, proxy_name: str) -> None:
    """Remove the event's switch from a namespace if it uses our proxy and is not generated."""
    if not event.option or value_at(generated or {}, event.option):
        return
    parent, _, key = event.option.rpartition(".")
    switches = namespace
    if parent:
        switches = value_at(namespace, parent) if isinstance(namespace, dict) else None
    name_key = event.proxy_name_option.rpartition(".")[2]
    if isinstance(switches, dict) and switches.get(name_key, "default") == proxy_name:
        switches.pop(key, None)
        switches.pop(name_key, None)


def merge_objects(existing: Config, generated: Config, path: str = "") -> Config:
    """Merge one object into another, in place; lists are joined, and their objects merged by name."""
    for key, value in generated.items():
        old: Any = existing.get(key)
        key_path = f"{path}.{key}" if path else key
        if isinstance(value, (dict, list)) and old is not None and type(old) is not type(value):
            expected = "an object" if isinstance(value, dict) else "a list"
            raise ValueError(f"{key_path} must be {expected}, not {type(old).__name__}: {str(old)[:60]}")
        if isinstance(value, dict) and isinstance(old, dict):
            existing[key] = merge_objects(old, value, key_path)
        elif isinstance(value, list) and isinstance(old, list):
            existing[key] = _merge_lists(old, value, key_path)
        else:
            existing[key] = value
    return existing


def _merge_lists(existing: list[Any], generated: list[Any], path: str) -> list[Any]:
    for item in generated:
        name = _name_of(item)
        indexes = (index for index, old in enumerate(existing) if name is not None and _name_of(old) == name)
        index = next(indexes, None)
        if index is not None:
            existing[index] = merge_objects(existing[index], item, f"{path}[{index}]")
        elif item not in existing:
            existing.append(item)
    return existing


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(items: Any, name: Any) -> Any:
    """The item of a list that has the name, or ``None``."""
    return next((item for item in _as_list(items) if _name_of(item) == name), None)


def _name_of(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else None
