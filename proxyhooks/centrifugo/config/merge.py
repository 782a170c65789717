"""Merges a generated configuration into an existing one.

Each step is made on a copy, which is read as Centrifugo reads it. A step that makes Centrifugo refuse what it accepted
before is left out, with a note.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .backend import Backend
from .changes import Step, additions, in_json
from .checks.refusals import refused_by_centrifugo
from .findings import Finding
from .generate import GeneratedConfig, generate
from .obsolete import Obsolete
from .options import ConfigOptions
from .places import Place, values_by_place
from .reader import Config, Reading, read_tree, value_at
from .written import WrittenConfig


def merge(existing: Config, backend: Backend, options: ConfigOptions) -> GeneratedConfig:
    """Return an existing configuration with the generated one in it; notes name every value that differs.

    :param existing: as its file has it; it stays unchanged.
    :raises ValueError: if an option cannot work, or Centrifugo does not start with the existing configuration.
    """
    generated = generate(backend, options)
    merging = _Merging(existing, notes=generated.notes)
    before = merging.reading.config
    for finding in merging.reading.findings:
        if finding.id == "PH029":
            raise ValueError(f"Centrifugo does not start with it: {finding.path}: {finding.text} (fix: {finding.fix})")
    obsolete = Obsolete(before, generated.config, backend, options)
    merging.remove(obsolete.switches(), "no hook has a pattern there")
    merging.remove(((step, "") for step in obsolete.repeats()), "its hooks may not run twice")
    for step in additions(before, generated.config, options):
        merging.make(step)
    merging.remove(obsolete.proxies(), "no hook needs it")
    generated.notes += _differences(before, merging.reading.config)
    return GeneratedConfig(merging.tree, generated.notes)


@dataclass
class _Merging:
    tree: Config
    notes: list[str]
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.reading = read_tree(self.tree, {})

    def make(self, step: Step) -> bool:
        """Make the changes that are due, unless Centrifugo refuses the result."""
        self.notes += filter(None, (change.contradiction(self.reading.config) for change in step))
        due = [change for change in step if change.is_due(self.reading.config)]
        if not due:
            return False
        tree = copy.deepcopy(self.tree)
        written = WrittenConfig(tree)
        for change in due:
            if change.value is None:
                written.remove(change.place)
            else:
                written.set(change.place, change.wanted(self.reading.config))
        reading = read_tree(tree, {})
        places = ", ".join(str(change.place) for change in due)
        refusal = _new_refusal(self.reading, reading)
        if refusal is not None:
            self.notes.append(
                f"{places}: left as before, since Centrifugo refuses the change: {refusal.text}; {refusal.fix}"
            )
        elif any(change.is_due(reading.config) for change in due):
            self.notes.append(f"{places}: left as before, since other keys of the file hide the change")
        else:
            self.tree, self.reading = tree, reading
            return True
        return False

    def remove(self, steps: Iterator[tuple[Step, str]], reason: str) -> None:
        for step, opening in steps:
            places = ", ".join(str(change.place) for change in step if change.is_due(self.reading.config))
            if opening:
                self.notes.append(f"{places} stays, although {reason}: without it, {opening} lets clients in unasked")
            elif self.make(step):
                self.notes.append(f"{places} is removed: {reason}")


def _new_refusal(before: Reading, after: Reading) -> Finding | None:
    """What Centrifugo refuses after a change and accepted before, or ``None``."""
    known = Counter((finding.id, finding.text) for finding in _refusals(before))
    for finding in _refusals(after):
        key = (finding.id, finding.text)
        if not known[key]:
            return finding
        known[key] -= 1
    return None


def _refusals(reading: Reading) -> Iterator[Finding]:
    config = reading.config
    if not value_at(config, "shared_poll.hmac_secret_key"):
        # The notes say that its variable has to be set.
        config = config | {"shared_poll": config.get("shared_poll", {}) | {"hmac_secret_key": "from a variable"}}
    yield from (finding for finding in reading.findings if finding.level == "error")
    yield from refused_by_centrifugo(config)


def _differences(before: Config, after: Config) -> Iterator[str]:
    """Yield a note for each value that is new or another one."""
    old, new = dict(values_by_place(before)), dict(values_by_place(after))
    added = {place: _new_part(place, old) for place in new if place not in old}
    for part in dict.fromkeys(added.values()):
        yield f"{part} is added"
    for place in old:
        if place in new and old[place] != new[place]:
            # A header may be a secret, and so may a part of a URL.
            is_shown = not place.is_header and "@" not in str(old[place])
            yield f"{place} changes" + (f" from {in_json(old[place])} to {in_json(new[place])}" if is_shown else "")


def _new_part(place: Place, old: dict[Place, Any]) -> Place:
    """The largest part of the configuration that has the place and nothing that was there, such as a proxy."""
    shortest = 0 if place.list_keys else 3 if place.keys[1] == "proxy" and place.keys[0] != "rpc" else 2
    for length in range(shortest, len(place.keys)):
        part = place._replace(keys=place.keys[:length])
        if not any(known[1:] == part[1:] and known.keys[:length] == part.keys for known in old):
            return part
    return place
