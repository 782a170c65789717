"""What the front end has to know of the hooks: payloads, channels, codes.

:func:`contract_of` gives it as JSON: ``rpc``, ``publish``, ``map_publish``, ``subscribe`` and ``connect`` with the JSON
Schema of what clients send (``data``) and get (``result``), by method or channel pattern; ``meta``; the ``channels``
and ``methods`` that have variables; ``errors`` and ``disconnects``, the built-in codes and the application's own; and
``$defs``, which the schemas refer to. A schema that is a function, or none, is ``null``: anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final, Literal

from marshmallow import Schema, fields

from .. import disconnects, errors
from .._dispatch.index import Index
from .._dispatch.patterns import ChannelPattern
from .._flask.extension import ProxyHooks
from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal
from ..exceptions import Disconnect, Error

_PAYLOADS: Final = ("connect", "subscribe", "publish", "rpc", "map_publish")
_REFERENCE: Final = "#/components/schemas/"
Side = Literal["load", "dump"]


def contract_of(hooks: ProxyHooks) -> dict[str, Any]:
    """The contract as a JSON object; the same hooks give the same one."""
    schemas = _Schemas()
    routes = sorted(Index(hooks).routes(), key=lambda found: (found[0].name, found[1] or ""))
    contract: dict[str, Any] = {name: {} for name in _PAYLOADS}
    patterns: dict[str, set[str]] = {"channel": set(), "method": set()}
    for event, pattern, route in routes:
        if pattern is not None and event.routed_on is not None:
            patterns[event.routed_on].add(pattern)
        if event.name not in _PAYLOADS:
            continue
        hook = route.hook
        found = {"data": schemas.of(hook.data_schema, "load")}
        if event.result_has_data:
            found["result"] = schemas.of(hook.result_schema, "dump")
        if event.routed_on is None:
            contract[event.name] = found
        else:
            contract[event.name][pattern or "*"] = found
    contract["meta"] = schemas.of(hooks._meta_schema, "dump")
    contract["channels"] = sorted(patterns["channel"])
    contract["methods"] = sorted(text for text in patterns["method"] if ChannelPattern(text).variables)
    contract["errors"], contract["disconnects"] = _errors(), _disconnects()
    contract["$defs"] = schemas.definitions()
    return contract


class _Schemas:
    """Marshmallow's schemas as JSON Schema, by apispec; what is loaded and what is dumped apart."""

    def __init__(self) -> None:
        # Late: whoever only asks for a command's help needs no apispec.
        from apispec import APISpec
        from apispec.ext.marshmallow import MarshmallowPlugin, common, resolver

        self._names: dict[Any, str] = {}
        self._taken: set[str] = set()
        self._key_of: Any = lambda schema: common.make_schema_key(common.resolve_schema_instance(schema))
        self._base_of: Any = resolver
        self._plugins: dict[Side, Any] = {
            "load": MarshmallowPlugin(schema_name_resolver=self._named),
            "dump": MarshmallowPlugin(schema_name_resolver=self._named),
        }
        self._specs: dict[Side, Any] = {
            side: APISpec("", "", "3.1.0", plugins=[plugin]) for side, plugin in self._plugins.items()
        }
        for plugin in self._plugins.values():
            plugin.converter.add_attribute_function(_as_string)

    def _named(self, schema: Any) -> str:
        """One name for a class with its options, whichever way it is used; another class of that name has a number."""
        key = self._key_of(schema)
        if key not in self._names:
            base = name = self._base_of(schema)
            number = 2
            while {name, _name(name, "dump")} & self._taken:
                name, number = f"{base}{number}", number + 1
            self._taken |= {name, _name(name, "dump")}
            self._names[key] = name
        return self._names[key]

    def of(self, schema: Any, side: Side) -> dict[str, Any] | None:
        if not isinstance(schema, Schema):
            return None
        made: dict[str, Any] = self._plugins[side].converter.resolve_nested_schema(schema)
        renamed: dict[str, Any] = _renamed(made, side)
        return renamed

    def definitions(self) -> dict[str, Any]:
        defined: dict[str, Any] = {}
        for side, spec in self._specs.items():
            for name, schema in spec.to_dict().get("components", {}).get("schemas", {}).items():
                defined[_name(name, side)] = _renamed(_for(schema, side), side)
        return dict(sorted(defined.items()))


def _as_string(_converter: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """Numbers that travel as texts, which apispec takes for numbers."""
    return {"type": "string"} if isinstance(field, fields.Number) and field.as_string else {}


def _name(name: str, side: Side) -> str:
    return name if side == "load" else f"{name}Result"


def _renamed(schema: Any, side: Side) -> Any:
    """The schema with references to ``$defs``."""
    if isinstance(schema, dict):
        return {
            key: f"#/$defs/{_name(str(value).removeprefix(_REFERENCE), side)}"
            if key == "$ref"
            else _renamed(value, side)
            for key, value in schema.items()
        }
    return [_renamed(item, side) for item in schema] if isinstance(schema, list) else schema


def _for(schema: dict[str, Any], side: Side) -> dict[str, Any]:
    """The schema without the fields that only the other side has."""
    foreign = "readOnly" if side == "load" else "writeOnly"
    properties = schema.get("properties", {})
    kept = {name: one for name, one in properties.items() if not (isinstance(one, dict) and one.get(foreign))}
    made = schema | {"properties": kept}
    if "required" in schema:
        made["required"] = [name for name in schema["required"] if name in kept]
    return made


def own_codes() -> list[Any]:
    """The classes of errors and disconnects that are loaded and not of this package, by name."""
    found: dict[str, Any] = {}
    todo: list[Any] = [Error, Disconnect]
    while todo:
        cls = todo.pop()
        todo.extend(cls.__subclasses__())
        # A class that was made again, when its module was reloaded, is not another one.
        current = getattr(sys.modules.get(cls.__module__), cls.__qualname__, cls)
        has_code = isinstance(getattr(cls, "code", None), int)
        if not cls.__module__.startswith("proxyhooks.") and current is cls and has_code:
            found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return [found[name] for name in sorted(found)]


def _named(classes: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    """Each class with a name that no other one has."""
    taken: set[str] = set()
    for cls in classes:
        name, number = cls.__name__, 2
        while name in taken:
            name, number = f"{cls.__name__}{number}", number + 1
        taken.add(name)
        yield name, cls


def _errors() -> dict[str, Any]:
    builtin = (errors.by_code(code) for code in ERRORS)
    own = (cls for cls in own_codes() if issubclass(cls, Error))
    return {
        name: {"code": cls.code, "message": cls.message, "temporary": bool(cls.temporary)}
        for name, cls in _named(cls for classes in (builtin, own) for cls in classes)
    }


def _disconnects() -> dict[str, Any]:
    builtin = (disconnects.by_code(code) for code in DISCONNECTS)
    own = (cls for cls in own_codes() if issubclass(cls, Disconnect))
    return {
        name: {"code": cls.code, "reason": cls.reason, "terminal": disconnect_is_terminal(cls.code)}
        for name, cls in _named(cls for classes in (builtin, own) for cls in classes)
    }
