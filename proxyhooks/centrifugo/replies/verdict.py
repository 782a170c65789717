"""The verdict of the judge about a reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ..._wire.json import Malformed, TooComplex, loads
from ...exceptions import Disconnect, Error

__tracebackhide__ = True  # pytest then ends a traceback at the line of the test

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

Cause: TypeAlias = Literal[
    "result",
    "error",
    "disconnect",
    "empty-reply",
    "expired-flag",
    "expire-at-missing",
    "expire-at-past",
    "binary-for-json",
    "redirect",
    "status",
    "not-json",
    "wrong-type",
    "bad-base64",
    "crashing-null",
]


class Warning(NamedTuple):  # noqa: A001  # the natural name; never imported bare
    """A reply that Centrifugo accepts and that is almost certainly a mistake."""

    id: str
    """A key of ``WARNINGS``; stable under semantic versioning."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How Centrifugo reads a reply, and what the client does then."""

    event: str
    outcome: Outcome
    """What happens to the operation or the client.

    - ``allowed``
    - ``refused``: the client gets an error.
    - ``disconnected``: the client gets a disconnect.
    - ``expired``: a refresh ends the connection or the subscription.
    - ``redirected``: Centrifugo follows the redirect; the reply at its end decides.
    - ``grace``: a refresh failed; the client stays for another 60 s.
    - ``ignored``: the reply to a poll or state call changes nothing.
    - ``internal_error``: Centrifugo cannot use the reply. The client gets the temporary error 100; where ``code`` is
      ``None``, Centrifugo crashes.
    """
    cause: Cause | None = None
    """Which part of the reply decides, as an id that is stable under semantic versioning.

    - ``result``, ``error``, ``disconnect``: the reply carries it.
    - ``empty-reply``: the reply carries none of the three.
    - ``expired-flag``: ``result.expired`` is true.
    - ``expire-at-missing``, ``expire-at-past``: about ``result.expire_at``.
    - ``binary-for-json``: the result has bytes that are not JSON for a client that speaks JSON.
    - ``redirect``, ``status``: the HTTP status is a redirect, or another one than 200.
    - ``not-json``, ``wrong-type``, ``bad-base64``, ``crashing-null``: Centrifugo cannot read the body.

    ``None``: there is no reply, because Centrifugo does not ask.
    """
    code: int | None = None
    """The code of the error or disconnect that the client gets."""
    message: str | None = None
    """The message of the error."""
    reason: str | None = None
    """The reason of the disconnect."""
    temporary: bool = False
    """Whether the error is temporary."""
    comes_back: bool = False
    """Whether the SDK reconnects or subscribes again by itself. It never repeats an rpc or a publication."""
    result: dict[str, Any] | None = None
    """The fields of the result that are set, in Centrifugo's spelling. A payload is a JSON value; one from a ``b64``
    twin is bytes under the plain name."""
    why: str = ""
    """A sentence for people; :attr:`cause` is for programs."""
    misread: bool = False
    """Whether Centrifugo cannot read the body of a reply with status 200."""
    warnings: tuple[Warning, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"

    @property
    def data(self) -> Any:
        """The ``data`` of the result, decoded: a JSON value, or bytes that are not JSON.

        ``None`` if the result has none, or if there is no result, as after a refusal.
        """
        data = (self.result or {}).get("data")
        if not isinstance(data, bytes):
            return data
        try:
            return loads(data)
        except (Malformed, TooComplex):
            return data

    def refused_with(self, error: type[Error] | Error | int) -> bool:
        """Whether the outcome is a refusal with this error: an ``Error`` class, an instance or a code.

        :raises TypeError: if it is none of these, for example a disconnect.
        """
        code = _code_of(error, Error)
        return self.outcome == "refused" and self.code == code

    def disconnected_with(self, disconnect: type[Disconnect] | Disconnect | int) -> bool:
        """Whether the outcome is this disconnect: a ``Disconnect`` class, an instance or a code.

        :raises TypeError: if it is none of these, for example an error.
        """
        code = _code_of(disconnect, Disconnect)
        return self.outcome == "disconnected" and self.code == code


def _code_of(refusal: Any, kind: type[Error] | type[Disconnect]) -> int:
    if isinstance(refusal, int) and not isinstance(refusal, bool):
        return refusal
    code = getattr(refusal, "code", None)
    if code is not None and (isinstance(refusal, kind) or (isinstance(refusal, type) and issubclass(refusal, kind))):
        return int(code)
    wrong = refusal if isinstance(refusal, type) else type(refusal)
    other: type[Error] | type[Disconnect] = Disconnect if kind is Error else Error
    hint = f": for {_METHODS[other][0]} use {_METHODS[other][1]}" if issubclass(wrong, other) else ""
    takes = f"{_METHODS[kind][1]} takes a code, or a class or an instance of {kind.__name__} that has one"
    raise TypeError(f"{takes}, not {refusal!r}{hint}")


_METHODS: Final = {Error: ("an Error", "refused_with"), Disconnect: ("a Disconnect", "disconnected_with")}
