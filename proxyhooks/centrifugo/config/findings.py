"""The findings of ``flask centrifugo check``: their ids, levels and meanings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from .tree import without_indexes

Level: TypeAlias = Literal["error", "warning", "info"]

FINDINGS: Final[dict[str, tuple[Level, str]]] = {
    "PH001": ("error", "a proxy is configured for an event without a hook"),
    "PH002": ("error", "an event is switched on in a namespace where no hook has a pattern"),
    "PH003": (
        "error",
        "the namespace of a hook or of a declared publication is not defined",
    ),
    "PH004": ("warning", "a hook is never called: its proxy is not enabled, or not switched on in its namespace"),
    "PH005": ("error", "the path of an endpoint is not the URL of its event"),
    "PH006": ("error", "an endpoint is not an HTTP URL, or has another host than --base-url"),
    "PH007": ("error", "a proxy does not send the secret"),
    "PH008": ("error", "a proxy sends a secret that the application does not accept"),
    "PH009": ("error", "clients can override the secret with a header of their own"),
    "PH010": ("error", "a timeout is so short that every call fails; a number without a unit is nanoseconds"),
    "PH011": ("error", "a timeout is longer than the time after which gunicorn's sync worker is killed"),
    "PH012": ("error", "a key is one of Centrifugo v5 or older, and v6 ignores it"),
    "PH013": ("error", "Centrifugo does not know a key, and ignores it"),
    "PH014": (
        "error",
        "a transform turns a temporary failure into a code that is final or ends connections",
    ),
    "PH015": ("error", "no origin is allowed, so that every browser is refused"),
    "PH016": ("error", "Centrifugo refuses the name of a namespace, a proxy or a consumer, and does not start"),
    "PH017": ("error", "the value of a static header is not a string"),
    "PH018": ("error", "a proxy that is switched on or named is not defined, or has no endpoint"),
    "PH019": ("warning", "a header that the hooks read is not forwarded"),
    "PH020": ("warning", "the secret travels over plain HTTP to a public host"),
    "PH021": ("warning", "a proxy lacks the Idempotency-Key header, and its hook may safely run twice"),
    "PH022": ("warning", "Centrifugo v6.9.1 reports allowed map operations to their client as errors"),
    "PH023": ("info", "client.token is set, so the connect hook is called only for clients that bring no token"),
    "PH024": ("error", "the application reads meta, and a proxy does not send it"),
    "PH025": (
        "error",
        "Centrifugo does not replace a variable: it replaces ${CENTRIFUGO_VAR_...} in static headers only",
    ),
    "PH026": ("warning", "a variable in a static header is not set in this environment; Centrifugo needs it to start"),
    "PH027": ("info", "a change needs a restart of Centrifugo; a reload does not apply it"),
    "PH028": ("warning", "a timeout differs from PROXYHOOKS_TIMEOUT, so the hooks misjudge how long Centrifugo waits"),
    "PH029": ("error", "Centrifugo cannot read a value, so that it does not start"),
    "PH030": ("warning", "Centrifugo ignores a variable or a repeated key, or reads another value than was meant"),
    "PH031": ("error", "Centrifugo refuses an option, alone or beside another, and does not start"),
    "PH032": ("error", "the program centrifugo refuses the configuration, for a reason that no other finding gives"),
    "PH033": ("error", "a hook is never called: Centrifugo refuses each of its channels, or decides about it itself"),
    "PH034": ("warning", "Centrifugo decides about channels with # in a namespace that has subscribe hooks"),
    "PH035": ("error", "no browser sends an allowed origin as it is written"),
    "PH036": ("warning", "pages of every site can connect with their visitors' cookies"),
    "PH037": ("warning", "Centrifugo up to v6.9.2 accepts one new connection a second once a limit is reached"),
}
"""Level and meaning of each finding, by its id. The ids are stable under semantic versioning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem in a configuration."""

    id: str
    text: str
    """A sentence."""
    path: str
    """The key in the configuration, such as ``channel.namespaces[2].name``; empty: the file as a whole."""
    fix: str
    """The remedy; a piece of the configuration where one helps."""

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}"

    @property
    def level(self) -> Level:
        return FINDINGS[self.id][0]


def once_per_kind(findings: Iterable[Finding]) -> list[Finding]:
    """Keep one finding where only the indexes in their paths differ; its text has the number of the others."""
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.id, without_indexes(finding.path), finding.text), []).append(finding)
    return [replace(same[0], text=same[0].text + _and_elsewhere(len(same) - 1)) for same in kinds.values()]


def _and_elsewhere(others: int) -> str:
    if not others:
        return ""
    return f", here and in {others} more {'place' if others == 1 else 'places'}"
