"""Every key of Centrifugo's configuration, with its type and its default.

``keys.json`` has them as Centrifugo's own documentation of its configuration names them; the events say which keys
Centrifugo PRO has besides.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, Literal, TypeAlias

from ..._dispatch.events import EVENTS
from ..go.duration import read_duration
from .tree import value_at

Kind: TypeAlias = Literal["bool", "int", "string", "duration", "strings", "headers", "object", "objects"]
Keys: TypeAlias = Mapping[str, "Key"]
"""The keys of an object by their names."""

_KINDS: Final[dict[str, tuple[Kind, int]]] = {
    "bool": ("bool", 0),
    "int": ("int", 64),
    "int32": ("int", 32),
    "int64": ("int", 64),
    "uint32": ("int", -32),
    "string": ("string", 0),
    "PEMData": ("string", 0),
    "Duration": ("duration", 64),
    "[]string": ("strings", 0),
    "[]centrifuge.DeltaType": ("strings", 0),
    "MapStringString": ("headers", 0),
}
VARIABLE_PREFIX: Final = "CENTRIFUGO_"
NAMED: Final = ("channel.namespaces", "rpc.namespaces", "proxies", "consumers")
"""Lists whose items have a name and, under that name, environment variables of their own."""
PRO_KEYS: Final = frozenset(
    key.rpartition(".")[2]
    for event in EVENTS.values()
    if event.pro
    for key in (event.proxy, event.option, event.proxy_name_option)
)
"""The last names of keys that only Centrifugo PRO has."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object."""

    type: str
    """Centrifugo's word for it, such as ``uint32`` or ``TLSConfig``."""
    kind: Kind
    bits: int
    """Of an integer; negative if it has no sign."""
    default: str | None

    def means_default(self, value: Any) -> bool:
        """Whether Centrifugo takes a value of the file for unset: a zero value of a key that has a default."""
        return not value and self.default is not None and self.kind not in ("strings", "headers", "objects")

    @property
    def keys(self) -> Keys:
        """The keys of the object, or of each object in the list."""
        return _keys_of(self.type)

    @property
    def typed_default(self) -> Any:
        """The default as a value of the key's type; the zero value of the type if Centrifugo sets none."""
        default = self.default or ""
        match self.kind:
            case "bool":
                return default == "true"
            case "int":
                return int(default or 0)
            case "duration":
                return read_duration(default or "0")
            case "strings":
                return default.split()
            case "objects":
                return []
            case "headers" | "object":
                return {}
            case _:
                return default


@cache
def _types() -> dict[str, dict[str, str]]:
    text = importlib.resources.files(__name__.rpartition(".")[0]).joinpath("keys.json").read_text(encoding="utf-8")
    types: dict[str, dict[str, str]] = json.loads(text)["types"]
    for event in EVENTS.values():
        if event.pro and event.option:
            types["ChannelProxyContainer"][event.proxy.rpartition(".")[2]] = "Proxy object"
            for options in ("ChannelOptions", "ChannelNamespace"):
                types[options] |= {event.option: "bool", event.proxy_name_option: "string = default"}
    return types


@cache
def _keys_of(type_: str) -> Keys:
    return {name: _read_key(text) for name, text in _types().get(type_, {}).items()}


def _read_key(text: str) -> Key:
    type_, _, default = text.partition(" = ")
    name = type_.removesuffix(" object")
    if name in _KINDS:
        kind, bits = _KINDS[name]
    else:
        kind, bits = ("objects" if name.startswith("[]") else "object"), 0
    return Key(name.removeprefix("[]"), kind, bits, default or None)


def root_keys() -> Keys:
    """The keys on the top level."""
    return _keys_of("Config")


def key_at(path: str) -> Key | None:
    """The key at a path such as ``channel.namespaces[2].name``, or ``None`` if there is no such key."""
    return _key_at(re.sub(r"\[[^]]*\]", "", path))


@lru_cache(maxsize=4096)
def _key_at(path: str) -> Key | None:
    keys, key = root_keys(), None
    for name in path.split("."):
        key = keys.get(name)
        if key is None:
            return None
        keys = key.keys
    return key


def default_of(path: str) -> Any:
    """Centrifugo's default for the key at a path; the zero value of its type if it sets none.

    :raises KeyError: if Centrifugo has no such key.
    """
    key = key_at(path)
    if key is None:
        raise KeyError(path)
    return key.typed_default


def setting(config: Mapping[str, Any], path: str, *, within: str = "") -> Any:
    """The value that Centrifugo uses for the key at a path: the one in the typed tree, else the default.

    :param within: where *config* is in the configuration, such as ``channel.namespaces[]``.
    :raises KeyError: if Centrifugo has no such key.
    """
    value = value_at(config, path)
    return default_of(f"{within}.{path}" if within else path) if value is None else value


def variable_of(path: str) -> str:
    """The environment variable for the key at a path without lists."""
    return f"{VARIABLE_PREFIX}{path.replace('.', '_')}".upper()


def variables(keys: Keys, prefix: str = VARIABLE_PREFIX) -> Iterator[tuple[str, tuple[str, ...], Key]]:
    """Each variable of these keys, with the path of its key."""
    for name, key in keys.items():
        variable = f"{prefix}{name}".upper()
        if key.kind == "object":
            for inner, path, inner_key in variables(key.keys, f"{variable}_"):
                yield inner, (name, *path), inner_key
        else:
            yield variable, (name,), key


def paths_of(keys: Keys, prefix: str = "") -> Iterator[tuple[str, Key]]:
    """The path of each key, at any depth; ``[]`` stands for an item of a list."""
    for name, key in keys.items():
        path = f"{prefix}{name}"
        yield path, key
        if key.kind in ("object", "objects"):
            yield from paths_of(key.keys, f"{path}." if key.kind == "object" else f"{path}[].")
