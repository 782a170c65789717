"""The contract as TypeScript."""

from __future__ import annotations

import re
from typing import Any, Final

from .._dispatch.events import EVENTS, Event
from .._dispatch.patterns import ChannelPattern
from .type_expressions import TypeExpressions, key, literal_of, printable

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
_DECLARED: Final = re.compile(r"^(?:export )?(?:type|interface|const|function) ([\w$]+)", re.MULTILINE)


def typescript(contract: dict[str, Any]) -> str:
    """The contract as a module that compiles with ``strict``, for ES2020 and later."""
    definitions = contract["$defs"]
    # The names of the module are the same whatever the types are. No schema may have one of them.
    taken = set(_DECLARED.findall("\n".join(_parts(contract, TypeExpressions(definitions)))))
    type_of = TypeExpressions(definitions, taken)
    types = [f"export type {type_of.names[name]} = {type_of(schema)};\n" for name, schema in definitions.items()]
    return "\n".join([_HEADER, *types, *_parts(contract, type_of)])


def _parts(contract: dict[str, Any], type_of: TypeExpressions) -> list[str]:
    """Everything in the module but the types of schemas."""
    parts = []
    routed = [name for name, event in EVENTS.items() if event.request_has_data and event.routed_on is not None]
    other_interfaces = {name: _pascal_case(name) for name in routed if name not in _INTERFACES}
    for name, title in (_INTERFACES | other_interfaces).items():
        parts.append(_interface(title, contract[name], _payloads(EVENTS[name]), type_of))
    for event in EVENTS.values():
        if event.request_has_data and event.routed_on is None:
            for payload in _payloads(event):
                json_schema = contract[event.name].get(payload)
                title = _pascal_case(f"{event.name}_{payload}")
                parts.append(f"export type {title} = {type_of(json_schema)};\n")
    received = contract["publications"].items()
    rows = "".join(f"  {literal_of(pattern)}: {type_of(json_schema)};\n" for pattern, json_schema in received)
    parts.append(f"export interface ReceivedPublications {{\n{rows}}}\n")
    if contract["channels"] or contract["methods"]:
        parts.append(_HELPERS.lstrip())
    parts.append(_functions("channels", contract["channels"]))
    parts.append(_functions("methods", contract["methods"]))
    for name in ("errors", "disconnects"):
        rows = "".join(f"  {key(code)}: {literal_of(value)},\n" for code, value in contract[name].items())
        parts.append(f"export const {name} = {{\n{rows}}} as const;\n")
    return parts


def _payloads(event: Event) -> tuple[str, ...]:
    return ("data", "result") if event.result_has_data else ("data",)


def _pascal_case(name: str) -> str:
    return name.title().replace("_", "")


def _interface(title: str, schemas: dict[str, Any], payloads: tuple[str, ...], type_of: TypeExpressions) -> str:
    """An interface that maps each pattern to the types of its payloads."""
    rows = (
        f"  {literal_of(pattern)}: {{ {'; '.join(f'{name}: {type_of(pair.get(name))}' for name in payloads)} }};\n"
        for pattern, pair in schemas.items()
    )
    return f"export interface {title} {{\n{''.join(rows)}}}\n"


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
        comment = printable(text).replace("*/", "*\\/")
        rows.append(f"  /** {comment} */\n  {key(name)}: {_function(pattern)},\n")
    return f"export const {title} = {{\n{''.join(rows)}}} as const;\n"


def _function_name(pattern: ChannelPattern) -> str:
    words = re.findall(r"[^\W_]+", " ".join(part for part in pattern.parts if isinstance(part, str)))
    name = "".join(word if number == 0 else word[0].upper() + word[1:] for number, word in enumerate(words))
    return name or "any"


def _function(pattern: ChannelPattern) -> str:
    types, parts = [], []
    for part in pattern.parts:
        if isinstance(part, str):
            parts.append(literal_of(part))
            continue
        types.append(f"{part.name}: {'number | bigint' if part.kind == 'int' else 'string'}")
        arguments = f'"{part.name}", variables.{part.name}'
        if part.kind != "int":
            arguments += f", {_REGULAR_EXPRESSIONS[part.kind]}"
        parts.append(f"{'int' if part.kind == 'int' else 'text'}({arguments})")
    parameters = f"variables: {{ {'; '.join(types)} }}" if types else ""
    return f"({parameters}): string => {' + '.join(parts)}"
