"""Changes of a configuration that a reload does not apply."""

from __future__ import annotations

from ...._dispatch.events import EVENTS
from ..findings import Finding
from ..tree import Config, value_at


def needs_restart(old: Config, new: Config) -> list[Finding]:
    """Return a finding for each change that a reload of Centrifugo does not apply.

    :param old: the configuration with which Centrifugo was started.
    """
    findings = []
    paths = [event.proxy for event in EVENTS.values()] + ["proxies"]
    for path in dict.fromkeys(paths):
        before, after = value_at(old, path), value_at(new, path)
        if before == after:
            continue
        if before is None:
            text = f"{path} was added: after a reload Centrifugo crashes when it calls it"
        else:
            text = f"{path} was changed: a reload does not apply it"
        findings.append(Finding(id="PH027", path=path, text=text, fix="restart Centrifugo"))
    return findings
