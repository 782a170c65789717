"""Finds keys and variables of Centrifugo v5 and older, and says where v6 has them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..findings import Finding, once_per_kind
from ..keys import VARIABLE_PREFIX, variable_of
from ..tree import without_indexes
from . import legacy_keys

_PROXY_SECTIONS: Final = re.compile(r"(client\.proxy|channel\.proxy)\.\w+|rpc\.proxy|proxies\[\]")
_SECTIONS_OF_OPTIONS: Final = re.compile(r"channel\.namespaces\[\]|channel\.without_namespace")
_RPC_SECTIONS: Final = re.compile(r"rpc\.namespaces\[\]|rpc\.without_namespace")
_DURATION: Final = re.compile(r".*_(timeout|ttl|interval|delay)|timeout")
_NAMES_A_PROXY: Final = re.compile(r"(subscribe|publish|sub_refresh|subscribe_stream)_proxy_name")

_OBJECTS: Final = ("nats_raw_mode", "nats_tls", "proxy_grpc_tls")
_SWITCHED_ON: Final = 'with "enabled": true beside it'
_BESIDE: Final[dict[str, str]] = {
    "client.proxy.connect.endpoint": _SWITCHED_ON,
    "client.proxy.refresh.endpoint": _SWITCHED_ON,
    "rpc.proxy.endpoint": "with rpc.without_namespace.proxy_enabled: true",
    "rpc.without_namespace.proxy_name": 'with "proxy_enabled": true beside it',
    "broker.nats.url": 'with broker.enabled: true and broker.type: "nats"',
    "grpc.tls.server_ca_pem": "with grpc.tls.enabled: true",
    "engine.redis.address": 'with engine.type: "redis"',
}
"""What else v6 needs for a key in its new place."""


@dataclass(frozen=True, slots=True)
class _OldKey:
    """A key of an older version."""

    version: int
    """The last version that had it."""
    fix: str
    edition: str = "Centrifugo"


def legacy_findings(path: str, key: str, value: object) -> list[Finding]:
    """Return PH012 for a key that v6 does not know and an older version did, and for the keys in its value.

    :param path: where the key is, with the key: ``channel.namespaces[2].proxy_subscribe``.
    """
    old_key = _find(path, key.lower(), value)
    if old_key is None:
        return []
    text = f"{key} is a key of {old_key.edition} v{old_key.version}{_or_older(old_key.version)}, and v6 ignores it"
    finding = Finding(id="PH012", path=path, text=text, fix=old_key.fix)
    return [finding, *once_per_kind(_findings_inside(path, value))]


def variable_in_v6(name: str) -> str | None:
    """Return the variable of v6 for one of an older version, or None if v6 has it too or has none."""
    place = place_in_v6(_key_of(name))
    variable = variable_of(place) if place else None
    return variable if variable != name else None


def variable_fix(name: str) -> str | None:
    """Return what to do about a variable of an older version, or None if it is none."""
    key = _key_of(name)
    variable = variable_in_v6(name)
    if variable is None:
        gone = legacy_keys.GONE.get(key) or legacy_keys.GONE_FROM_NAMESPACES.get(key)
        return f"remove it: {gone[1]}" if gone else None
    if key in legacy_keys.OF_EACH_PROXY:
        return f"set {variable}, and the same for each other proxy"
    if variable.endswith(("PROXY_CONNECT_ENDPOINT", "PROXY_REFRESH_ENDPOINT")):
        return f"set {variable}, with {variable.removesuffix('ENDPOINT')}ENABLED=true"
    return f"set {variable}"


def place_of_value(key: str, value: object) -> str | None:
    """Return the place in v6 that an old key on the top level and its value move to, if the value stays as it is."""
    if key in legacy_keys.SWITCHES or key in legacy_keys.NAMED_PROXIES or key in ("redis_host", "redis_port"):
        return None
    place = place_in_v6(key)
    return place if place is not None and _new_shape(place, value) is None else None


def _key_of(name: str) -> str:
    """Return the key of v5's top level for a path or a variable."""
    return name.removeprefix(VARIABLE_PREFIX).lower()


def place_in_v6(key: str) -> str | None:
    """Return the place in v6 of a key on the top level of an older version; of one of several, the first."""
    return (
        legacy_keys.MOVED.get(key)
        or legacy_keys.SWITCHES.get(key)
        or _below(legacy_keys.NAMED_PROXIES.get(key), "endpoint")
        or _name(legacy_keys.OLDER.get(key))
        or _below("client.proxy.connect", legacy_keys.OF_EACH_PROXY.get(key))
        or _below("channel.without_namespace", _name(legacy_keys.NAMESPACE.get(key)))
        or _place_in_object(key)
    )


def _place_in_object(key: str) -> str | None:
    """Return the place of a key in an object of v5, written as in the name of a variable."""
    for name in _OBJECTS:
        inner = key.removeprefix(f"{name}_")
        if inner != key:
            return _below(place_in_v6(name), legacy_keys.TLS.get(inner, inner) if name.endswith("tls") else inner)
    return None


def _find(path: str, key: str, value: object) -> _OldKey | None:
    section = without_indexes(path)[: -len(key)].removesuffix(".")
    if not section:
        return _top_level_key(key, value)
    if _SECTIONS_OF_OPTIONS.fullmatch(section):
        old_key = _namespace_key(key, value)
    elif _RPC_SECTIONS.fullmatch(section):
        old_key = _rpc_namespace_key(key)
    elif _PROXY_SECTIONS.fullmatch(section):
        old_key = _renamed(5, legacy_keys.PROXY.get(key), value)
    elif section.endswith("tls"):
        old_key = _renamed(5, legacy_keys.TLS.get(key), value)
    elif section == "consumers[]":
        old_key = _OldKey(5, f'write "enabled": {json.dumps(not value)}') if key == "disabled" else None
    else:
        old_key = _renamed(5, legacy_keys.KAFKA.get(key), value) if section == "consumers[].kafka" else None
    return old_key or _misplaced_key(key, value)


def _top_level_key(key: str, value: object) -> _OldKey | None:
    if key in legacy_keys.MOVED:
        return _OldKey(5, _write(legacy_keys.MOVED[key], value))
    if key in legacy_keys.OF_EACH_PROXY:
        name = legacy_keys.OF_EACH_PROXY[key]
        return _OldKey(5, f"{_write(name, value)}, in each proxy, such as client.proxy.connect.{name}")
    if key in legacy_keys.NAMED_PROXIES:
        place = legacy_keys.NAMED_PROXIES[key]
        return _OldKey(5, f"write the endpoint of the proxy {value} as {place}.endpoint, {_SWITCHED_ON}")
    if key in legacy_keys.OLDER:
        version, place = legacy_keys.OLDER[key]
        if key in ("redis_host", "redis_port"):
            return _OldKey(version, f'write {place}: "HOST:PORT", {_BESIDE[place]}')
        return _OldKey(version, _write(place, value))
    if key in legacy_keys.PRO:
        place = legacy_keys.PRO[key]
        return _OldKey(5, f"with Centrifugo PRO v6 write {place}; without PRO remove it", "Centrifugo PRO")
    if key in legacy_keys.GONE:
        version, reason = legacy_keys.GONE[key]
        return _OldKey(version, f"remove it: {reason}")
    # What stood at the top held for channels without a namespace.
    return _namespace_key(key, value, "channel.without_namespace.")


def _namespace_key(key: str, value: object, prefix: str = "") -> _OldKey | None:
    if key in legacy_keys.NAMESPACE:
        version, name = legacy_keys.NAMESPACE[key]
        return _OldKey(version, _write(prefix + name, value))
    if key in legacy_keys.GONE_FROM_NAMESPACES:
        version, reason = legacy_keys.GONE_FROM_NAMESPACES[key]
        return _OldKey(version, f"remove it: {reason}")
    if key in legacy_keys.PRO_NAMESPACE:
        name = legacy_keys.PRO_NAMESPACE[key]
        return _OldKey(5, f"with Centrifugo PRO v6 write {name}; without PRO remove it", "Centrifugo PRO")
    return None


def _rpc_namespace_key(key: str) -> _OldKey | None:
    return _OldKey(5, 'write proxy_name, with "proxy_enabled": true beside it') if key == "rpc_proxy_name" else None


def _renamed(version: int, name: str | None, value: object) -> _OldKey | None:
    return _OldKey(version, _write(name, value)) if name else None


def _misplaced_key(key: str, value: object) -> _OldKey | None:
    """Find a key of v5's top level that stands in a section of v6: ``client.token_issuer``.

    Single words do not count, nor do keys whose last name v6 kept: another place in v6 may be meant.
    """
    last_name = legacy_keys.MOVED.get(key, key).rpartition(".")[2]
    is_distinct = ("_" in key and last_name != key) or key in legacy_keys.OF_EACH_PROXY
    return _top_level_key(key, value) if is_distinct else None


def _findings_inside(path: str, value: object) -> Iterator[Finding]:
    """Yield a finding for each key in an old list of namespaces that has another name in v6."""
    section = {"namespaces": "channel.namespaces", "rpc_namespaces": "rpc.namespaces"}.get(path.lower())
    for index, item in enumerate(value if section and isinstance(value, list) else []):
        for key, member in item.items() if isinstance(item, dict) else ():
            for finding in legacy_findings(f"{section}[{index}].{key}", str(key), member):
                yield replace(finding, path=f"{path}[{index}].{key}")


def _write(place: str, value: object) -> str:
    shape = _new_shape(place, value)
    beside = _BESIDE.get(place) or (_what_namespaces_need(value) if place == "channel.namespaces" else "")
    name = place.rpartition(".")[2]
    if _NAMES_A_PROXY.fullmatch(name):
        beside = f'with "{name.removesuffix("name")}enabled": true beside it'
    return f"write {place}" + (f": {shape}" if shape else "") + (f", {beside}" if beside else "")


def _new_shape(place: str, value: object) -> str | None:
    """Return the value as v6 wants it, if that differs; never a secret."""
    name = place.rpartition(".")[2]
    if _DURATION.fullmatch(name) and not isinstance(value, bool):
        # Until v3 durations were seconds.
        if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            return f'"{int(value)}s"'
        if isinstance(value, float) and math.isfinite(value):
            return f'"{value * 1000:g}ms"'
    if name == "host_whitelist" and isinstance(value, str):
        return json.dumps([host.strip() for host in value.split(",")])
    return None


def _what_namespaces_need(namespaces: object) -> str:
    """Return what namespaces of an older version need in v6, beside their new place and the new names of keys."""
    items = [item for item in namespaces if isinstance(item, dict)] if isinstance(namespaces, list) else []
    keys = {str(key).lower() for item in items for key in item}
    needs = []
    if any(_NAMES_A_PROXY.fullmatch(key) for key in keys):
        needs.append('with "..._proxy_enabled": true beside each "..._proxy_name"')
    is_older_than_v4 = any(version < 4 for key in keys if (version := _last_version(key)))
    if is_older_than_v4 and "allow_subscribe_for_client" not in keys:
        needs.append("with allow_subscribe_for_client: true where any client may subscribe")
    return " and ".join(needs)


def _last_version(key: str) -> int | None:
    """Return the last version that had a key of a namespace, or None if v6 has it."""
    entry = legacy_keys.NAMESPACE.get(key) or legacy_keys.GONE_FROM_NAMESPACES.get(key)
    return entry[0] if entry else None


def _or_older(version: int) -> str:
    return " or older" if version > 2 else ""


def _name(entry: tuple[int, str] | None) -> str | None:
    return entry[1] if entry else None


def _below(section: str | None, name: str | None) -> str | None:
    return f"{section}.{name}" if section and name else None
