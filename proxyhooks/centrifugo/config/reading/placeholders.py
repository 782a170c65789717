"""``${...}`` in values: what Centrifugo replaces, and what it sends or uses as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..findings import Finding
from ..keys import Keys, root_keys, variable_of

PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
"""Text that looks like a variable, whether Centrifugo replaces it or not."""
_HEADER_VARIABLE: Final = re.compile(r"\$\{(CENTRIFUGO_VAR_[^}]+)\}")


def expand_variables(header_value: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The value of a static header as Centrifugo sends it, and the variables in it that are not set.

    Centrifugo replaces variables in static headers and nowhere else.
    """
    unset = [name for name in _HEADER_VARIABLE.findall(header_value) if name not in environ]
    return _HEADER_VARIABLE.sub(lambda match: environ.get(match[1], match[0]), header_value), unset


class LiteralHeaders(dict[str, str]):
    """Static headers in which Centrifugo replaces nothing: those in the JSON of a list of proxies."""


def check_placeholders(config: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each variable that is not set, and for each text that Centrifugo does not replace."""
    reported: set[str] = set()
    for path, text, is_header in _texts(config, root_keys(), ""):
        unset = expand_variables(text, environ)[1] if is_header else []
        for name in unset:
            if name not in reported:
                yield _unset(path, name)
        reported.update(unset)
        if placeholder := PLACEHOLDER.search(_HEADER_VARIABLE.sub("", text) if is_header else text):
            yield _not_replaced(path, placeholder[0], is_header)


def _texts(config: Mapping[str, Any], keys: Keys, prefix: str) -> Iterator[tuple[str, str, bool]]:
    """Each text with its path, and whether Centrifugo replaces variables in it."""
    for name, value in config.items():
        key, path = keys[name], f"{prefix}{name}"
        if key.kind == "object":
            yield from _texts(value, key.keys, f"{path}.")
        elif key.kind == "objects":
            for index, item in enumerate(value):
                yield from _texts(item, key.keys, f"{path}[{index}].")
        elif key.kind == "headers":
            for header, text in value.items():
                yield f"{path}.{header}", text, not isinstance(value, LiteralHeaders)
        elif key.kind in ("string", "strings"):
            for text in [value] if key.kind == "string" else value:
                yield path, text, False


def _unset(path: str, name: str) -> Finding:
    text = f"{name} is not set in this environment; where it is not set, Centrifugo does not start"
    fix = "run this command with the environment of Centrifugo"
    return Finding(id="PH026", path=path, text=text, fix=fix)


def _not_replaced(path: str, placeholder: str, is_header: bool) -> Finding:
    if "static_" in path and not is_header:
        text = f"Centrifugo replaces no variables in this JSON, and sends {placeholder} as it is written"
        fix = "write the proxies in the file, or the headers of each one in its own variable"
    elif is_header:
        text = f"Centrifugo sends {placeholder} as it is written: it replaces ${{CENTRIFUGO_VAR_...}} only"
        fix = "write ${CENTRIFUGO_VAR_...}, and set that variable"
    else:
        text = f"Centrifugo replaces no variables here, so the text {placeholder} itself is the value"
        fix = "remove the key, and set its variable"
        if "[" not in path:
            fix = f"remove the key, and set the variable {variable_of(path)}"
    return Finding(id="PH025", path=path, text=text, fix=fix)
