"""What may be wrong with a configuration: the ids, which are stable, and a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Level: TypeAlias = Literal["error", "warning", "info"]

FINDINGS: Final[dict[str, tuple[Level, str]]] = {
    "PH001": ("error", "a proxy asks for an event that no hook serves"),
    "PH002": ("error", "a namespace asks about channels or methods that no pattern covers"),
    "PH003": ("error", "the namespace of a hook is missing: its channels are unknown to every client"),
    "PH004": ("warning", "a hook is never asked: its proxy is off, or not switched on for its namespace"),
    "PH005": ("error", "an endpoint is not the URL of its event"),
    "PH006": ("error", "an endpoint is no URL, or of another host than --base-url"),
    "PH007": ("error", "a proxy does not send the secret"),
    "PH008": ("error", "a proxy sends a secret that the application does not accept"),
    "PH009": ("error", "clients can override the secret with a header of their own"),
    "PH010": ("error", "a timeout without a unit"),
    "PH011": ("error", "a timeout longer than the application's server lets a call take"),
    "PH012": ("error", "a key of Centrifugo v5 or older"),
    "PH013": ("error", "a key that Centrifugo does not know"),
    "PH014": ("error", "a status is transformed into a code that ends connections or keeps clients away"),
    "PH015": ("error", "no allowed origins: every browser is refused"),
    "PH016": ("error", "a name that Centrifugo refuses"),
    "PH017": ("error", "the value of a header is no text"),
    "PH018": ("error", "a named proxy that is not defined"),
    "PH019": ("warning", "a header that the hooks read is not forwarded"),
    "PH020": ("warning", "plain HTTP to a public host: the secret can be read on the way"),
    "PH021": ("warning", "no Idempotency-Key where a hook may safely run twice"),
    "PH022": ("warning", "proxies for maps, with which v6.9.1 has difficulties"),
    "PH023": ("info", "tokens besides the connect proxy, which is not asked about connections with one"),
    "PH024": ("error", "the application reads meta, and a proxy does not send it"),
    "PH025": ("error", "a variable in a place where Centrifugo replaces none, or of a name that it does not replace"),
    "PH026": ("warning", "a variable that is not set here, so that the secret cannot be compared"),
    "PH027": ("info", "a change that needs a restart of Centrifugo; a reload does not take it up"),
    "PH028": ("warning", "a timeout that is not PROXYHOOKS_TIMEOUT, which says what comes too late"),
}
"""Level and meaning of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    id: str
    text: str
    """A sentence."""
    path: str
    """In the file, such as ``channel.namespaces[2].name``."""
    fix: str
    """What to write."""

    @property
    def level(self) -> Level:
        return FINDINGS[self.id][0]
