"""A generated configuration, put into an existing one."""

from __future__ import annotations

import copy
from typing import Any, Final

from ..._dispatch.events import EVENTS, Event
from ..._settings.secrets import SECRET_HEADER
from .generate import Options
from .reader import Config, at

_DEFAULTS: Final = ("client.connection_rate_limit", "client.concurrency", "health.enabled", "prometheus.enabled")


def complete(config: Config, ours: Config, options: Options) -> Config:
    """The configuration with ours in it; what is not ours stays as it is, in its place.

    Ours are the proxies of the events and the switches that use them: what is there of them is replaced. What we only
    suggest is written where nothing is.

    :raises ValueError: if something in it has another shape than Centrifugo reads.
    """
    merged, ours = copy.deepcopy(config), copy.deepcopy(ours)
    for path in _DEFAULTS:
        asked = getattr(options, path.rpartition(".")[2], None)
        if asked is None and at(merged, path) is not None:
            section, _, key = path.rpartition(".")
            del ours[section][key]
    _forget(merged, ours, options)
    return _merged(merged, ours, "")


def _forget(config: Config, ours: Config, options: Options) -> None:
    """Take back what was ours and is no more: declared headers, our own headers, switches to our proxies."""
    for event in EVENTS.values():
        name = f"{options.proxy_name}_{event.name}" if options.proxy_name else "default"
        for proxy, mine in [
            (at(config, event.proxy), at(ours, event.proxy)),
            (_find(at(config, "proxies"), name), _find(at(ours, "proxies"), name)),
        ]:
            if isinstance(proxy, dict):
                _forget_of(proxy, mine if isinstance(mine, dict) else {})
        section = event.proxy.partition(".")[0]
        _switch_off(at(config, f"{section}.without_namespace"), at(ours, f"{section}.without_namespace"), event, name)
        for options_of in _list(at(config, f"{section}.namespaces")):
            _switch_off(options_of, _find(at(ours, f"{section}.namespaces"), _name(options_of)), event, name)


def _forget_of(proxy: Config, mine: Config) -> None:
    for key in ("http_headers", "emulated_headers", "include_connection_meta", "binary_encoding"):
        if key in mine and key in proxy:
            proxy[key] = mine[key]
        else:
            proxy.pop(key, None)
    headers, kept = at(proxy, "http.static_headers"), at(mine, "http.static_headers") or {}
    for header in (SECRET_HEADER, "Idempotency-Key"):
        if isinstance(headers, dict) and header not in kept:
            headers.pop(header, None)


def _switch_off(options: Any, mine: Any, event: Event, name: str) -> None:
    if not event.option or at(mine or {}, event.option):
        return
    *parents, key = event.option.split(".")
    for parent in parents:
        options = options.get(parent) if isinstance(options, dict) else None
    name_key = key.replace("_enabled", "_name")
    if isinstance(options, dict) and options.get(name_key, "default") == name:
        options.pop(key, None)
        options.pop(name_key, None)


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _find(items: Any, name: Any) -> Any:
    return next((item for item in _list(items) if _name(item) == name), None)


def _merged(there: Config, ours: Config, path: str) -> Config:
    for key, value in ours.items():
        old: Any = there.get(key)
        where = f"{path}.{key}" if path else key
        if isinstance(value, (dict, list)) and old is not None and type(old) is not type(value):
            wanted = "an object" if isinstance(value, dict) else "a list"
            raise ValueError(f"{where} must be {wanted}, and it is {type(old).__name__}: {str(old)[:60]}")
        if isinstance(value, dict) and isinstance(old, dict):
            there[key] = _merged(old, value, where)
        elif isinstance(value, list) and isinstance(old, list):
            there[key] = _merged_list(old, value, where)
        else:
            there[key] = value
    return there


def _merged_list(there: list[Any], ours: list[Any], path: str) -> list[Any]:
    for item in ours:
        same = (n for n, old in enumerate(there) if _name(old) is not None and _name(old) == _name(item))
        position = next(same, None)
        if position is not None:
            there[position] = _merged(there[position], item, f"{path}[{position}]")
        elif item not in there:
            there.append(item)
    return there


def _name(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else None
