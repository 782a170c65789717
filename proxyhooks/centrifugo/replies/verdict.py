"""What became of a reply: the verdict of the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from ...exceptions import Disconnect, Error

Outcome: TypeAlias = Literal[
    "allowed",
    "refused",
    "disconnected",
    "expired",
    "redirected",
    "grace",
    "ignored",
    "internal_error",
]


class Warning(NamedTuple):  # noqa: A001  # what Centrifugo's users call it; never imported bare
    """A reply that is legal and surely not meant."""

    id: str
    """Stable: API, as SemVer has it."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What Centrifugo makes of a reply, and what the client does then."""

    event: str
    outcome: Outcome
    """``allowed``; ``refused`` with an error; ``disconnected``; ``expired``: the connection or subscription is over
    (refreshes only); ``redirected``: depends on what is found there; ``grace``: a refresh that failed, the client
    stays for another 60 s; ``ignored``: a poll or state call that changes nothing; ``internal_error``: Centrifugo
    could not use the reply, the client gets the temporary error 100, or loses its connection where there is no code:
    Centrifugo crashed."""
    code: int | None = None
    """Of the error or the disconnect, as the client gets it."""
    message: str | None = None
    """Of the error."""
    reason: str | None = None
    """Of the disconnect."""
    temporary: bool = False
    """Of the error."""
    comes_back: bool = False
    """Whether the client tries again by itself: reconnects, or subscribes again. Never for what was allowed, nor for
    an rpc or publication that was refused, which SDKs leave to the caller."""
    result: dict[str, Any] | None = None
    """The result as Centrifugo reads it, only the fields that are set: names in Centrifugo's spelling, payloads under
    ``data`` and the like, as JSON or, from a ``b64`` twin, as bytes; JSON null is ``None``."""
    why: str = ""
    """A sentence."""
    misread: bool = False
    """Whether the reply had status 200 and Centrifugo could still not read it."""
    warnings: tuple[Warning, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"

    def refused_with(self, error: type[Error] | Error | int) -> bool:
        """Whether it was refused with this error: a class of ``errors`` or of your own, an instance, or a code."""
        return self.outcome == "refused" and self.code == (error if isinstance(error, int) else error.code)

    def disconnected_with(self, disconnect: type[Disconnect] | Disconnect | int) -> bool:
        """Whether it was disconnected with this: a class, an instance, or a code."""
        code = disconnect if isinstance(disconnect, int) else disconnect.code
        return self.outcome == "disconnected" and self.code == code
