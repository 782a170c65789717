"""JSON Schemas as type expressions of TypeScript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Set
from typing import Any, Final
from urllib.parse import unquote

from .definitions import REFERENCE
from .field_types import ALL_BUT_NULL, INTEGER_KEY
from .wire import listed

_IDENTIFIER: Final = re.compile("[A-Za-z_$][A-Za-z0-9_$]*")
_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_LANGUAGE: Final = """
abstract any arguments as asserts async await bigint boolean break case catch class const constructor continue debugger
declare default delete do else enum eval export extends false finally for from function get global globalThis if
implements import in infer instanceof interface intrinsic is keyof let module namespace never new null number object of
package private protected public readonly require return satisfies set static string super switch symbol this throw true
try type typeof undefined unique unknown using var void while with yield
"""
"""Words of TypeScript, and names of its types."""
_LIBRARY: Final = """
Array ArrayBuffer Awaited BigInt Boolean Date Error Exclude Extract Function Infinity Intl Iterable Iterator JSON Map
Math NaN NonNullable Number Object Omit Parameters Partial Pick Promise PromiseLike Proxy RangeError Readonly
ReadonlyArray Record Reflect RegExp Required ReturnType Set String Symbol TypeError WeakMap WeakSet
"""
"""Names of the library that programs use without importing them."""


class TypeExpressions:
    """Writes the type of a JSON Schema, with a name for each definition."""

    def __init__(self, definitions: Iterable[str], taken: Set[str] = frozenset()) -> None:
        """:param taken: Names that the module has for other things."""
        self.names: dict[str, str] = {}
        used = {*taken, *_LANGUAGE.split(), *_LIBRARY.split()}
        for definition in sorted(definitions, key=lambda name: (identifier(name) != name or name in used, name)):
            name = identifier(definition)
            while name in used:
                name += "_"
            used |= {name}
            self.names[definition] = name

    def __call__(self, schema: Any) -> str:
        """The type; ``unknown`` if the JSON Schema allows any value, or is none."""
        if not isinstance(schema, dict):
            return "unknown"
        if "$ref" in schema:
            name = unquote(str(schema["$ref"]).removeprefix(REFERENCE))
            return self.names.get(name, name)
        values = listed(schema)
        if values is not None:
            return union(map(_literal_type, values))
        if "anyOf" in schema:
            return union(map(self, schema["anyOf"]))
        if schema.get("not") == {}:
            return "never"
        json_type = schema.get("type")
        if isinstance(json_type, list):
            if set(json_type) >= set(ALL_BUT_NULL):
                return "unknown" if "null" in json_type else "{}"
            return union(self(schema | {"type": name}) for name in json_type)
        if json_type == "array":
            return self._array(schema)
        if json_type == "object":
            return self._object(schema)
        if json_type is None and "allOf" in schema:
            return " & ".join(dict.fromkeys(f"({self(inner)})" for inner in schema["allOf"]))
        return _SCALARS.get(str(json_type), "unknown")

    def _array(self, schema: dict[str, Any]) -> str:
        if schema.get("items") is False:
            return f"[{', '.join(map(self, schema.get('prefixItems', [])))}]"
        return f"Array<{self(schema.get('items'))}>"

    def _object(self, schema: dict[str, Any]) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties")
        if properties:
            members = [
                f"{key(name)}{'' if name in required else '?'}: {self(value)}" for name, value in properties.items()
            ]
            if additional not in (None, False):
                members.append("[key: string]: unknown")
            return "{ " + "; ".join(members) + " }"
        if additional is False:
            return "Record<string, never>"
        names = schema.get("propertyNames", {})
        if names == {"not": {}}:
            return "Record<string, never>"
        if (texts := listed(names)) is not None:
            return f"{{ [key in {union(map(literal_of, texts))}]?: {self(additional)} }}"
        return f"Record<{'number' if names.get('pattern') == INTEGER_KEY else 'string'}, {self(additional)}>"


def union(types: Iterable[str]) -> str:
    """The type of values of any of these types."""
    return " | ".join(dict.fromkeys(types)) or "never"


def _literal_type(value: Any) -> str:
    """The type of nothing but this JSON value."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal_type, value))}]"
    if isinstance(value, dict):
        members = "; ".join(f"{key(name)}: {_literal_type(inner)}" for name, inner in value.items())
        return f"{{ {members} }}" if value else "Record<string, never>"
    return literal_of(value)


def literal_of(value: Any) -> str:
    """A JSON value in TypeScript."""
    return printable(json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """The text with escapes for what ends a line, is invisible, or has no place in a file."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def key(name: str) -> str:
    """The key of an object or an object type."""
    if name == "__proto__":
        return '["__proto__"]'  # without brackets, it sets the prototype
    return name if _IDENTIFIER.fullmatch(name) else literal_of(name)


def identifier(name: str) -> str:
    """A name that TypeScript takes, with the letters of all languages."""
    # Python 3.13 takes invisible joiners, which other versions refuse; the contract must not depend on the version.
    name = "".join(char if (f"_{char}".isidentifier() and char.isprintable()) or char == "$" else "_" for char in name)
    return name if name.isidentifier() or name[:1] == "$" else f"_{name}"
