"""The contract as JSON: what the front end needs to know of the hooks.

:func:`contract_of` returns an object with these keys:

- each event with payloads, such as ``rpc`` and ``subscribe``: by method or channel pattern (``*`` without one) the JSON
  Schemas of what clients send (``data``) and receive (``result``); ``connect`` has one pair and no patterns;
- ``publications``: by channel pattern the JSON Schema of what clients receive on the channels: what the backend
  declares, and what the hooks for publish and map_publish of the same pattern let clients publish;
- ``channels`` and ``methods``: the channel patterns, and the method patterns with variables;
- ``errors`` and ``disconnects``: Centrifugo's codes and those of the application;
- ``$defs``: the schemas that others refer to.

``null`` in place of a JSON Schema means any value: there is no marshmallow schema. The ``meta`` of connections is left
out, because clients never see it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .. import disconnects, errors
from .._dispatch.events import EVENTS
from .._dispatch.patterns import ChannelPattern
from .._flask.extension import ProxyHooks
from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal
from ..exceptions import Disconnect, Error
from .definitions import JsonSchemas


def contract_of(hooks: ProxyHooks) -> dict[str, Any]:
    """The contract of these hooks, with all codes of :func:`own_codes`.

    :raises SetupError: if a nested schema does not exist.
    """
    schemas = JsonSchemas()
    contract: dict[str, Any] = {event.name: {} for event in EVENTS.values() if event.request_has_data}
    patterns: dict[str, set[str]] = {"channel": set(), "method": set()}
    registrations = hooks.index.registrations()
    for registration in sorted(registrations, key=lambda r: (r.hook.event.name, r.pattern.text if r.pattern else "")):
        hook, pattern = registration.hook, registration.pattern
        event = hook.event
        if pattern is not None and event.routed_on is not None:
            patterns[event.routed_on].add(pattern.text)
        if not event.request_has_data:
            continue
        payloads = {"data": schemas.reference(hook.data_schema, "load")}
        if event.result_has_data:
            payloads["result"] = schemas.reference(hook.result_schema, "dump")
        if event.routed_on is None:
            contract[event.name] = payloads
        else:
            contract[event.name][pattern.text if pattern else "*"] = payloads
    contract["publications"] = _publications(hooks, contract, schemas)
    patterns["channel"].update(contract["publications"])
    contract["channels"] = sorted(patterns["channel"])
    contract["methods"] = sorted(text for text in patterns["method"] if ChannelPattern(text).variables)
    contract["errors"], contract["disconnects"] = _errors(), _disconnects()
    contract["$defs"] = schemas.definitions()
    return contract


def _publications(hooks: ProxyHooks, contract: dict[str, Any], schemas: JsonSchemas) -> dict[str, Any]:
    """What clients receive on the channels of each pattern, for the patterns where that is known in part at least.

    A hook without a ``result_schema`` may publish anything.
    """
    kinds: dict[str, list[Any]] = {}
    for publication in hooks.declared_publications:
        kinds[publication.pattern.text] = [schemas.reference(schema, "dump") for schema in publication.schemas]
    for event in ("publish", "map_publish"):
        for pattern, payloads in contract[event].items():
            if pattern != "*" and (pattern in kinds or payloads["result"] is not None):
                kinds.setdefault(pattern, []).append(payloads["result"])
    return {pattern: _any_of(kinds[pattern]) for pattern in sorted(kinds)}


def _any_of(kinds: list[Any]) -> Any:
    if None in kinds:
        return None
    different = [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def own_codes() -> list[Any]:
    """The application's loaded classes of errors and disconnects that have a code, sorted by module and name."""
    classes: dict[str, Any] = {}
    todo: list[Any] = [Error, Disconnect]
    while todo:
        cls = todo.pop()
        todo.extend(cls.__subclasses__())
        # After a reload of its module, the old class is still a subclass. Only the current class counts.
        current = getattr(sys.modules.get(cls.__module__), cls.__qualname__, cls)
        has_code = isinstance(getattr(cls, "code", None), int)
        if not cls.__module__.startswith("proxyhooks.") and current is cls and has_code:
            classes[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return [classes[name] for name in sorted(classes)]


def _errors() -> dict[str, Any]:
    own = [cls for cls in own_codes() if issubclass(cls, Error)]
    return {
        name: {"code": cls.code, "message": cls.message, "temporary": bool(cls.temporary)}
        for name, cls in _with_unique_names([*map(errors.by_code, ERRORS), *own])
    }


def _disconnects() -> dict[str, Any]:
    own = [cls for cls in own_codes() if issubclass(cls, Disconnect)]
    return {
        name: {"code": cls.code, "reason": cls.reason, "terminal": disconnect_is_terminal(cls.code)}
        for name, cls in _with_unique_names([*map(disconnects.by_code, DISCONNECTS), *own])
    }


def _with_unique_names(classes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each class with its name; with a number if an earlier class has the name."""
    taken: set[str] = set()
    for cls in classes:
        name, number = cls.__name__, 2
        while name in taken:
            name, number = f"{cls.__name__}{number}", number + 1
        taken.add(name)
        yield name, cls
