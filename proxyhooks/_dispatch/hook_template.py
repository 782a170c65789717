"""The beginning of a hook that would serve a channel or method, for developers to paste."""

from __future__ import annotations

from .events import Event
from .index import Index


def hook_template(event: Event, name: str, index: Index) -> str:
    """The beginning of a hook for this channel or method, and another one where a collection has a prefix for it."""
    template = _template(event, name)
    for prefix, sibling in _prefixes(event, name, index).items():
        inner = _template(event, name.removeprefix(prefix))
        template += f"\n\nor beside {sibling}, whose collection is included with the prefix {prefix!r}:\n\n{inner}"
    return template


def _template(event: Event, name: str) -> str:
    # No pattern can contain < or >; a decorator without a pattern serves such a name.
    pattern = f"({name[:255]!r})" if event.routed_on and name and not set("<>") & set(name) else ""
    return (
        f"    @hooks.{event.name}{pattern}\n"
        f"    def {event.name}(req: {event.request.__name__}) -> {event.result.__name__}:\n"
        f"        ..."
    )


def _prefixes(event: Event, name: str, index: Index) -> dict[str, str]:
    """The prefixes of included collections with which the name begins, and a hook of each collection."""
    found: dict[str, str] = {}
    for registration in index.registrations():
        hook, pattern = registration.hook, registration.pattern
        if hook.event is event and pattern is not None and hook.pattern is not None:
            prefix = pattern.text.removesuffix(hook.pattern.text)
            if prefix and len(name) > len(prefix) and name.startswith(prefix):
                found.setdefault(prefix, hook.source_location)
    return found
