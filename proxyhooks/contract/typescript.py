"""The contract as TypeScript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .._dispatch.events import EVENTS
from .._dispatch.patterns import ChannelPattern

_HEADER: Final = "// Written by: flask centrifugo export typescript. Do not edit.\n"
_HELPERS: Final = r"""
function int(name: string, value: number | bigint): string {
  const fits = typeof value === "bigint" ? value >= 0n && value <= 9223372036854775807n : Number.isSafeInteger(value);
  if (!fits || value < 0) throw new RangeError(`${name} must be an integer from 0 to 2^63-1, not ${value}`);
  return value.toString() === "-0" ? "0" : value.toString();
}

function text(name: string, value: string, allowed: RegExp): string {
  if (!allowed.test(value)) throw new RangeError(`${name} cannot be ${JSON.stringify(value)} in a channel`);
  return value;
}

const NAME = /^[^:#/,]+$/;
const PATH = /^[^]+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
"""
_REGULAR_EXPRESSIONS: Final = {"string": "NAME", "path": "PATH", "uuid": "UUID"}
"""The constant of :data:`_HELPERS` that a variable must match, by kind."""
_INTERFACES: Final = {
    "rpc": "RpcMethods",
    "publish": "Publications",
    "map_publish": "MapPublications",
    "subscribe": "Subscriptions",
}
"""The interface with an event's payloads, by event; for others the event's name in PascalCase."""
_IDENTIFIER: Final = re.compile("[A-Za-z_$][A-Za-z0-9_$]*")
_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(contract: dict[str, Any]) -> str:
    """The contract as a module that compiles with ``strict``, for ES2020 and later."""
    parts = [_HEADER]
    parts += [f"export type {_identifier(name)} = {_type(schema)};\n" for name, schema in contract["$defs"].items()]
    routed = [name for name, event in EVENTS.items() if event.request_has_data and event.routed_on is not None]
    other_interfaces = {name: _pascal_case(name) for name in routed if name not in _INTERFACES}
    for name, title in (_INTERFACES | other_interfaces).items():
        payloads = ("data", "result") if EVENTS[name].result_has_data else ("data",)
        parts.append(_interface(title, contract[name], payloads))
    for event in EVENTS.values():
        if event.request_has_data and event.routed_on is None:
            parts.append(f"export type {_pascal_case(event.name)}Data = {_type(contract[event.name].get('data'))};\n")
    parts.append(f"export type Meta = {_type(contract['meta'])};\n")
    if contract["channels"] or contract["methods"]:
        parts.append(_HELPERS.lstrip())
    parts.append(_functions("channels", contract["channels"]))
    parts.append(_functions("methods", contract["methods"]))
    for name in ("errors", "disconnects"):
        rows = "".join(f"  {_key(key)}: {json.dumps(value)},\n" for key, value in contract[name].items())
        parts.append(f"export const {name} = {{\n{rows}}} as const;\n")
    return "\n".join(parts)


def _pascal_case(name: str) -> str:
    return name.title().replace("_", "")


def _interface(title: str, schemas: dict[str, Any], payloads: tuple[str, ...]) -> str:
    """An interface that maps each pattern to the types of its payloads."""
    rows = (
        f"  {json.dumps(pattern)}: {{ {'; '.join(f'{name}: {_type(pair.get(name))}' for name in payloads)} }};\n"
        for pattern, pair in schemas.items()
    )
    return f"export interface {title} {{\n{''.join(rows)}}}\n"


def _type(schema: Any) -> str:
    """The type of a JSON Schema; ``unknown`` if it allows any value."""
    if not isinstance(schema, dict):
        return "unknown"
    if "$ref" in schema:
        return _identifier(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return _union(json.dumps(value) for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _union(_type(inner) for inner in schema[key])
    if "allOf" in schema:
        return " & ".join(dict.fromkeys(f"({_type(inner)})" for inner in schema["allOf"]))
    json_type = schema.get("type")
    if isinstance(json_type, list):
        return _union(_type(schema | {"type": name}) for name in json_type)
    if json_type == "array":
        return f"Array<{_type(schema.get('items'))}>"
    if json_type == "object":
        return _object(schema)
    return _SCALARS.get(str(json_type), "unknown")


def _union(types: Iterator[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "never"


def _object(schema: dict[str, Any]) -> str:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    additional = schema.get("additionalProperties")
    if not properties:
        return "Record<string, never>" if additional is False else f"Record<string, {_type(additional)}>"
    members = [f"{_key(name)}{'' if name in required else '?'}: {_type(value)}" for name, value in properties.items()]
    if additional not in (None, False):
        members.append("[key: string]: unknown")
    return "{ " + "; ".join(members) + " }"


def _functions(title: str, patterns: list[str]) -> str:
    """An object with a function for each pattern, which returns a channel or method that matches it.

    If patterns have the same fixed text, the later ones have their variables in the name too.
    """
    rows, taken = [], set[str]()
    for text in patterns:
        pattern = ChannelPattern(text)
        name = _function_name(pattern)
        if name in taken:
            name += "By" + "And".join(_pascal_case(variable) for variable in pattern.variables)
        number, base = 2, name
        while name in taken:
            name, number = f"{base}{number}", number + 1
        taken.add(name)
        rows.append(f"  /** {text} */\n  {_key(name)}: {_function(pattern)},\n")
    return f"export const {title} = {{\n{''.join(rows)}}} as const;\n"


def _function_name(pattern: ChannelPattern) -> str:
    words = re.findall("[A-Za-z0-9]+", " ".join(part for part in pattern.parts if isinstance(part, str)))
    name = "".join(word if number == 0 else word[0].upper() + word[1:] for number, word in enumerate(words))
    return name or "any"


def _function(pattern: ChannelPattern) -> str:
    types, parts = [], []
    for part in pattern.parts:
        if isinstance(part, str):
            parts.append(json.dumps(part))
            continue
        types.append(f"{part.name}: {'number | bigint' if part.kind == 'int' else 'string'}")
        arguments = f'"{part.name}", variables.{part.name}'
        if part.kind != "int":
            arguments += f", {_REGULAR_EXPRESSIONS[part.kind]}"
        parts.append(f"{'int' if part.kind == 'int' else 'text'}({arguments})")
    parameters = f"variables: {{ {'; '.join(types)} }}" if types else ""
    return f"({parameters}): string => {' + '.join(parts)}"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _identifier(name: str) -> str:
    identifier = re.sub("[^A-Za-z0-9_$]", "_", name)
    return f"_{identifier}" if identifier[:1].isdigit() else identifier
