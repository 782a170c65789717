"""The configuration of the Centrifugo that a test client stands for."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from .._dispatch.index import Index
from .._flask.extension import ProxyHooks
from ..centrifugo.config.backend import Backend, served_hooks
from ..centrifugo.config.names import NAME, NAME_RULE
from ..centrifugo.config.reading import Reading, read_config, read_tree
from ..centrifugo.config.secrecy import hide_secrets
from ..centrifugo.config.writing import ConfigOptions, generate
from ..centrifugo.decisions import Decisions

_generated: Final[WeakKeyDictionary[Index, dict[tuple[int, frozenset[str]], Decisions]]] = WeakKeyDictionary()
"""The decisions for each index, by the number of its hooks and the namespaces."""
_EVERYTHING: Final = {
    "proxy_enabled": True,
    "subscribe_proxy_enabled": True,
    "publish_proxy_enabled": True,
    "map": {"publish_proxy_enabled": True, "remove_proxy_enabled": True},
}


def decisions_maker(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    namespaces: Collection[str],
    hooks: ProxyHooks | None,
    events: Collection[str],
) -> Callable[[], Decisions]:
    """What returns the decisions of the configuration, or of the one that ``config`` writes for the present hooks.

    :param config: a file, which ``CENTRIFUGO_...`` variables override, or what is in one.
    :param namespaces: those of the option ``--namespace``.
    :param events: the events that have a URL, if there are no hooks.
    :raises ValueError: if *config* cannot be read, or if *namespaces* cannot be defined.
    """
    for name in namespaces:
        if not NAME.fullmatch(name):
            raise ValueError(f"Centrifugo refuses the name {name!r} of a namespace: it must be {NAME_RULE}")
    if namespaces and (hooks is None or config is not None):
        raise ValueError("namespaces are for the configuration that is made of hooks: define them in config")
    if config is None and hooks is not None:
        return functools.partial(_generated_for, hooks, frozenset(namespaces))
    decisions = _everything(events) if config is None else _given(config)
    return lambda: decisions


def _generated_for(hooks: ProxyHooks, namespaces: frozenset[str]) -> Decisions:
    """What the configuration decides that ``config`` writes for the hooks."""
    decisions = _generated.setdefault(hooks.index, {})
    publications = tuple(publication.pattern for publication in hooks.declared_publications)
    key = sum(1 for _ in hooks.index.registrations()) + len(publications), namespaces
    if key not in decisions:
        served = served_hooks(hooks.index)
        backend = Backend(name=hooks.name, url_prefix=hooks.url_prefix, served=served, publications=publications)
        options = ConfigOptions(base_url="http://127.0.0.1", allowed_origins=["*"], namespaces=sorted(namespaces))
        decisions[key] = Decisions(
            generate(backend, options).config,
            "what `flask centrifugo config` writes for these hooks",
            "define it with --namespace {namespace}, and in tests with ProxyClient(namespaces=[{namespace!r}])",
        )
    return decisions[key]


def _given(config: str | os.PathLike[str] | Mapping[str, Any]) -> Decisions:
    if isinstance(config, Mapping):
        return _decisions_of_text(json.dumps(config))
    path = Path(config)
    stat = path.stat()
    variables = frozenset(item for item in os.environ.items() if item[0].startswith("CENTRIFUGO_"))
    return _decisions_of_file(path, (stat.st_mtime_ns, stat.st_size), variables)


@functools.lru_cache(maxsize=32)
def _decisions_of_text(text: str) -> Decisions:
    return _decisions_of(read_tree(json.loads(text), {}), "config", {})


@functools.lru_cache(maxsize=32)
def _decisions_of_file(path: Path, _version: tuple[int, int], variables: frozenset[tuple[str, str]]) -> Decisions:
    environ = dict(variables)
    return _decisions_of(read_config(path, environ), str(path), environ)


def _decisions_of(reading: Reading, source: str, environ: Mapping[str, str]) -> Decisions:
    for finding in hide_secrets(reading.unreadable, reading.config, environ, ()):
        raise ValueError(f"{source}: {finding}")
    return Decisions(reading.config, source, 'add {{"name": "{namespace}"}} to {section}.namespaces')


def _everything(events: Collection[str]) -> Decisions:
    """What Centrifugo decides if each namespace is defined, and each event that has a URL is on in it."""
    options = _EVERYTHING | {"sub_refresh_proxy_enabled": "sub_refresh" in events}
    proxies = {"connect": {"enabled": True}, "refresh": {"enabled": "refresh" in events}}
    config = {
        "client": {"proxy": proxies},
        "channel": {"without_namespace": options},
        "rpc": {"without_namespace": options},
    }
    return Decisions(config, "", "", undefined=options)
