"""Merges a generated configuration into an existing one.

Each step is made on a copy, which is read as Centrifugo reads it. A step that makes Centrifugo refuse what it accepted
before is left out, with a note.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from .backend import Backend
from .changes import Change, Step, additions, in_json
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
    merging = _Merging(existing, generated.notes)
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


class _Merging:
    """An existing configuration with the steps that were made in it."""

    def __init__(self, tree: Config, notes: list[str]) -> None:
        self.tree = tree
        self.notes = notes
        self.reading = read_tree(tree, {})
        self.refusals = _refusals(self.reading)

    def make(self, step: Step) -> bool:
        """Make the changes that are due, unless Centrifugo refuses the result."""
        config = self.reading.config
        self.notes += filter(None, (change.contradiction(config) for change in step))
        due = [change for change in step if change.is_due(config)]
        if not due:
            return False
        tree = copy.deepcopy(self.tree)
        written = WrittenConfig(tree)
        for change in due:
            if change.value is None:
                written.remove(change.place)
            else:
                written.set(change.place, change.wanted(config))
        reading = read_tree(tree, {})
        refusals = _refusals(reading)
        new_refusals = [finding for key, finding in refusals.items() if key not in self.refusals]
        if new_refusals:
            reason = f"Centrifugo refuses the change: {new_refusals[0].text}; {new_refusals[0].fix}"
        elif any(change.is_due(reading.config) for change in due):
            reason = "other keys of the file hide the change"
        else:
            self.tree, self.reading, self.refusals = tree, reading, refusals
            return True
        self.notes.append(f"{_names(due)}: left as before, since {reason}")
        return False

    def remove(self, steps: Iterable[tuple[Step, str]], reason: str) -> None:
        """Make steps that remove something, unless clients could then do unasked what it refuses."""
        for step, opening in steps:
            names = _names(change for change in step if change.is_due(self.reading.config))
            if opening:
                self.notes.append(f"{names} stays, although {reason}: without it, {opening} lets clients in unasked")
            elif self.make(step):
                self.notes.append(f"{names} is removed: {reason}")


def _names(changes: Iterable[Change]) -> str:
    return ", ".join(str(change.place) for change in changes)


def _refusals(reading: Reading) -> dict[tuple[str, str, int], Finding]:
    """What Centrifugo refuses in a configuration, without the paths, since indexes in lists may change."""
    config = reading.config
    if not value_at(config, "shared_poll.hmac_secret_key"):
        # The notes say that its variable has to be set.
        config = config | {"shared_poll": config.get("shared_poll", {}) | {"hmac_secret_key": "from a variable"}}
    errors = [finding for finding in reading.findings if finding.level == "error"]
    refusals: dict[tuple[str, str, int], Finding] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for finding in (*errors, *refused_by_centrifugo(config)):
        key = (finding.id, finding.text)
        refusals[*key, counts[key]] = finding
        counts[key] += 1
    return refusals


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
