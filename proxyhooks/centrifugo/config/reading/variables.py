"""Environment variables as Centrifugo reads them: over the file, and more strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...go.duration import Duration, read_duration
from ...go.json import NotJson, parse
from ...go.scalars import read_bool, read_int
from ..findings import Finding
from ..keys import NAMED, VARIABLE_PREFIX, Key, Keys, key_at, root_keys, variable_of, variables
from ..tree import objects_at
from .json_variables import read_headers, read_objects
from .unknown import unknown_variables
from .unreadable import unreadable_variable

_ALLOWED_ORIGINS: Final = variable_of("client.allowed_origins")
_BY_WORDS: Final = ("ChannelNamespace", "RpcNamespace", "NamedProxy", "Consumer")
"""Lists of objects that a variable may also give as names with spaces between."""


def apply_variables(config: dict[str, Any], environ: Mapping[str, str], findings: list[Finding]) -> None:
    """Set the keys of a typed tree that have a variable, and those of its items with names."""
    environ = {name: text for name, text in environ.items() if name.startswith(VARIABLE_PREFIX)}
    if not environ:
        return
    known = _apply(config, root_keys(), VARIABLE_PREFIX, environ, findings)
    for list_path in NAMED:
        key = key_at(list_path)
        assert key is not None
        for _, item in objects_at(config, list_path):
            # The namespace `my-chat` has CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_...
            name = item.get("name", "").replace("-", "_")
            prefix = f"{variable_of(f'{list_path}.{name}')}_"
            known |= _apply(item, key.keys, prefix, environ, findings)
    findings += unknown_variables(environ, known)


def _apply(
    config: dict[str, Any], keys: Keys, prefix: str, environ: Mapping[str, str], findings: list[Finding]
) -> set[str]:
    """Set each of *keys* whose variable is set, and return the variables of all of them."""
    known = set()
    for variable, path, key in variables(keys, prefix):
        known.add(variable)
        text = environ.get(variable)
        if not text:
            continue
        section = config
        for name in path[:-1]:
            section = section.setdefault(name, {})
        try:
            section[path[-1]] = _read(text, key, section.get(path[-1]), variable, findings)
        except ValueError as error:
            findings.append(unreadable_variable(variable, text, key, str(error)))
            section.pop(path[-1], None)
    return known


def _read(text: str, key: Key, current: Any, variable: str, findings: list[Finding]) -> Any:
    """The typed value of a variable.

    :param current: what the file has for the key.
    :raises ValueError: if Centrifugo cannot read it.
    """
    if key.kind == "strings":
        # The check of the allowed origins has an error for each of them.
        if text.startswith("[") and text.endswith("]") and variable != _ALLOWED_ORIGINS:
            findings.append(_json_for_words(variable))
        return text.split(" ") if text.strip() else []
    if key.kind == "headers":
        return read_headers(_parse(text))
    if key.kind == "objects":
        return _read_objects(text, key, current, variable, findings)
    if key.kind == "string":
        return text
    value = _READERS[key.kind](text, key)
    if value is None:
        raise ValueError
    return value


def _parse(text: str) -> Any:
    try:
        return parse(text)
    except NotJson as error:
        raise ValueError(f"it is not JSON (at character {error.position + 1})") from None


def _read_objects(text: str, key: Key, current: Any, variable: str, findings: list[Finding]) -> list[dict[str, Any]]:
    by_words = key.type in _BY_WORDS
    if by_words and not (text.startswith("[") and text.endswith("]")):
        return [*(current or []), *({"name": word} for word in text.split(" "))]
    # A list that may be given as words keeps what the file has and the JSON leaves out. Other lists are replaced.
    return read_objects(_parse(text), key, current or [] if by_words else [], variable, findings)


def _json_for_words(variable: str) -> Finding:
    text = f"{variable} is JSON, and Centrifugo reads words: the brackets and quotes are part of them"
    return Finding(id="PH030", path=variable, text=text, fix="write the items alone, with spaces between")


_READERS: Final[dict[str, Callable[[str, Key], bool | int | Duration | None]]] = {
    "bool": lambda text, _: read_bool(text),
    "int": lambda text, key: read_int(text, key.bits),
    "duration": lambda text, _: read_duration(text),
}
