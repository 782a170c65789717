"""The contract in TypeScript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .._dispatch.patterns import ChannelPattern, Variable

_HEADER: Final = "// Written by: flask centrifugo export typescript. Do not edit.\n"
_BUILDERS: Final = r"""
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
_CHECKS: Final = {"string": "NAME", "path": "PATH", "uuid": "UUID"}
_IDENTIFIER: Final = re.compile("[A-Za-z_$][A-Za-z0-9_$]*")
_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(contract: dict[str, Any]) -> str:
    """A module that compiles under ``strict``, for ES2020 and later."""
    parts = [_HEADER]
    parts += [f"export type {_identifier(name)} = {_type(schema)};\n" for name, schema in contract["$defs"].items()]
    parts.append(_interface("RpcMethods", contract["rpc"], ("data", "result")))
    for name, title in (("publish", "Publications"), ("map_publish", "MapPublications")):
        parts.append(_interface(title, contract[name], ("data", "result")))
    parts.append(_interface("Subscriptions", contract["subscribe"], ("data",)))
    parts.append(f"export type ConnectData = {_type((contract['connect'] or {}).get('data'))};\n")
    parts.append(f"export type Meta = {_type(contract['meta'])};\n")
    if contract["channels"] or contract["methods"]:
        parts.append(_BUILDERS.lstrip())
    parts.append(_functions("channels", contract["channels"]))
    parts.append(_functions("methods", contract["methods"]))
    for name in ("errors", "disconnects"):
        rows = "".join(f"  {_key(key)}: {json.dumps(value)},\n" for key, value in contract[name].items())
        parts.append(f"export const {name} = {{\n{rows}}} as const;\n")
    return "\n".join(parts)


def _interface(title: str, entries: dict[str, Any], names: tuple[str, ...]) -> str:
    rows = (
        f"  {json.dumps(key)}: {{ {'; '.join(f'{name}: {_type(entry.get(name))}' for name in names)} }};\n"
        for key, entry in entries.items()
    )
    return f"export interface {title} {{\n{''.join(rows)}}}\n"


def _type(schema: Any) -> str:
    """A JSON Schema as a type."""
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
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _union(_type(schema | {"type": kind}) for kind in kinds)
    if kinds == "array":
        return f"Array<{_type(schema.get('items'))}>"
    if kinds == "object":
        return _object(schema)
    return _SCALARS.get(str(kinds), "unknown")


def _union(types: Iterator[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "never"


def _object(schema: dict[str, Any]) -> str:
    required, more = schema.get("required", []), schema.get("additionalProperties")
    properties = schema.get("properties", {})
    if not properties:
        return "Record<string, never>" if more is False else f"Record<string, {_type(more)}>"
    rows = [f"{_key(name)}{'' if name in required else '?'}: {_type(one)}" for name, one in properties.items()]
    if more not in (None, False):
        rows.append("[key: string]: unknown")
    return "{ " + "; ".join(rows) + " }"


def _functions(title: str, patterns: list[str]) -> str:
    """Functions that write channels, or methods, of patterns."""
    rows, taken = [], set[str]()
    for text in patterns:
        pattern = ChannelPattern(text)
        name = _function_name(pattern)
        if name in taken:
            name += "By" + "And".join(variable.title().replace("_", "") for variable in pattern.variables)
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
        if isinstance(part, Variable):
            types.append(f"{part.name}: {'number | bigint' if part.kind == 'int' else 'string'}")
            given = f'"{part.name}", variables.{part.name}'
            parts.append(f"int({given})" if part.kind == "int" else f"text({given}, {_CHECKS[part.kind]})")
        else:
            parts.append(json.dumps(part))
    arguments = f"variables: {{ {'; '.join(types)} }}" if types else ""
    return f"({arguments}): string => {' + '.join(parts)}"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _identifier(name: str) -> str:
    made = re.sub("[^A-Za-z0-9_$]", "_", name)
    return f"_{made}" if made[:1].isdigit() else made
