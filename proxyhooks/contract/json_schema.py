"""The contract as JSON: what the front end needs to know of the hooks.

:func:`contract_of` returns an object with these keys:

- each event with payloads, such as ``rpc`` and ``subscribe``: by method or channel pattern (``*`` without one) the JSON
  Schemas of what clients send (``data``) and receive (``result``); ``connect`` has one pair and no patterns;
- ``meta``: the JSON Schema of the connection's meta;
- ``channels`` and ``methods``: the channel patterns, and the method patterns with variables;
- ``errors`` and ``disconnects``: Centrifugo's codes and those of the application;
- ``$defs``: the schemas that others refer to.

``null`` in place of a JSON Schema means any value: there is no marshmallow schema.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

from marshmallow import Schema, fields

from .. import disconnects, errors
from .._dispatch.events import EVENTS
from .._dispatch.patterns import ChannelPattern
from .._flask.extension import ProxyHooks
from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal
from ..exceptions import Disconnect, Error, SetupError

_APISPEC_REFERENCE: Final = "#/components/schemas/"
Direction = Literal["load", "dump"]
"""``load`` for what clients send, ``dump`` for what they receive: the methods of marshmallow's schemas."""


def contract_of(hooks: ProxyHooks) -> dict[str, Any]:
    """The contract of these hooks, with all codes of :func:`own_codes`.

    :raises SetupError: if apispec is not installed.
    """
    schemas = _JsonSchemas()
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
    contract["meta"] = schemas.reference(hooks._meta_schema, "dump")
    contract["channels"] = sorted(patterns["channel"])
    contract["methods"] = sorted(text for text in patterns["method"] if ChannelPattern(text).variables)
    contract["errors"], contract["disconnects"] = _errors(), _disconnects()
    contract["$defs"] = schemas.definitions()
    return contract


class _JsonSchemas:
    """Converts marshmallow schemas to JSON Schemas with apispec, separately for each direction."""

    def __init__(self) -> None:
        try:  # here and not above: the commands' help and own_codes need no apispec
            from apispec import APISpec
            from apispec.ext.marshmallow import MarshmallowPlugin, common, resolver
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "apispec":
                raise
            raise SetupError(
                "the contract needs apispec, which is not installed: pip install 'proxyhooks[contract]'"
            ) from None

        self._names: dict[Any, str] = {}
        self._taken: set[str] = set()
        self._key_of: Any = lambda schema: common.make_schema_key(common.resolve_schema_instance(schema))
        self._class_name: Any = resolver
        self._plugins: dict[Direction, Any] = {
            "load": MarshmallowPlugin(schema_name_resolver=self._unique_name),
            "dump": MarshmallowPlugin(schema_name_resolver=self._unique_name),
        }
        self._specs: dict[Direction, Any] = {
            direction: APISpec("", "", "3.1.0", plugins=[plugin]) for direction, plugin in self._plugins.items()
        }
        for plugin in self._plugins.values():
            plugin.converter.add_attribute_function(_number_as_string)

    def reference(self, schema: Any, direction: Direction) -> dict[str, Any] | None:
        """The JSON Schema, which refers to :meth:`definitions`; None if *schema* is no marshmallow schema."""
        if not isinstance(schema, Schema):
            return None
        json_schema = self._plugins[direction].converter.resolve_nested_schema(schema)
        reference: dict[str, Any] = _refer_to_defs(json_schema, direction)
        return reference

    def definitions(self) -> dict[str, Any]:
        """The JSON Schemas that others refer to, by name."""
        definitions: dict[str, Any] = {}
        for direction, spec in self._specs.items():
            for name, schema in spec.to_dict().get("components", {}).get("schemas", {}).items():
                own_fields = _without_fields_of_other_direction(schema, direction)
                definitions[_name_in(direction, name)] = _refer_to_defs(own_fields, direction)
        return dict(sorted(definitions.items()))

    def _unique_name(self, schema: Any) -> str:
        """The name of the schema's class; with a number if another class, or this class with other options, has it."""
        key = self._key_of(schema)
        if key not in self._names:
            name = class_name = self._class_name(schema)
            number = 2
            while {name, _name_in("dump", name)} & self._taken:
                name, number = f"{class_name}{number}", number + 1
            self._taken |= {name, _name_in("dump", name)}
            self._names[key] = name
        return self._names[key]


def _number_as_string(_converter: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """The type of a number with ``as_string``, which apispec describes as a number."""
    return {"type": "string"} if isinstance(field, fields.Number) and field.as_string else {}


def _name_in(direction: Direction, name: str) -> str:
    return name if direction == "load" else f"{name}Result"


def _refer_to_defs(schema: Any, direction: Direction) -> Any:
    """The JSON Schema with references to ``$defs`` in place of apispec's."""
    if isinstance(schema, dict):
        return {
            key: f"#/$defs/{_name_in(direction, str(value).removeprefix(_APISPEC_REFERENCE))}"
            if key == "$ref"
            else _refer_to_defs(value, direction)
            for key, value in schema.items()
        }
    return [_refer_to_defs(item, direction) for item in schema] if isinstance(schema, list) else schema


def _without_fields_of_other_direction(schema: dict[str, Any], direction: Direction) -> dict[str, Any]:
    marker = "readOnly" if direction == "load" else "writeOnly"
    properties = {
        name: value
        for name, value in schema.get("properties", {}).items()
        if not (isinstance(value, dict) and value.get(marker))
    }
    result = schema | {"properties": properties}
    if "required" in schema:
        result["required"] = [name for name in schema["required"] if name in properties]
    return result


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
