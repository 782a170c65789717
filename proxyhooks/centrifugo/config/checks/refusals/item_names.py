"""Names that Centrifugo refuses: their letters, names that occur twice, and the name that it keeps for itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...findings import Finding
from ...names import DEFAULT_PROXY, NAME, NAME_RULE
from ..options import Options

_CONSUMER_NAME: Final = re.compile("[a-zA-Z0-9_]{2,}")
_CONSUMER_RULE: Final = "two or more characters of A-Z a-z 0-9 _"
_OF_JSON: Final = frozenset('{}"')
_LISTS: Final = {
    "channel.namespaces": (NAME, NAME_RULE),
    "rpc.namespaces": (NAME, NAME_RULE),
    "proxies": (NAME, NAME_RULE),
    "consumers": (_CONSUMER_NAME, _CONSUMER_RULE),
}
"""Lists of objects with a name, and what their names must be."""


def wrong_name(root: Options) -> Iterator[Finding]:
    for key, (pattern, rule) in _LISTS.items():
        for item in root.each(key):
            name = item.name
            if not name:
                yield _finding(item, "there is no name, and Centrifugo needs one", '"name": "..."')
            elif not pattern.fullmatch(name):
                yield _finding(item, *_not_a_name(name, rule))


def _not_a_name(name: str, rule: str) -> tuple[str, str]:
    # In a variable, what is not JSON from the first to the last character is names, also JSON with its secrets.
    if set(name) & _OF_JSON:
        return f"Centrifugo reads names with spaces between, and refuses what looks like JSON: a name must be {rule}", (
            "write JSON from [ to ], without quotes around it, or names alone"
        )
    return f"Centrifugo refuses the name {name!r}: it must be {rule}", "choose another name"


def name_twice(root: Options) -> Iterator[Finding]:
    for key in _LISTS:
        first: dict[str, Options] = {}
        for item in root.each(key):
            earlier = first.setdefault(item.name, item)
            if earlier is not item:
                text = f"{item.text('name')!r} is already the name of {earlier.path}: Centrifugo does not start"
                yield _finding(item, text, "give each a name of its own, or make one of the two")


def reserved_name(root: Options) -> Iterator[Finding]:
    for proxy in root.each("proxies"):
        if proxy.name == DEFAULT_PROXY:
            text = f"{DEFAULT_PROXY!r} means the proxies of channel.proxy and rpc.proxy, so Centrifugo does not start"
            yield _finding(proxy, text, "choose another name")


def _finding(item: Options, text: str, fix: str) -> Finding:
    return Finding(id="PH016", path=item.path_of("name"), text=text, fix=fix)


NAME_CHECKS: Final = (wrong_name, name_twice, reserved_name)
