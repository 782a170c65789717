"""Merges a generated configuration into an existing one.

Each step is made on a copy, which is read as Centrifugo reads it. A step that makes Centrifugo refuse what it accepted
before is left out, with a note.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ..backend import Backend
from ..checks.refusals import refused_by_centrifugo
from ..findings import Finding
from ..reading.reader import Reading, read_tree
from ..secrecy import hider
from ..tree import Config, value_at
from .changes import Change, Step, additions, in_json
from .config_options import ConfigOptions
from .generate import GeneratedConfig, generate
from .obsolete import Obsolete, Removal
from .places import Place, values_by_place
from .proxy_uses import ProxyUse, proxy_uses
from .written import WrittenConfig

_IGNORED: Final = ("PH012", "PH013")


def merge(existing: Config, backend: Backend, options: ConfigOptions) -> GeneratedConfig:
    """Return an existing configuration with the generated one in it; notes name every value that differs.

    :param existing: as its file has it; it stays unchanged.
    :raises ValueError: if an option cannot work, or Centrifugo cannot read the existing configuration.
    """
    reading = read_tree(existing, {})
    hide = hider(reading.config, {}, backend.secrets)
    for finding in reading.unreadable:
        raise ValueError(f"Centrifugo cannot read the file: {hide(str(finding))}")
    before = reading.config
    generated = generate(backend, options, before)
    merging = _Merging(existing, reading, generated, hide)
    obsolete = Obsolete(before, generated.config, backend, options)
    merging.remove(obsolete.switches(), "no hook has a pattern there")
    merging.remove(obsolete.repeats(), "its hooks may not run twice")
    for step in additions(before, generated.config, options):
        merging.add(step)
    merging.remove(obsolete.proxies(), "no hook needs it")
    ignored = [finding.path for finding in reading.findings if finding.id in _IGNORED]
    if ignored:
        generated.notes.append(f"Centrifugo ignores {', '.join(ignored)}: flask centrifugo check says why")
    after = merging.reading.config
    generated.notes += map(hide, _differences(before, after))
    generated.notes += (
        f"{finding.path} was there and stays, and Centrifugo refuses it: {hide(str(finding))}"
        for finding in refused_by_centrifugo(_with_key_of_shared_polls(after))
    )
    return GeneratedConfig(merging.tree, generated.notes)


class _Merging:
    """An existing configuration with the steps that were made in it."""

    def __init__(self, tree: Config, reading: Reading, generated: GeneratedConfig, hide: Callable[[str], str]) -> None:
        self.tree = tree
        self.reading = reading
        self.refusals = _refusals(reading)
        self.wanted = _called_endpoints(generated.config)
        self.notes = generated.notes
        self.hide = hide

    def add(self, step: Step) -> None:
        """Make a step, unless Centrifugo refuses the result."""
        config = self.reading.config
        self.notes += filter(None, (change.contradiction(config) for change in step))
        due = [change for change in step if change.is_due(config)]
        if obstacle := self._make(due):
            self.notes.append(f"{_names(due)}: left as before, because {obstacle}")

    def remove(self, removals: Iterable[Removal], reason: str) -> None:
        """Make removals, unless Centrifugo then refuses the result, or allows clients more than before."""
        for changes, opening in removals:
            due = [change for change in changes if change.is_due(self.reading.config)]
            obstacle = f"{opening} lets clients in unasked" if opening else self._make(due)
            if obstacle:
                self.notes.append(f"{_names(due)} stays, although {reason}: without it, {obstacle}")
            else:
                self.notes.append(f"{_names(due)} is removed: {reason}")

    def _make(self, changes: Sequence[Change]) -> str:
        """Make changes, or say why they cannot be made."""
        if not changes:
            return ""
        tree = copy.deepcopy(self.tree)
        written = WrittenConfig(tree)
        for change in changes:
            if change.value is None:
                written.remove(change.place)
            else:
                written.set(change.place, change.wanted(self.reading.config))
        reading = read_tree(tree, {})
        refusals = _refusals(reading)
        new = [finding for key, finding in refusals.items() if key not in self.refusals]
        if new:
            return self.hide(str(new[0]))
        if any(change.is_due(reading.config) for change in changes):
            return "other keys of the file hide the change"
        if diverted := self._diverted_call(reading.config):
            return diverted
        self.tree, self.reading, self.refusals = tree, reading, refusals
        return ""

    def _diverted_call(self, after: Config) -> str:
        """Why a change makes Centrifugo call the wrong application; ``""`` if it does not."""
        before = _called_endpoints(self.reading.config)
        for use, endpoint in _called_endpoints(after).items():
            if use in self.wanted:
                if endpoint != self.wanted[use] and before.get(use) != endpoint:
                    return f"{use.proxy} calls another application; {_OWN_PROXIES}"
            elif use in before and before[use] != endpoint:
                return (
                    f"{use.namespace} uses {use.proxy} too, and no {use.event} hook has a pattern there; {_OWN_PROXIES}"
                )
        return ""


_OWN_PROXIES: Final = "--proxy-name NAME gives the application proxies of its own"


def _called_endpoints(config: Config) -> dict[ProxyUse, str | None]:
    """The endpoint that is called for each event that is on in a namespace."""
    return {use: use.proxy.below("endpoint").value_in(config) for use in proxy_uses(config)}


def _names(changes: Iterable[Change]) -> str:
    return ", ".join(str(change.place) for change in changes)


def _refusals(reading: Reading) -> dict[tuple[str, str, int], Finding]:
    """What Centrifugo refuses in a configuration. The keys have no paths, since indexes in lists may change."""
    errors = [finding for finding in reading.findings if finding.level == "error"]
    refusals: dict[tuple[str, str, int], Finding] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for finding in (*errors, *refused_by_centrifugo(_with_key_of_shared_polls(reading.config))):
        key = (finding.id, finding.text)
        refusals[*key, counts[key]] = finding
        counts[key] += 1
    return refusals


def _with_key_of_shared_polls(config: Config) -> Config:
    """The configuration with a key for shared polls. It may be in a variable; a note of the generator says so."""
    if value_at(config, "shared_poll.hmac_secret_key"):
        return config
    return config | {"shared_poll": config.get("shared_poll", {}) | {"hmac_secret_key": "in a variable"}}


def _differences(before: Config, after: Config) -> Iterator[str]:
    """Yield a note for each value that is new or another one."""
    old, new = dict(values_by_place(before)), dict(values_by_place(after))
    added = {place: _new_part(place, old) for place in new if place not in old}
    for part in dict.fromkeys(added.values()):
        yield f"{part} is added"
    for place in old:
        if place in new and old[place] != new[place]:
            # A header may be a secret, and so may a part of a URL.
            is_shown = not place.is_header and not {"@", "?"} & set(str(old[place]))
            yield f"{place} changes" + (f" from {in_json(old[place])} to {in_json(new[place])}" if is_shown else "")


def _new_part(place: Place, old: dict[Place, Any]) -> Place:
    """The largest new part of the configuration around a place, such as a whole proxy."""
    shortest = 0 if place.list_keys else 3 if place.keys[1] == "proxy" and place.keys[0] != "rpc" else 2
    for length in range(shortest, len(place.keys)):
        part = place._replace(keys=place.keys[:length])
        if not any(known[1:] == part[1:] and known.keys[:length] == part.keys for known in old):
            return part
    return place
